//! Read and write transactions. Their methods are defined in the modules of the tables that they access.

use std::ops::Deref;

use super::engine::Connection;
use opterius_base::clock::Timestamp;

/// A read transaction: all its methods see the same snapshot.
pub struct ReadTransaction<'c>(pub(super) &'c Connection);

/// A write transaction. It can also read.
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
    /// A write transaction whose changes are dated `now`.
    pub(super) fn new(transaction: &'c Connection, now: Timestamp) -> Self {
        Self { transaction: ReadTransaction(transaction), now }
    }

    /// The timestamp of all changes in this transaction.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn connection(&self) -> &Connection {
        self.transaction.0
    }
}
