//! The rows of a table: read in pages by the primary key, written, and summed up.

use std::borrow::Cow;

use ring::digest::{Context, SHA256};

use super::super::engine::{Column as EngineColumn, Connection, FromColumn, Queries, Value};
use super::super::error::Error;
use super::catalog::{Kind, Table, quoted};
use opterius_base::hex::hex;

/// How many rows are in memory at once.
const PAGE: usize = 1000;

/// Settings that belong to a database and not to what is in it: the schema of PostgreSQL makes them.
const OWN_SETTINGS: [&str; 2] = ["application", "schema_version"];

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Text(String),
}

/// All rows of a table, summed up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) count: u64,
    pub(super) checksum: String,
}

impl FromColumn for Cell {
    fn from_column(column: EngineColumn<'_>) -> Option<Self> {
        Some(match column {
            EngineColumn::Null => Self::Null,
            EngineColumn::Integer(number) => Self::Integer(number),
            EngineColumn::Text(text) => Self::Text(text.to_owned()),
        })
    }
}

impl Cell {
    fn value(&self, kind: Kind) -> Value<'_> {
        match kind {
            Kind::Integer => Value::Integer(self.integer()),
            Kind::Text => Value::Text(self.text()),
        }
    }

    fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        if let Self::Text(text) = self { Some(Cow::Borrowed(text)) } else { None }
    }

    /// Adds the value to a checksum so that no two lists of values give the same bytes.
    fn add_to(&self, checksum: &mut Context) {
        match self {
            Self::Null => checksum.update(b"-"),
            Self::Integer(number) => {
                checksum.update(b"i");
                checksum.update(&number.to_be_bytes());
            }
            Self::Text(text) => {
                checksum.update(b"t");
                checksum.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
                checksum.update(text.as_bytes());
            }
        }
    }
}

/// How many rows a table has.
pub(super) fn count(connection: &Connection, table: &Table) -> Result<u64, Error> {
    connection.query_row(&format!("SELECT count(*) FROM {}", table.quoted()), &[], |row| row.get(0))
}

/// Deletes the rows of a new table, but for those that belong to the database.
pub(super) fn clear(connection: &Connection, table: &Table) -> Result<(), Error> {
    let condition = if table.name == "settings" {
        let names = OWN_SETTINGS.map(|name| format!("'{name}'"));
        format!(" WHERE name NOT IN ({})", names.join(", "))
    } else {
        String::new()
    };
    connection.execute(&format!("DELETE FROM {}{condition}", table.quoted()), &[])?;
    Ok(())
}

/// Tells PostgreSQL how large a table is. It would find out by itself, a minute later.
pub(super) fn gather_statistics(connection: &Connection, table: &Table) -> Result<(), Error> {
    if connection.sqlite().is_some() { Ok(()) } else { connection.batch(&format!("ANALYZE {}", table.quoted())) }
}

/// Reads all rows in pages, in the order of the primary key, and sums them up.
///
/// # Errors
/// A store error, or what `each` returns.
pub(super) fn read(
    connection: &Connection,
    table: &Table,
    mut each: impl FnMut(&[Vec<Cell>]) -> Result<(), Error>,
) -> Result<Rows, Error> {
    let mut checksum = Context::new(&SHA256);
    let (mut count, mut after): (u64, Option<Vec<Cell>>) = (0, None);
    loop {
        let mut page = read_page(connection, table, after.as_deref())?;
        let is_last = page.len() < PAGE;
        after = page.last().cloned();
        if table.name == "settings" {
            let place = table.columns.iter().position(|column| column.name == "name");
            let name =
                |row: &Vec<Cell>| place.and_then(|place| row.get(place)).and_then(Cell::text).map(Cow::into_owned);
            page.retain(|row| !name(row).is_some_and(|name| OWN_SETTINGS.contains(&name.as_str())));
        }
        page.iter_mut().flatten().for_each(replace_nul);
        each(&page)?;
        page.iter().flatten().for_each(|cell| cell.add_to(&mut checksum));
        count = count.saturating_add(u64::try_from(page.len()).unwrap_or(u64::MAX));
        if is_last {
            return Ok(Rows { count, checksum: hex(checksum.finish().as_ref()) });
        }
    }
}

/// No text of PostgreSQL has the character NUL, and the store writes another one there, too.
fn replace_nul(cell: &mut Cell) {
    if let Cell::Text(text) = cell
        && text.contains('\0')
    {
        *text = text.replace('\0', char::REPLACEMENT_CHARACTER.encode_utf8(&mut [0; 4]));
    }
}

/// The rows that follow a row.
fn read_page(connection: &Connection, table: &Table, after: Option<&[Cell]>) -> Result<Vec<Vec<Cell>>, Error> {
    let key = table.key();
    let columns: Vec<_> = key.iter().filter_map(|place| table.columns.get(*place)).collect();
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    let names = names.join(", ");
    let mut parameters = Vec::new();
    let mut condition = String::new();
    if let Some(last) = after {
        parameters =
            key.iter().zip(&columns).filter_map(|(place, column)| Some(last.get(*place)?.value(column.kind))).collect();
        let numbers: Vec<String> = (1..=parameters.len()).map(|number| format!("?{number}")).collect();
        condition = format!(" WHERE ({names}) > ({})", numbers.join(", "));
    }
    let sql =
        format!("SELECT {} FROM {}{condition} ORDER BY {names} LIMIT {PAGE}", table.quoted_columns(), table.quoted());
    let places = 0..table.columns.len();
    connection.query(&sql, &parameters, |row| places.clone().map(|place| row.get(place)).collect())
}

/// Writes rows: one by one in SQLite, as columns in one statement in PostgreSQL.
pub(super) fn insert(connection: &Connection, table: &Table, rows: &[Vec<Cell>]) -> Result<(), Error> {
    let numbers: Vec<String> = (1..=table.columns.len()).map(|number| format!("?{number}")).collect();
    let (into, numbers) = (format!("INSERT INTO {} ({})", table.quoted(), table.quoted_columns()), numbers.join(", "));
    if connection.sqlite().is_some() {
        let sql = format!("{into} VALUES ({numbers})");
        for row in rows {
            let values: Vec<Value<'_>> =
                row.iter().zip(&table.columns).map(|(cell, column)| cell.value(column.kind)).collect();
            connection.execute(&sql, &values)?;
        }
    } else if !rows.is_empty() {
        let column = |place: usize| rows.iter().filter_map(move |row| row.get(place));
        let values: Vec<Value<'_>> = table
            .columns
            .iter()
            .enumerate()
            .map(|(place, described)| match described.kind {
                Kind::Integer => Value::Integers(column(place).map(Cell::integer).collect()),
                Kind::Text => Value::Texts(column(place).map(Cell::text).collect()),
            })
            .collect();
        connection.execute(&format!("{into} SELECT * FROM unnest({numbers})"), &values)?;
    }
    Ok(())
}
