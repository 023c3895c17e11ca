//! Backups and checks, beside a running server as well as without one.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::connection::{BUSY_TIME, connect, inspect};
use super::error::Error;
use super::schema::MIGRATIONS;
use super::transactions::ReadTransaction;
use crate::cause::cause;

/// The most defects that are shown.
const SHOWN: usize = 10;

/// Writes a copy of the database, of one moment, to a new file.
///
/// # Errors
/// The file is there already or cannot be written, or the store's own; there is no half copy then.
pub fn backup(path: &Path, target: &Path) -> Result<(), Error> {
    inspect(path)?;
    let failed = |error: std::io::Error| Error::Failed(format!("{}: {}", target.display(), cause(&error)));
    if target.symlink_metadata().is_ok() {
        return Err(Error::Failed(format!("{}: is there already, and a backup never overwrites", target.display())));
    }
    let (Some(directory), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(Error::Failed(format!("{}: is no file name", target.display())));
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    if !directory.exists() {
        let shown = directory.display();
        let sentence =
            format!("{}: there is no directory {shown}. Make it with: install -d -m 0700 {shown}", target.display());
        return Err(Error::Failed(sentence));
    }
    let unfinished = directory.join(format!(".{}.unfinished-{}", name.to_string_lossy(), std::process::id()));
    // SQLite writes into a file that is there and empty, and keeps its mode.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(failed)?;
    let written = copy(path, &unfinished).and_then(|()| {
        let file = fs::File::open(&unfinished).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        // Not rename: what has come to stand there meanwhile is not overwritten.
        fs::hard_link(&unfinished, target).map_err(failed)?;
        fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
    });
    let _ = fs::remove_file(&unfinished);
    written
}

/// Brings what is still in the log into the database's own file. Whoever copies that file alone, or puts another one in
/// its place, then neither loses the last changes nor mixes them into the other one.
///
/// # Errors
/// The store's own; nothing is lost then.
pub fn checkpoint_on_exit(path: &Path) -> Result<(), Error> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let blocked: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if blocked { Err(Error::Busy) } else { Ok(()) }
}

fn copy(path: &Path, target: &Path) -> Result<(), Error> {
    let connection = reading(path).map_err(|error| error.of_file(path))?;
    let target_text = target.to_str().ok_or_else(|| Error::Failed("the file name is not UTF-8".to_owned()))?;
    connection.execute("VACUUM INTO ?1", [target_text])?;
    let defects = defects(&reading(target)?)?;
    if defects.is_empty() { Ok(()) } else { Err(Error::Failed(format!("the copy is damaged: {}", defects.join("; ")))) }
}

/// What is wrong with the database, in SQLite's words; nothing when it is whole.
///
/// # Errors
/// It cannot be opened, or the store's own.
pub fn check(path: &Path) -> Result<Vec<String>, Error> {
    inspect(path)?;
    reading(path).and_then(|connection| defects(&connection)).map_err(|error| error.of_file(path))
}

/// The schema of the database, and the newest that this program knows; nothing is changed.
///
/// # Errors
/// It cannot be opened, or is newer.
pub fn schema(path: &Path) -> Result<(i64, i64), Error> {
    Ok((inspect(path)?, i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)))
}

/// A setting of the server's own; nothing is changed, not even an older schema.
///
/// # Errors
/// It cannot be opened, or the store's own.
pub fn setting(path: &Path, name: &str) -> Result<Option<String>, Error> {
    inspect(path)?;
    ReadTransaction(&reading(path)?).setting(name)
}

fn reading(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIME)?;
    Ok(connection)
}

fn defects(connection: &Connection) -> Result<Vec<String>, Error> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let found: rusqlite::Result<Vec<String>> = statement.query_map([], |row| row.get(0))?.take(SHOWN).collect();
    let mut defects: Vec<String> = found?.into_iter().filter(|line| line != "ok").collect();
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let orphan = |row: &rusqlite::Row<'_>| Ok(format!("a row of {} belongs to nothing", row.get::<_, String>(0)?));
    let orphans: rusqlite::Result<Vec<String>> = statement.query_map([], orphan)?.take(SHOWN).collect();
    defects.extend(orphans?);
    Ok(defects)
}
