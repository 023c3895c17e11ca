//! Read-only connections. With SQLite's write-ahead log they see the last commit and never wait for the writer.

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::OpenFlags;

use super::connection::connect;
use super::engine::{Connection, Limits};
use super::error::Error;
use super::location::Location;
use super::transactions::ReadTransaction;

/// A pool of read-only connections, one per reading thread.
#[derive(Clone)]
pub struct Readers {
    release: Sender<Connection>,
    take: Receiver<Connection>,
}

impl Readers {
    /// Opens `count` connections.
    ///
    /// # Errors
    /// A store error.
    pub fn open(location: &Location, count: usize) -> Result<Self, Error> {
        let (release, take) = bounded(count);
        for _ in 0..count {
            let _ = release.send(open(location)?);
        }
        Ok(Self { release, take })
    }

    /// Runs `work` in a read transaction.
    ///
    /// # Errors
    /// What `work` returns, or a store error.
    pub fn read<T, E: From<Error>>(&self, work: impl FnOnce(&ReadTransaction<'_>) -> Result<T, E>) -> Result<T, E> {
        let connection = self.take.recv().map_err(|_| Error::Busy)?;
        let result = match connection.begin_read() {
            Ok(_transaction) => work(&ReadTransaction::new(&connection)),
            Err(error) => Err(error.into()),
        };
        let _ = self.release.send(connection);
        result
    }
}

fn open(location: &Location) -> Result<Connection, Error> {
    match location {
        Location::File(path) => {
            // Reading needs the shared-memory file, which only a writable connection can create.
            let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(Connection::Sqlite(connection))
        }
        Location::Postgresql(server) => Ok(Connection::Postgresql(Box::new(server.connection(Limits::READ)))),
    }
}
