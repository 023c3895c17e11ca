//! An open database: creating, opening, migrating, reading and changing it.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{OpenFlags, TransactionBehavior};

use super::connection::{connect, inspect};
use super::engine::{Connection, Limits};
use super::error::Error;
use super::foreign_log;
use super::location::Location;
use super::schema;
use super::server_database;
use super::transactions::{ReadTransaction, WriteTransaction};
use crate::cause::cause;
use crate::ownership::give_to_owner_of;
use opterius_base::clock::Timestamp;

/// An open database. `serve` hands it to its writer; commands use it directly.
pub struct Database {
    pub(super) connection: Connection,
    location: Location,
    /// Closed after the connection.
    lock: Option<File>,
}

impl Database {
    /// Creates a file that only its owner can read.
    ///
    /// # Errors
    /// The file exists already or cannot be created.
    pub fn create_file(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::PermissionDenied => Error::Permission(path.to_owned()),
            ErrorKind::AlreadyExists => Error::Taken,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full,
            _ => Error::Failed(format!("{}: {}", path.display(), cause(&error))),
        };
        let file = file.map_err(failed)?;
        // SQLite itself gives the -wal and -shm files the owner of the database.
        path.parent().map_or(Ok(()), |directory| give_to_owner_of(directory, &file)).map_err(failed)?;
        drop(file);
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
        migrate(&mut connection, path, 0)?;
        Ok(Self { connection: Connection::Sqlite(connection), location: Location::File(path.to_owned()), lock: None })
    }

    /// Opens an existing database and migrates an older schema.
    ///
    /// # Errors
    /// It is missing, damaged, another application's, or has a newer schema; nothing was changed.
    pub fn open(location: &Location) -> Result<Self, Error> {
        match location {
            Location::File(path) => Self::open_file(path),
            Location::Postgresql(server) => {
                Ok(Self { connection: server_database::open(server)?, location: location.clone(), lock: None })
            }
        }
    }

    /// [`Self::open`] for a file.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn open_file(path: &Path) -> Result<Self, Error> {
        let version = inspect(path).and_then(|version| foreign_log::check(path).map(|()| version));
        let version = version.map_err(|error| foreign_log::explain(path, error))?;
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| error.of_file(path))?;
        if usize::try_from(version).is_ok_and(|version| version < schema::MIGRATIONS.len()) {
            migrate(&mut connection, path, version)?;
        }
        Ok(Self { connection: Connection::Sqlite(connection), location: Location::File(path.to_owned()), lock: None })
    }

    /// Limits the time of each statement on a server to what a request can wait for.
    pub fn limit_to_requests(&mut self) {
        self.connection.limit(Limits::REQUEST);
    }

    /// Keeps a lock as long as the database is open.
    pub fn keep(&mut self, lock: File) {
        self.lock = Some(lock);
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Runs `work` in a read transaction.
    ///
    /// # Errors
    /// What `work` returns, or a store error.
    pub fn read<T, E: From<Error>>(&mut self, work: impl FnOnce(&ReadTransaction<'_>) -> Result<T, E>) -> Result<T, E> {
        let _transaction = self.connection.begin_read()?;
        work(&ReadTransaction::new(&self.connection))
    }

    /// Runs `work` in a write transaction, which is rolled back if it fails.
    ///
    /// # Errors
    /// What `work` returns, or a store error; nothing was changed.
    pub fn change<T, E: From<Error>>(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.connection.begin_change()?;
        let result = work(&WriteTransaction::new(&self.connection, now))?;
        transaction.commit()?;
        Ok(result)
    }
}

fn migrate(connection: &mut rusqlite::Connection, path: &Path, from: i64) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have migrated while this one waited.
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version.max(from)).unwrap_or(usize::MAX);
    for migration in schema::MIGRATIONS.iter().skip(done) {
        let applied = transaction.execute_batch(migration.sql).and_then(|()| (migration.then)(&transaction));
        applied.map_err(|error| Error::Unusable(path.to_owned(), error.to_string()))?;
    }
    transaction.pragma_update(None, "user_version", i64::try_from(schema::MIGRATIONS.len()).unwrap_or(i64::MAX))?;
    transaction.commit()?;
    Ok(())
}
