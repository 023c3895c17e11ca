//! `/postgres/user-delete`: deletes a PostgreSQL role.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{MAX_POSTGRESQL_USER, PrefixedName};

/// Deletes a role.
#[derive(Serialize)]
pub struct DeletePostgresqlUser {
    /// The role.
    pub pg_username: PrefixedName,
}

impl Operation for DeletePostgresqlUser {
    const PATHS: &'static [&'static str] = &["/postgres/user-delete"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { pg_username: PrefixedName::parse("pg_username", fields.text("pg_username")?, MAX_POSTGRESQL_USER)? })
    }
}
