//! `/postgres/user-create`: creates a PostgreSQL role that can log in and uses one database.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{MAX_POSTGRESQL_DATABASE, MAX_POSTGRESQL_USER, PrefixedName};
use crate::request::values::{self, exposed};
use opterius_base::secret::Secret;

/// Creates a role.
#[derive(Serialize)]
pub struct CreatePostgresqlUser {
    /// The role.
    pub pg_username: PrefixedName,
    /// The password.
    #[serde(serialize_with = "exposed")]
    pub password: Secret,
    /// The database.
    pub database: PrefixedName,
}

impl Operation for CreatePostgresqlUser {
    const PATHS: &'static [&'static str] = &["/postgres/user-create"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            pg_username: PrefixedName::parse("pg_username", fields.text("pg_username")?, MAX_POSTGRESQL_USER)?,
            password: values::password("password", fields.text("password")?)?,
            database: PrefixedName::parse("database", fields.text("database")?, MAX_POSTGRESQL_DATABASE)?,
        })
    }
}
