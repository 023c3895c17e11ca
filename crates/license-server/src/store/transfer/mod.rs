//! Copies a whole database, of either engine to either: one snapshot of the source to an empty target. The target is complete
//! and compared with the source, or nothing is there: an interrupted copy is repeated.

mod catalog;
mod counter;
mod numbers;
mod rows;
mod source;
mod target;

use opterius_base::clock::Timestamp;

pub use counter::Counter;
pub use target::unfinished_file;

use self::catalog::Table;
use self::rows::Rows;
use super::engine::Connection;
use super::error::Error;
use super::location::Location;

/// A table that was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name.
    pub name: String,
    /// How many rows it has, in both databases.
    pub rows: u64,
    /// The SHA-256 of its rows in hexadecimal, the same in both databases.
    pub checksum: String,
}

/// Copies the database at `from` to `to`, in which there is nothing, and compares all rows of both.
///
/// # Errors
/// One of them cannot be used, the source is in use, the target is not empty, or they differ in the end. Then the target is as
/// it was before; only after [`Error::Unavailable`] of its commit, which says so, it can be complete.
pub fn transfer(from: &Location, to: &Location, now: Timestamp, counter: &Counter) -> Result<Vec<CopiedTable>, Error> {
    let source = source::open(from)?;
    let _snapshot = source::begin(&source, from)?;
    let mut copied = Vec::new();
    target::fill(to, now, |target| {
        copied = copy(&source, target, counter)?;
        Ok(())
    })?;
    Ok(copied)
}

/// Copies all tables, inside of a transaction on each side.
fn copy(source: &Connection, target: &Connection, counter: &Counter) -> Result<Vec<CopiedTable>, Error> {
    let tables = catalog::common(source, target)?;
    for table in &tables {
        counter.expect(rows::count(source, table)?);
    }
    // The schema fills some tables.
    for table in tables.iter().rev() {
        rows::clear(target, table)?;
    }
    let written = tables.iter().map(|table| write(source, target, table, counter)).collect::<Result<Vec<_>, _>>()?;
    tables.iter().zip(written).map(|(table, written)| compare(source, target, table, written, counter)).collect()
}

/// Copies a table; returns what was read of the source.
fn write(source: &Connection, target: &Connection, table: &Table, counter: &Counter) -> Result<Rows, Error> {
    let written = rows::read(source, table, |page| {
        rows::insert(target, table, page)?;
        counter.add(page.len());
        Ok(())
    })?;
    numbers::go_on(source, target, table)?;
    rows::gather_statistics(target, table)?;
    Ok(written)
}

/// Reads the table in the target and compares it with what was read of the source.
fn compare(
    source: &Connection,
    target: &Connection,
    table: &Table,
    written: Rows,
    counter: &Counter,
) -> Result<CopiedTable, Error> {
    let found = rows::read(target, table, |page| {
        counter.add(page.len());
        Ok(())
    })?;
    if found != written {
        return Err(Error::Failed(format!(
            "the copy of the table {} is not the same: {} rows with the checksum {}, but {} with {} in the source",
            table.name, found.count, found.checksum, written.count, written.checksum
        )));
    }
    let (ours, theirs) = (numbers::highest(target, table)?, numbers::highest(source, table)?);
    if ours < theirs {
        return Err(Error::Failed(format!("the numbers of the table {} do not go on in the copy", table.name)));
    }
    Ok(CopiedTable { name: table.name.clone(), rows: found.count, checksum: found.checksum })
}
