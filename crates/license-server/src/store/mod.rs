//! What the license server keeps, in SQLite. All SQL of the program is in this room: [`Reader`] and [`Changes`] are the
//! whole interface, so another database can take SQLite's place behind them.
//!
//! There is one writer in a process, [`writer::Writer`], whose commits are shared by all who wait; readers see the last
//! commit. What a commit promised survives a power cut (`synchronous=FULL`).

mod activations;
pub mod checkpoint;
pub mod counting;
mod history;
mod licenses;
mod maintenance;
mod people;
pub mod readers;
mod schema;
mod values;
pub mod writer;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::ops::Deref;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::cause::cause;
use crate::ownership::give_to_owner_of;
use opterius_base::clock::Timestamp;

pub use activations::{Sign, Slot, Strays};
pub use licenses::{Filter, Listed, NewLicense};
pub use maintenance::{backup, check, schema, setting, settle};

/// The database's file name.
pub const FILE: &str = "licenses.db";

/// How long a change waits for another process (the command line beside a running server) to finish its own.
const BUSY_TIME: Duration = Duration::from_secs(5);

/// Pages that a connection keeps in memory, in KiB. The operating system caches the rest.
const CACHE_KIB: i64 = 8 * 1024;

/// Why the store does not do what it is asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no database.
    Missing(PathBuf),
    /// It may not be read or written by this user.
    Permission(PathBuf),
    /// Other users may read or write it.
    Exposed(PathBuf),
    /// It is damaged, or not a database of ours.
    Unusable(PathBuf, String),
    /// It or its directory cannot be written.
    ReadOnly(PathBuf),
    /// A newer version of the program made it.
    Newer(PathBuf, i64),
    /// Another process has been changing it for too long.
    Busy,
    /// There is no room on the disk.
    Full,
    /// The name or key is taken already.
    Taken,
    /// Anything else, in SQLite's words.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(
                formatter,
                "{}: there is no database. Restore a backup to this path; only for a new installation: opterius-license-server init",
                path.display()
            ),
            Self::Permission(path) => {
                write!(
                    formatter,
                    "{}: permission denied. Run as the user who owns the database; as root, opterius-license-server check \
                     says whom it belongs to and whom it should",
                    path.display()
                )
            }
            Self::Exposed(path) => {
                let path = path.display();
                write!(formatter, "{path}: other users may read or write it. Run: chmod 0600 {path}")
            }
            Self::Unusable(path, cause) => write!(
                formatter,
                "{}: cannot be used: {cause}. Nothing was changed; move it away, with the -wal and -shm files beside it, and \
                 restore a backup to this path",
                path.display()
            ),
            Self::ReadOnly(path) => write!(
                formatter,
                "{}: cannot be written, or its directory cannot, in which SQLite keeps its log. Nothing was changed; see \
                 who owns them and whether the disk is mounted read-only",
                path.display()
            ),
            Self::Newer(path, version) => write!(
                formatter,
                "{}: was written by a newer version of this program (schema {version}, this one knows {}). Nothing was \
                 changed; install that version, or restore a backup of this one",
                path.display(),
                schema::MIGRATIONS.len()
            ),
            Self::Busy => formatter.write_str("the database is being changed by another process; try again"),
            Self::Full => formatter.write_str("the disk is full: nothing was changed"),
            Self::Taken => formatter.write_str("exists already"),
            Self::Failed(cause) => write!(formatter, "the database does not do this: {cause}"),
        }
    }
}

impl Error {
    /// What failed while the file was opened is a matter of the file.
    fn of_file(self, path: &Path) -> Self {
        match self {
            Self::Failed(cause) | Self::Unusable(_, cause) => Self::Unusable(path.to_owned(), cause),
            Self::ReadOnly(_) => Self::ReadOnly(path.to_owned()),
            error => error,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            // Which file it is, SQLite does not say; there is one.
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => Self::ReadOnly(PathBuf::from(FILE)),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Unusable(PathBuf::from(FILE), error.to_string())
            }
            Some(ErrorCode::ConstraintViolation) if error.to_string().contains("UNIQUE") => Self::Taken,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// What can be read. Everything that one of these returns is of one moment.
pub struct Reader<'c>(&'c Connection);

/// What can be changed, within one transaction.
pub struct Changes<'c> {
    reader: Reader<'c>,
    now: Timestamp,
}

impl<'c> Deref for Changes<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Self::Target {
        &self.reader
    }
}

impl Changes<'_> {
    /// The instant of all changes of this transaction.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    fn connection(&self) -> &Connection {
        self.reader.0
    }
}

