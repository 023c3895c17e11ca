//! Repairing and optimizing tables.

use crate::servers::mariadb::client::{MariaDb, text};
use crate::servers::mariadb::description::Table;
use opterius_base::text::one_line;
use opterius_host::problem::Problem;
use opterius_host::request::databases_repair::RepairAction;
use opterius_host::request::prefixed_name::PrefixedName;

/// The storage engines that can repair a table. For others, MariaDB says that it cannot, so these tables are checked instead.
const REPAIRABLE: [&str; 4] = ["MyISAM", "Aria", "ARCHIVE", "CSV"];

/// Longest part of a table's name in a message, in characters.
const MAX_NAME: usize = 80;

/// What was done with the tables of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// How many tables it has.
    pub tables: usize,
    /// A sentence for each table that is still damaged.
    pub damaged: Vec<String>,
}

impl MariaDb {
    /// Repairs or optimizes the tables of a database.
    ///
    /// # Errors
    /// MariaDB does not answer, or could not do it in time.
    pub fn maintain(&self, database: &PrefixedName, action: RepairAction) -> Result<Maintained, Problem> {
        let tables = self.tables(database)?;
        let mut damaged = Vec::new();
        for table in &tables {
            let statement = format!("{} `{database}`.`", verb(table, action));
            // MariaDB assembles the statement, because its client does not read quoted names as the server does.
            let statement = format!(
                "EXECUTE IMMEDIATE CONCAT({}, REPLACE({}, '`', '``'), '`');\n",
                text(&statement),
                text(&table.name)
            );
            let rows = self.rows(&statement)?;
            if rows.iter().any(|row| is_in_use(row)) {
                // The next one might wait as long.
                return Err(Problem::TimedOut(format!(
                    "The table “{}” of “{database}” is in use by another session, so it is neither checked nor repaired. Try again \
                     when that session has ended.",
                    one_line(&table.name, MAX_NAME)
                )));
            }
            damaged.extend(
                rows.iter()
                    .find_map(|row| complaint(row))
                    .map(|said| format!("“{}”: {}", one_line(&table.name, MAX_NAME), said)),
            );
        }
        Ok(Maintained { tables: tables.len(), damaged })
    }
}

fn verb(table: &Table, action: RepairAction) -> &'static str {
    match action {
        RepairAction::Optimize => "OPTIMIZE TABLE",
        RepairAction::Repair if REPAIRABLE.contains(&table.engine.as_str()) => "REPAIR TABLE",
        RepairAction::Repair => "CHECK TABLE",
    }
}

/// Whether a row of the answer says that the table could not be locked.
fn is_in_use(row: &[String]) -> bool {
    row.last().is_some_and(|said| said.contains("Lock wait timeout exceeded"))
}

/// What a row of the answer (table, operation, type, text) complains about.
fn complaint(row: &[String]) -> Option<String> {
    match row {
        [.., kind, said] if kind == "error" || (kind == "status" && said == "Operation failed") => {
            Some(one_line(said, 200))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_use_is_not_damaged() {
        let row = |text: &str| ["a.b", "check", "Error", text].map(str::to_owned);
        assert!(is_in_use(&row("Lock wait timeout exceeded; try restarting transaction")));
        assert!(!is_in_use(&row("Corrupt")) && !is_in_use(&[]));
    }

    #[test]
    fn only_errors_are_complaints() {
        let row = |kind: &str, text: &str| ["a.b", "repair", kind, text].map(str::to_owned);
        assert_eq!(complaint(&row("status", "OK")), None);
        assert_eq!(complaint(&row("note", "Table does not support optimize, doing recreate + analyze instead")), None);
        assert_eq!(complaint(&row("error", "Corrupt")), Some("Corrupt".to_owned()));
        assert_eq!(complaint(&row("status", "Operation failed")), Some("Operation failed".to_owned()));
    }
}
