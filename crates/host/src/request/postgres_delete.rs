//! `/postgres/delete`: deletes a PostgreSQL database.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{MAX_POSTGRESQL_DATABASE, PrefixedName};

/// Deletes a database.
#[derive(Serialize)]
pub struct DeletePostgresqlDatabase {
    /// The database.
    pub name: PrefixedName,
}

impl Operation for DeletePostgresqlDatabase {
    const PATHS: &'static [&'static str] = &["/postgres/delete"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { name: PrefixedName::parse("name", fields.text("name")?, MAX_POSTGRESQL_DATABASE)? })
    }
}
