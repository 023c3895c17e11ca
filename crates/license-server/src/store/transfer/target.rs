//! The target of a copy: an empty database of PostgreSQL, which one transaction fills, or a new file, which has another name
//! until it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::super::database::Database;
use super::super::engine::Connection;
use super::super::error::Error;
use super::super::foreign_log;
use super::super::integrity::defects;
use super::super::location::Location;
use super::super::server_database;
use crate::cause::cause;
use opterius_base::clock::Timestamp;

/// Makes the target and fills it.
///
/// # Errors
/// It is not empty, cannot be written, or what `fill` returns; it is as it was before.
pub(super) fn fill(
    location: &Location,
    now: Timestamp,
    fill: impl FnOnce(&Connection) -> Result<(), Error>,
) -> Result<(), Error> {
    match location {
        Location::File(path) => fill_file(path, fill),
        Location::Postgresql(server) => {
            server_database::create(server, now, |transaction| fill(transaction.connection().connection()))
        }
    }
}

/// The name of a file until it is complete.
pub fn unfinished_file(path: &Path) -> PathBuf {
    beside(path, ".moving")
}

fn fill_file(path: &Path, fill: impl FnOnce(&Connection) -> Result<(), Error>) -> Result<(), Error> {
    if path.symlink_metadata().is_ok() {
        return Err(Error::Failed(format!(
            "{}: already exists, and a database is moved to a new file only. Nothing was changed",
            path.display()
        )));
    }
    if foreign_log::has_log(path) {
        return Err(Error::ForeignLog(path.to_owned()));
    }
    let unfinished = unfinished_file(path);
    remove(&unfinished)?;
    let filled = write(&unfinished, path, fill);
    // The complete file has two names by now.
    let removed = remove(&unfinished);
    filled.and(removed)
}

/// Writes the file under its temporary name, and gives it its own once it is complete.
fn write(unfinished: &Path, path: &Path, fill: impl FnOnce(&Connection) -> Result<(), Error>) -> Result<(), Error> {
    let database = Database::create_file(unfinished)?;
    // SQLite gives up its locks when another handle of the file is closed, so this one is closed last.
    let file = File::options().read(true).write(true).open(unfinished).map_err(|error| failed(unfinished, &error))?;
    lock(&file, unfinished)?;
    let connection = &database.connection;
    // Nothing is worth being written twice or being waited for: what is not complete is deleted.
    mode(connection, "off", "off")?;
    let transaction = connection.begin_change()?;
    fill(connection)?;
    transaction.commit()?;
    let defects = connection.sqlite().map_or(Ok(Vec::new()), defects)?;
    if !defects.is_empty() {
        return Err(Error::Failed(format!("the copy is damaged: {}", defects.join("; "))));
    }
    mode(connection, "wal", "full")?;
    drop(database);
    file.sync_all().map_err(|error| failed(unfinished, &error))?;
    // A hard link instead of a rename: it does not overwrite a file that was created meanwhile.
    fs::hard_link(unfinished, path).map_err(|error| failed(path, &error))?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| failed(directory, &error))
}

/// Sets how SQLite writes the file.
fn mode(connection: &Connection, journal: &str, synchronous: &str) -> Result<(), Error> {
    connection.batch(&format!("PRAGMA journal_mode = {journal}; PRAGMA synchronous = {synchronous}"))
}

/// Removes what an interrupted copy left.
fn remove(unfinished: &Path) -> Result<(), Error> {
    match File::options().read(true).write(true).open(unfinished) {
        Ok(file) => lock(&file, unfinished)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(unfinished, &error)),
    }
    for path in ["", "-wal", "-shm", "-journal"].map(|suffix| beside(unfinished, suffix)) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path, &error)),
            _ => {}
        }
    }
    Ok(())
}

fn lock(file: &File, path: &Path) -> Result<(), Error> {
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        rustix::io::Errno::WOULDBLOCK => {
            Error::Unavailable(format!("{}: another move writes this file. Nothing was changed", path.display()))
        }
        error => failed(path, &error.into()),
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::PermissionDenied => Error::Permission(path.to_owned()),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full,
        _ => Error::Failed(format!("{}: {}", path.display(), cause(error))),
    }
}
