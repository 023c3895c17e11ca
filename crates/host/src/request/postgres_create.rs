//! `/postgres/create`: creates a PostgreSQL database.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{MAX_POSTGRESQL_DATABASE, PrefixedName};

/// Creates a database.
#[derive(Serialize)]
pub struct CreatePostgresqlDatabase {
    /// The database.
    pub name: PrefixedName,
}

impl Operation for CreatePostgresqlDatabase {
    const PATHS: &'static [&'static str] = &["/postgres/create"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { name: PrefixedName::parse("name", fields.text("name")?, MAX_POSTGRESQL_DATABASE)? })
    }
}
