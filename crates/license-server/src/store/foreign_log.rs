//! Whether the write-ahead log belongs to the database: SQLite applies whatever log lies beside a file, and so mixes the log
//! of a replaced database into a backup that was copied over it.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::connection::open_read_only;
use super::error::Error;
use super::integrity::defects;
use opterius_base::percent;

/// An entry of the history. Entries never change and are never deleted.
const ENTRY: &str = "SELECT id, at, actor, action, detail FROM events";

type Entry = (i64, i64, String, String, String);

/// Checks that the latest history entry in the database file is also there once the log is applied. Changes nothing.
///
/// # Errors
/// It is not: the log belongs to another copy of the database. Or the database cannot be read.
pub(super) fn check(path: &Path) -> Result<(), Error> {
    if !has_log(path) {
        return Ok(());
    }
    // While another process copies the log into the file, an entry may not be found; one that is found is complete.
    let Ok(Some(entry)) = open_without_log(path).and_then(|alone| Ok(latest(&alone)?)) else { return Ok(()) };
    let combined = open_read_only(path).map_err(|error| error.of_file(path))?;
    let same = combined.query_row(&format!("{ENTRY} WHERE id = ?1"), [entry.0], read).optional();
    match same.map_err(|error| Error::from(error).of_file(path))? {
        Some(same) if same == entry => Ok(()),
        _ => Err(Error::ForeignLog(path.to_owned())),
    }
}

/// Whether the database without its log is intact, although it is not with it.
pub(super) fn is_to_blame(path: &Path) -> bool {
    let alone = || open_without_log(path).and_then(|connection| defects(&connection));
    has_log(path) && alone().is_ok_and(|defects| defects.is_empty())
}

/// The error, or that the log causes it.
pub(super) fn explain(path: &Path, error: Error) -> Error {
    match error {
        Error::Unusable(..) if is_to_blame(path) => Error::ForeignLog(path.to_owned()),
        error => error,
    }
}

/// Whether there is a log with content.
pub(super) fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Path::new(&log).metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// Opens the file as it is, without its log and without locks.
fn open_without_log(path: &Path) -> Result<Connection, Error> {
    let uri = format!("file:{}?immutable=1", percent::encode(path.as_os_str().as_bytes(), b"/.-_"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(uri, flags)?)
}

fn latest(connection: &Connection) -> rusqlite::Result<Option<Entry>> {
    connection.query_row(&format!("{ENTRY} ORDER BY id DESC LIMIT 1"), [], read).optional()
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}
