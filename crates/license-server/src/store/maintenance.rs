//! Backups and checks, with or without a running server.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::OpenFlags;

use super::connection::{connect, inspect, open_read_only};
use super::engine::Connection;
use super::error::Error;
use super::foreign_log;
use super::integrity::defects;
use super::location::Location;
use super::schema::MIGRATIONS;
use super::server_database;
use super::transactions::ReadTransaction;
use crate::cause::cause;
use crate::model::user_name::is_renamed;

/// Writes a consistent copy of the database to a new file.
///
/// # Errors
/// The file exists already or cannot be written, or a store error; no partial copy is left.
pub fn backup(path: &Path, target: &Path) -> Result<(), Error> {
    inspect(path)?;
    let failed = |error: std::io::Error| Error::Failed(format!("{}: {}", target.display(), cause(&error)));
    if target.symlink_metadata().is_ok() {
        return Err(Error::Failed(format!(
            "{}: already exists, and a backup never overwrites a file",
            target.display()
        )));
    }
    let (Some(directory), Some(_)) = (target.parent(), target.file_name()) else {
        return Err(Error::Failed(format!("{}: not a file name", target.display())));
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    if !directory.exists() {
        let display = directory.display();
        let sentence =
            format!("{}: no such directory {display}. Create it with: install -d -m 0700 {display}", target.display());
        return Err(Error::Failed(sentence));
    }
    let unfinished = unfinished_backup(target);
    // SQLite writes into an existing empty file and keeps its mode.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(failed)?;
    let written = copy(path, &unfinished).and_then(|()| {
        let file = fs::File::open(&unfinished).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        // A hard link instead of a rename: it does not overwrite a file that was created meanwhile.
        fs::hard_link(&unfinished, target).map_err(failed)?;
        fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
    });
    let _ = fs::remove_file(&unfinished);
    written
}

/// The name of a backup until it is complete.
pub fn unfinished_backup(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.unfinished-{}", std::process::id()))
}

/// Checkpoints the log completely. Then an operator who copies or replaces only the database file neither loses the last
/// changes nor mixes them into another database.
///
/// # Errors
/// A store error; nothing is lost.
pub fn checkpoint_on_exit(path: &Path) -> Result<(), Error> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let blocked: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if blocked { Err(Error::Busy) } else { Ok(()) }
}

pub(super) fn copy(path: &Path, target: &Path) -> Result<(), Error> {
    let connection = open_read_only(path).map_err(|error| error.of_file(path))?;
    let target_text = target.to_str().ok_or_else(|| Error::Failed("the file name is not UTF-8".to_owned()))?;
    connection.execute("VACUUM INTO ?1", [target_text])?;
    let defects = defects(&open_read_only(target)?)?;
    if defects.is_empty() { Ok(()) } else { Err(Error::Failed(format!("the copy is damaged: {}", defects.join("; ")))) }
}

/// The defects of the database, in SQLite's words; empty if it is intact. Changes nothing.
///
/// # Errors
/// It cannot be opened, or its log belongs to another database.
pub fn check(location: &Location) -> Result<Vec<String>, Error> {
    match location {
        Location::File(path) => check_file(path),
        Location::Postgresql(server) => server_database::defects(server),
    }
}

fn check_file(path: &Path) -> Result<Vec<String>, Error> {
    let found = inspect(path).and_then(|_| foreign_log::check(path)).and_then(|()| {
        open_read_only(path).and_then(|connection| defects(&connection)).map_err(|error| error.of_file(path))
    });
    match found {
        Ok(defects) if !defects.is_empty() && foreign_log::is_to_blame(path) => Err(Error::ForeignLog(path.to_owned())),
        found => found.map_err(|error| foreign_log::explain(path, error)),
    }
}

/// Checks every page and every index, which takes many seconds for a million licenses. Undetected damage leads to wrong verdicts:
/// a key that is missing from an index is an unknown key. Changes nothing.
///
/// # Errors
/// Those of [`check`], or the database is damaged.
pub fn check_intact(path: &Path) -> Result<(), Error> {
    let defects = check_file(path)?;
    if defects.is_empty() {
        Ok(())
    } else {
        Err(Error::Unusable(path.to_owned(), defects.join("; ").replace('\n', " ")))
    }
}

/// Whether the schema is older than this program's. Changes nothing.
///
/// # Errors
/// The database cannot be opened, or its schema is newer.
pub fn is_outdated(path: &Path) -> Result<bool, Error> {
    inspect(path).map(|version| usize::try_from(version).is_ok_and(|version| version < MIGRATIONS.len()))
}

/// The schema version of the database, and the newest that this program supports. Changes nothing.
///
/// # Errors
/// The database cannot be opened, or its schema is newer.
pub fn schema(location: &Location) -> Result<(i64, i64), Error> {
    let newest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    match location {
        Location::File(path) => Ok((inspect(path)?, newest)),
        Location::Postgresql(server) => Ok((server_database::version(server)?, newest)),
    }
}

/// An internal setting of the server. Changes nothing, not even an older schema.
///
/// # Errors
/// It cannot be opened, or a store error.
pub fn setting(location: &Location, name: &str) -> Result<Option<String>, Error> {
    match location {
        Location::File(path) => {
            inspect(path)?;
            ReadTransaction::new(&Connection::Sqlite(open_read_only(path)?)).setting(name)
        }
        Location::Postgresql(server) => ReadTransaction::new(&server_database::open_as_is(server)?).setting(name),
    }
}

/// The names of the users who were renamed when the database was upgraded. Changes nothing.
///
/// # Errors
/// It cannot be opened, or a store error.
pub fn renamed_users(location: &Location) -> Result<Vec<String>, Error> {
    // Only an upgrade of a file renames users.
    let Some(path) = location.file() else { return Ok(Vec::new()) };
    if usize::try_from(inspect(path)?).is_ok_and(|version| version < MIGRATIONS.len()) {
        return Ok(Vec::new());
    }
    let connection = open_read_only(path)?;
    let mut statement = connection.prepare("SELECT name FROM users WHERE name LIKE '%~%' ORDER BY id LIMIT 20")?;
    let names = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(names.into_iter().filter(|name| is_renamed(name)).collect())
}
