//! What can be read of the store, and what can be changed in it; what that is stands beside the tables that it is about.

use std::ops::Deref;

use rusqlite::Connection;

use opterius_base::clock::Timestamp;

/// What can be read. Everything that one of these returns is of one moment.
pub struct Reader<'c>(pub(super) &'c Connection);

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

impl<'c> Changes<'c> {
    /// The changes of this transaction, at this instant.
    pub(super) fn new(transaction: &'c Connection, now: Timestamp) -> Self {
        Self { reader: Reader(transaction), now }
    }

    /// The instant of all changes of this transaction.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn connection(&self) -> &Connection {
        self.reader.0
    }
}
