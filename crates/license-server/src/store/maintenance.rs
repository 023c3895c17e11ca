//! Backups and checks, with or without a running server.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::connection::{BUSY_TIME, connect, inspect};
use super::error::Error;
use super::schema::MIGRATIONS;
use super::transactions::ReadTransaction;
use crate::cause::cause;

/// The maximum number of reported defects.
const MAX_DEFECTS: usize = 10;

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
    let (Some(directory), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(Error::Failed(format!("{}: not a file name", target.display())));
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    if !directory.exists() {
        let display = directory.display();
        let sentence =
            format!("{}: no such directory {display}. Create it with: install -d -m 0700 {display}", target.display());
        return Err(Error::Failed(sentence));
    }
    let unfinished = directory.join(format!(".{}.unfinished-{}", name.to_string_lossy(), std::process::id()));
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

fn copy(path: &Path, target: &Path) -> Result<(), Error> {
    let connection = open_read_only(path).map_err(|error| error.of_file(path))?;
    let target_text = target.to_str().ok_or_else(|| Error::Failed("the file name is not UTF-8".to_owned()))?;
    connection.execute("VACUUM INTO ?1", [target_text])?;
    let defects = defects(&open_read_only(target)?)?;
    if defects.is_empty() { Ok(()) } else { Err(Error::Failed(format!("the copy is damaged: {}", defects.join("; ")))) }
}

/// The defects of the database, in SQLite's words; empty if it is intact.
///
/// # Errors
/// It cannot be opened, or a store error.
pub fn check(path: &Path) -> Result<Vec<String>, Error> {
    inspect(path)?;
    open_read_only(path).and_then(|connection| defects(&connection)).map_err(|error| error.of_file(path))
}

/// The schema version of the database, and the newest that this program supports. Changes nothing.
///
/// # Errors
/// The database cannot be opened, or its schema is newer.
pub fn schema(path: &Path) -> Result<(i64, i64), Error> {
    Ok((inspect(path)?, i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)))
}

/// An internal setting of the server. Changes nothing, not even an older schema.
///
/// # Errors
/// It cannot be opened, or a store error.
pub fn setting(path: &Path, name: &str) -> Result<Option<String>, Error> {
    inspect(path)?;
    ReadTransaction(&open_read_only(path)?).setting(name)
}

fn open_read_only(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIME)?;
    Ok(connection)
}

fn defects(connection: &Connection) -> Result<Vec<String>, Error> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let found: rusqlite::Result<Vec<String>> = statement.query_map([], |row| row.get(0))?.take(MAX_DEFECTS).collect();
    let mut defects: Vec<String> = found?.into_iter().filter(|line| line != "ok").collect();
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let orphan = |row: &rusqlite::Row<'_>| Ok(format!("a row of {} has no parent row", row.get::<_, String>(0)?));
    let orphans: rusqlite::Result<Vec<String>> = statement.query_map([], orphan)?.take(MAX_DEFECTS).collect();
    defects.extend(orphans?);
    Ok(defects)
}
