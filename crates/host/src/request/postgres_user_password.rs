//! `/postgres/user-password`: sets the password of a PostgreSQL role.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{MAX_POSTGRESQL_USER, PrefixedName};
use crate::request::values::{self, exposed};
use opterius_base::secret::Secret;

/// Sets a password.
#[derive(Serialize)]
pub struct SetPostgresqlPassword {
    /// The role.
    pub pg_username: PrefixedName,
    /// The password.
    #[serde(serialize_with = "exposed")]
    pub password: Secret,
}

impl Operation for SetPostgresqlPassword {
    const PATHS: &'static [&'static str] = &["/postgres/user-password"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let password = values::password("password", fields.text("password")?)?;
        Ok(Self {
            pg_username: PrefixedName::parse("pg_username", fields.text("pg_username")?, MAX_POSTGRESQL_USER)?,
            password,
        })
    }
}
