//! Backups and checks, with or without a running server.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::connection::{connect, inspect, open_read_only};
use super::error::Error;
use super::foreign_log;
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
pub fn check(path: &Path) -> Result<Vec<String>, Error> {
    inspect(path)?;
    foreign_log::check(path)?;
    let found = open_read_only(path).and_then(|connection| defects(&connection)).map_err(|error| error.of_file(path));
    let is_intact = found.as_ref().is_ok_and(Vec::is_empty);
    if !is_intact && foreign_log::has_log(path) {
        let alone = foreign_log::open_without_log(path).and_then(|connection| defects(&connection));
        if alone.is_ok_and(|defects| defects.is_empty()) {
            return Err(Error::ForeignLog(path.to_owned()));
        }
    }
    found
}

/// Checks every page and every index, which takes seconds for a million licenses. Undetected damage leads to wrong verdicts:
/// a key that is missing from an index is an unknown key. Changes nothing.
///
/// # Errors
/// Those of [`check`], or the database is damaged.
pub fn check_intact(path: &Path) -> Result<(), Error> {
    let defects = check(path)?;
    if defects.is_empty() {
        Ok(())
    } else {
        Err(Error::Unusable(path.to_owned(), defects.join("; ").replace('\n', " ")))
    }
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
