//! What can be read of the store, and what can be changed in it; what that is stands beside the tables that it is about.

use std::ops::Deref;

use rusqlite::Connection;

use opterius_base::clock::Timestamp;

/// What can be read. Everything that one of these returns is of one moment.
pub struct ReadTransaction<'c>(pub(super) &'c Connection);

/// What can be changed, within one transaction.
pub struct WriteTransaction<'c> {
    transaction: ReadTransaction<'c>,
    now: Timestamp,
}

impl<'c> Deref for WriteTransaction<'c> {
    type Target = ReadTransaction<'c>;

    fn deref(&self) -> &Self::Target {
        &self.transaction
    }
}

impl<'c> WriteTransaction<'c> {
    /// The changes of this transaction, at this instant.
    pub(super) fn new(transaction: &'c Connection, now: Timestamp) -> Self {
        Self { transaction: ReadTransaction(transaction), now }
    }

    /// The instant of all changes of this transaction.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn connection(&self) -> &Connection {
        self.transaction.0
    }
}
