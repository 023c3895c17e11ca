//! `/databases/delete`: deletes a MariaDB database.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{MAX_MARIADB_DATABASE, PrefixedName};

/// Deletes a database.
#[derive(Serialize)]
pub struct DeleteMariaDbDatabase {
    /// The database.
    pub name: PrefixedName,
}

impl Operation for DeleteMariaDbDatabase {
    const PATHS: &'static [&'static str] = &["/databases/delete"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { name: PrefixedName::parse("name", fields.text("name")?, MAX_MARIADB_DATABASE)? })
    }
}
