//! `/databases/info`: describes a MariaDB database.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{MAX_MARIADB_DATABASE, PrefixedName};

/// Describes a database.
#[derive(Serialize)]
pub struct DescribeMariaDbDatabase {
    /// The database.
    pub name: PrefixedName,
}

impl Operation for DescribeMariaDbDatabase {
    const PATHS: &'static [&'static str] = &["/databases/info"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self { name: PrefixedName::parse("name", fields.text("name")?, MAX_MARIADB_DATABASE)? })
    }
}