/// One open database, for whoever changes it. `serve` gives it to its writer; the command line uses it directly.
pub struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Makes a new database, readable by its owner alone.
    ///
    /// # Errors
    /// The file is there already or cannot be made.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::PermissionDenied => Error::Permission(path.to_owned()),
            ErrorKind::AlreadyExists => Error::Taken,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full,
            _ => Error::Failed(format!("{}: {}", path.display(), cause(&error))),
        };
        let file = file.map_err(failed)?;
        // SQLite gives what it makes beside the database to the database's owner itself.
        path.parent().map_or(Ok(()), |directory| give_to_owner_of(directory, &file)).map_err(failed)?;
        drop(file);
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
        let mut database = Self { connection, path: path.to_owned() };
        database.migrate(0)?;
        Ok(database)
    }

    /// Opens a database that is there, and brings an older one up to date.
    ///
    /// # Errors
    /// It is missing, damaged, not ours, or of a newer version; nothing was changed then.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let version = inspect(path)?;
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| error.of_file(path))?;
        let mut database = Self { connection, path: path.to_owned() };
        if usize::try_from(version).is_ok_and(|version| version < schema::MIGRATIONS.len()) {
            database.migrate(version)?;
        }
        Ok(database)
    }

    /// Looks at every page and every index, some seconds for a million licenses. Damage that is found only when a license
    /// is asked for has by then been answered for: a key that an index has lost is not known.
    ///
    /// # Errors
    /// It is damaged.
    pub fn check_integrity(&self) -> Result<(), Error> {
        let checked = self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
        match checked.map_err(|error| Error::from(error).of_file(&self.path))?.as_str() {
            "ok" => Ok(()),
            defect => Err(Error::Unusable(self.path.clone(), defect.replace('\n', " "))),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads, as of one moment.
    ///
    /// # Errors
    /// What `work` returns, or the store's own.
    pub fn read<T, E: From<Error>>(&mut self, work: impl FnOnce(&Reader<'_>) -> Result<T, E>) -> Result<T, E> {
        let transaction = self.connection.transaction().map_err(Error::from)?;
        work(&Reader(&transaction))
    }

    /// Changes everything that `work` changes, or nothing.
    ///
    /// # Errors
    /// What `work` returns, or the store's own; nothing was changed then.
    pub fn change<T, E: From<Error>>(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&Changes<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Error::from)?;
        let result = work(&Changes { reader: Reader(&transaction), now })?;
        transaction.commit().map_err(Error::from)?;
        Ok(result)
    }

    fn migrate(&mut self, from: i64) -> Result<(), Error> {
        let path = self.path.clone();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have done it while this one waited.
        let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let done = usize::try_from(version.max(from)).unwrap_or(usize::MAX);
        for migration in schema::MIGRATIONS.iter().skip(done) {
            transaction.execute_batch(migration).map_err(|error| Error::Unusable(path.clone(), error.to_string()))?;
        }
        transaction.pragma_update(None, "user_version", i64::try_from(schema::MIGRATIONS.len()).unwrap_or(i64::MAX))?;
        transaction.commit()?;
        Ok(())
    }
}

/// Looks at the file without changing anything, and returns its schema version.
fn inspect(path: &Path) -> Result<i64, Error> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::Missing(path.to_owned()),
        ErrorKind::PermissionDenied => Error::Permission(path.to_owned()),
        _ => Error::Failed(format!("{}: {}", path.display(), cause(&error))),
    })?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Error::Exposed(path.to_owned()));
    }
    let unusable = |error: rusqlite::Error| Error::from(error).of_file(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Error::Permission(path.to_owned()),
        _ => unusable(error),
    })?;
    connection.busy_timeout(BUSY_TIME)?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(unusable);
    if pragma("application_id")? != schema::APPLICATION_ID {
        return Err(Error::Unusable(path.to_owned(), "it is not a database of the license server".to_owned()));
    }
    let version = pragma("user_version")?;
    if usize::try_from(version).is_ok_and(|version| version > schema::MIGRATIONS.len()) {
        return Err(Error::Newer(path.to_owned(), version));
    }
    Ok(version)
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIME)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A plan depends on the statement and not on the values of its parameters. Otherwise SQLite as it is built in here
    // compiles some statements again at each use: that was an eighth of the writer's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    if access == OpenFlags::SQLITE_OPEN_READ_WRITE {
        // In this mode a reader never waits for a writer, and a commit is one write and one fsync of the log.
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
    }
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // A row that does not fit its table is a defect: better an error than a wrong answer.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

#[cfg(test)]
#[path = "../store_tests.rs"]
pub(crate) mod tests;
