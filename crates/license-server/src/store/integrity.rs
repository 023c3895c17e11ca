//! The integrity of a database.

use rusqlite::Connection;

use super::error::Error;

/// The maximum number of reported defects.
const MAX_DEFECTS: usize = 10;

/// The defects, in SQLite's words.
pub(super) fn defects(connection: &Connection) -> Result<Vec<String>, Error> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let found: rusqlite::Result<Vec<String>> = statement.query_map([], |row| row.get(0))?.take(MAX_DEFECTS).collect();
    let mut defects: Vec<String> = found?.into_iter().filter(|line| line != "ok").collect();
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let orphan = |row: &rusqlite::Row<'_>| Ok(format!("a row of {} has no parent row", row.get::<_, String>(0)?));
    let orphans: rusqlite::Result<Vec<String>> = statement.query_map([], orphan)?.take(MAX_DEFECTS).collect();
    defects.extend(orphans?);
    Ok(defects)
}
