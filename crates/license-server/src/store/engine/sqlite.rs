//! Statements in SQLite.

use rusqlite::params_from_iter;
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::Serialize;

use super::super::error::Error;
use super::row::{Column, Columns, Row};
use super::value::Value;

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Value::Integer(number) => number.map_or(ValueRef::Null, ValueRef::Integer),
            Value::Text(text) => text.as_ref().map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())),
            // `json_each` makes rows of it.
            Value::Integers(numbers) => return json(numbers),
            Value::Texts(texts) => return json(texts),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

fn json(values: &impl Serialize) -> rusqlite::Result<ToSqlOutput<'static>> {
    let text = serde_json::to_string(values);
    text.map(ToSqlOutput::from).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

impl Columns for rusqlite::Row<'_> {
    fn column(&self, number: usize) -> Result<Column<'_>, Error> {
        Ok(match self.get_ref(number)? {
            ValueRef::Null => Column::Null,
            ValueRef::Integer(number) => Column::Integer(number),
            ValueRef::Text(text) => Column::Text(
                std::str::from_utf8(text).map_err(|error| Error::Failed(format!("column {number}: {error}")))?,
            ),
            ValueRef::Real(_) | ValueRef::Blob(_) => {
                return Err(Error::Failed(format!("column {number} is neither a number nor text")));
            }
        })
    }
}

/// Runs a statement that returns no rows; returns the number of rows that it changed.
pub(super) fn execute(connection: &rusqlite::Connection, sql: &str, parameters: &[Value<'_>]) -> Result<usize, Error> {
    Ok(connection.prepare_cached(sql)?.execute(params_from_iter(parameters))?)
}

/// Runs a query and passes each row to `each` until it returns `false`.
pub(super) fn query(
    connection: &rusqlite::Connection,
    sql: &str,
    parameters: &[Value<'_>],
    mut each: impl FnMut(&Row<'_>) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(parameters))?;
    while let Some(row) = rows.next()? {
        if !each(&Row(row))? {
            break;
        }
    }
    Ok(())
}

/// Makes one change of several; undoes it, and nothing else, if `change` returns `false`.
pub(super) fn attempt(connection: &rusqlite::Connection, change: impl FnOnce() -> bool) -> Result<(), Error> {
    let run = |sql| execute(connection, sql, &[]);
    run("SAVEPOINT change")?;
    if !change() {
        if connection.is_autocommit() {
            return Err(Error::Failed("everything was rolled back: the disk is full or failing".to_owned()));
        }
        run("ROLLBACK TO change")?;
    }
    run("RELEASE change")?;
    Ok(())
}
