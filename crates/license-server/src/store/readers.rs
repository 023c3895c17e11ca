//! Connections that only read. In SQLite's write-ahead mode they see the last commit and never wait for the writer.

use std::path::Path;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::OpenFlags;

use super::connection::connect;
use super::error::Error;
use super::transactions::ReadTransaction;

/// A pool of reading connections, one for each thread that reads.
#[derive(Clone)]
pub struct Readers {
    give_back: Sender<rusqlite::Connection>,
    take: Receiver<rusqlite::Connection>,
}

impl Readers {
    /// Opens `count` connections.
    ///
    /// # Errors
    /// The store's own.
    pub fn open(path: &Path, count: usize) -> Result<Self, Error> {
        let (give_back, take) = bounded(count);
        for _ in 0..count {
            // Reading needs a file of shared memory, which only a connection that may write can make.
            let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            connection.pragma_update(None, "query_only", true)?;
            let _ = give_back.send(connection);
        }
        Ok(Self { give_back, take })
    }

    /// Reads, as of one moment.
    ///
    /// # Errors
    /// What `work` returns, or the store's own.
    pub fn read<T, E: From<Error>>(&self, work: impl FnOnce(&ReadTransaction<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.take.recv().map_err(|_| Error::Busy)?;
        let result = match connection.transaction() {
            Ok(transaction) => work(&ReadTransaction(&transaction)),
            Err(error) => Err(Error::from(error).into()),
        };
        let _ = self.give_back.send(connection);
        result
    }
}
