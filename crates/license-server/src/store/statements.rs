//! The statements of a transaction. In a batch of verifications they keep what the batch has collected in order.

use super::engine::{Connection, Queries, Row, Value};
use super::error::Error;
use super::instances::batch::Batch;

/// The statements of a transaction.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    batch: Option<&'c Batch>,
}

impl<'c> Statements<'c> {
    /// Of a transaction on this connection.
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, batch: None }
    }

    /// Of a transaction that several verifications share.
    pub(super) fn of_batch(connection: &'c Connection, batch: &'c Batch) -> Self {
        Self { connection, batch: Some(batch) }
    }

    /// The connection, for what is no change of a license.
    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// What the verifications of the transaction share, if there are several.
    pub(super) fn batch(&self) -> Option<&'c Batch> {
        self.batch
    }

    /// Like [`Connection::execute`].
    pub(super) fn execute(&self, sql: &str, parameters: &[Value<'_>]) -> Result<usize, Error> {
        self.before_change()?;
        self.connection.execute(sql, parameters)
    }

    /// Like [`Connection::insert`].
    pub(super) fn insert(&self, sql: &str, parameters: &[Value<'_>]) -> Result<i64, Error> {
        self.before_change()?;
        self.connection.insert(sql, parameters)
    }

    /// Like [`Connection::server_time`].
    pub(super) fn server_time(&self) -> Result<Option<i64>, Error> {
        self.connection.server_time()
    }

    /// Like [`Connection::indexed_by`].
    pub(super) fn indexed_by(&self, index: &str) -> String {
        self.connection.indexed_by(index)
    }

    /// Like [`Connection::nested`].
    pub(super) fn nested(&self, tables: [&str; 2], on: &str, order: &str, most: u32) -> String {
        self.connection.nested(tables, on, order, most)
    }

    /// Like [`Connection::rows_of`].
    pub(super) fn rows_of(&self, parameter: &str) -> String {
        self.connection.rows_of(parameter)
    }

    /// The connection to a file of SQLite, to see the plans of statements.
    #[cfg(test)]
    pub(super) fn sqlite(&self) -> Option<&rusqlite::Connection> {
        self.connection.sqlite()
    }

    fn before_read(&self) -> Result<(), Error> {
        self.batch.map_or(Ok(()), |batch| batch.before_read(self.connection))
    }

    fn before_change(&self) -> Result<(), Error> {
        self.batch.map_or(Ok(()), |batch| batch.before_change(self.connection))
    }
}

impl Queries for Statements<'_> {
    fn each(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        each: impl FnMut(&Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        self.before_read()?;
        self.connection.each(sql, parameters, each)
    }
}
