//! The numbers that a table gives out: in the copy they go on above all that were ever given out.

use super::super::engine::{Connection, Queries, params};
use super::super::error::Error;
use super::catalog::Table;

/// The highest number that a table has ever given out; `None` if there is none.
pub(super) fn highest(connection: &Connection, table: &Table) -> Result<Option<i64>, Error> {
    if !table.has_numbers {
        return Ok(None);
    }
    let largest = format!("SELECT max(id) FROM {}", table.quoted());
    let largest: Option<i64> = connection.query_row(&largest, &[], |row| row.get(0))?;
    let given = if connection.sqlite().is_some() {
        "SELECT seq FROM sqlite_sequence WHERE name = ?1"
    } else {
        "SELECT pg_sequence_last_value(pg_get_serial_sequence(?1, 'id')::regclass)"
    };
    let given: Option<i64> = connection.query_optional(given, params![table.name], |row| row.get(0))?.flatten();
    Ok(largest.max(given))
}

/// Lets the numbers of the target go on above those of the source.
pub(super) fn go_on(source: &Connection, target: &Connection, table: &Table) -> Result<(), Error> {
    let Some(number) = highest(source, table)? else { return Ok(()) };
    if target.sqlite().is_none() {
        let sql = "SELECT setval(pg_get_serial_sequence(?1, 'id'), ?2)";
        return target.query_row(sql, params![table.name, number], |_| Ok(()));
    }
    let known = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
    if target.execute(known, params![table.name, number])? == 0 {
        target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![table.name, number])?;
    }
    Ok(())
}
