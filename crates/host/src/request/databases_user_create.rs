//! `/databases/user-create`: creates a MariaDB user with all privileges for one database.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{ClientHost, MAX_MARIADB_DATABASE, MAX_MARIADB_USER, PrefixedName};
use crate::request::values::{self, exposed};
use opterius_base::secret::Secret;

/// Creates a user.
#[derive(Serialize)]
pub struct CreateMariaDbUser {
    /// The user.
    pub username: PrefixedName,
    /// The password.
    #[serde(serialize_with = "exposed")]
    pub password: Secret,
    /// The database.
    pub database: PrefixedName,
    /// From where the user connects.
    pub host: ClientHost,
}

impl Operation for CreateMariaDbUser {
    const PATHS: &'static [&'static str] = &["/databases/user-create"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            username: PrefixedName::parse("username", fields.text("username")?, MAX_MARIADB_USER)?,
            password: values::password("password", fields.text("password")?)?,
            database: PrefixedName::parse("database", fields.text("database")?, MAX_MARIADB_DATABASE)?,
            host: ClientHost::parse(fields.optional_text("host")?)?.unwrap_or(ClientHost::Local),
        })
    }
}
