//! Read and write transactions. Their methods are defined in the modules of the tables that they access.

use std::cell::Cell;
use std::ops::Deref;

use super::engine::Connection;
use super::error::Error;
use super::instances::batch::Batch;
use super::statements::Statements;
use opterius_base::clock::Timestamp;

/// A read transaction: all its methods see the same snapshot.
pub struct ReadTransaction<'c>(pub(super) Statements<'c>);

impl<'c> ReadTransaction<'c> {
    /// A transaction that is open on the connection.
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self(Statements::new(connection))
    }
}

/// A write transaction. It can also read.
pub struct WriteTransaction<'c> {
    transaction: ReadTransaction<'c>,
    now: Timestamp,
    /// Whether check-ins that say nothing new are written later.
    pub(super) defers: bool,
    /// How many pages more than one for each change are written, or fewer, because of check-ins that are written later.
    pub(super) more_pages: Cell<i64>,
}

impl<'c> Deref for WriteTransaction<'c> {
    type Target = ReadTransaction<'c>;

    fn deref(&self) -> &Self::Target {
        &self.transaction
    }
}

impl<'c> WriteTransaction<'c> {
    /// A write transaction whose changes are dated `now`.
    pub(super) fn new(connection: &'c Connection, now: Timestamp) -> Self {
        Self { transaction: ReadTransaction::new(connection), now, defers: false, more_pages: Cell::default() }
    }

    /// Writes check-ins that say nothing new later, if `defers`.
    pub(super) fn deferring(self, defers: bool) -> Self {
        Self { defers, ..self }
    }

    /// A write transaction of a verification that shares it with others.
    pub(super) fn of_batch(connection: &'c Connection, batch: &'c Batch, now: Timestamp) -> Self {
        Self {
            transaction: ReadTransaction(Statements::of_batch(connection, batch)),
            now,
            defers: false,
            more_pages: Cell::default(),
        }
    }

    /// The timestamp of all changes in this transaction.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The time by the clock of the database, which several instances share; of this machine for a file.
    pub(super) fn server_time(&self) -> Result<Timestamp, Error> {
        Ok(self.connection().server_time()?.map_or(self.now, Timestamp::from_unix))
    }

    pub(super) fn connection(&self) -> &Statements<'c> {
        &self.transaction.0
    }
}
