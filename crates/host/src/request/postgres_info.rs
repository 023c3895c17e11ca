//! `/postgres/info`: describes a PostgreSQL database.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{MAX_POSTGRESQL_DATABASE, PrefixedName};

/// Describes a database.
#[derive(Serialize)]
pub struct DescribePostgresqlDatabase {
    /// The database.
    pub name: PrefixedName,
}

impl Operation for DescribePostgresqlDatabase {
    const PATHS: &'static [&'static str] = &["/postgres/info"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { name: PrefixedName::parse("name", fields.text("name")?, MAX_POSTGRESQL_DATABASE)? })
    }
}
