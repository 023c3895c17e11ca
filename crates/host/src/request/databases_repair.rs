//! `/databases/repair`: checks and repairs the tables of a MariaDB database, or rebuilds them.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::prefixed_name::{MAX_MARIADB_DATABASE, PrefixedName};

/// What is done with each table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RepairAction {
    /// Repair it, where its storage engine can.
    Repair,
    /// Rebuild it, which frees what deleted rows took.
    Optimize,
}

/// Repairs or optimizes all tables of a database.
#[derive(Serialize)]
pub struct RepairMariaDbDatabase {
    /// The database.
    pub name: PrefixedName,
    /// What is done.
    pub action: RepairAction,
}

impl Operation for RepairMariaDbDatabase {
    const PATHS: &'static [&'static str] = &["/databases/repair"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let words = [("repair", RepairAction::Repair), ("optimize", RepairAction::Optimize)];
        Ok(Self {
            name: PrefixedName::parse("name", fields.text("name")?, MAX_MARIADB_DATABASE)?,
            action: fields.one_of("action", &words)?,
        })
    }
}
