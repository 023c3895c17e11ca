//! `/databases/user-password`: sets the password of a MariaDB user.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{ClientHost, MAX_MARIADB_USER, PrefixedName};
use crate::request::values::{self, exposed};
use opterius_base::secret::Secret;

/// Sets a password.
#[derive(Serialize)]
pub struct SetMariaDbPassword {
    /// The user.
    pub username: PrefixedName,
    /// The password.
    #[serde(serialize_with = "exposed")]
    pub password: Secret,
    /// From where the user connects; none means all hosts that it has.
    pub host: Option<ClientHost>,
}

impl Operation for SetMariaDbPassword {
    const PATHS: &'static [&'static str] = &["/databases/user-password"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            username: PrefixedName::parse("username", fields.text("username")?, MAX_MARIADB_USER)?,
            password: values::password("password", fields.text("password")?)?,
            host: ClientHost::parse(fields.optional_text("host")?)?,
        })
    }
}
