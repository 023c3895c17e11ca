//! The statements of a transaction. In a batch of verifications they keep what the batch has collected in order.

use super::engine::{Connection, Row, Value};
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

    /// Like [`Connection::each`].
    pub(super) fn each(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        each: impl FnMut(&Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        self.before_read()?;
        self.connection.each(sql, parameters, each)
    }

    /// Like [`Connection::each_named`].
    pub(super) fn each_named(
        &self,
        sql: &str,
        values: &[(&str, Value<'_>)],
        each: impl FnMut(&Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        self.before_read()?;
        self.connection.each_named(sql, values, each)
    }

    /// Like [`Connection::query`].
    pub(super) fn query<T>(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.before_read()?;
        self.connection.query(sql, parameters, read)
    }

    /// Like [`Connection::query_named`].
    pub(super) fn query_named<T>(
        &self,
        sql: &str,
        values: &[(&str, Value<'_>)],
        read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.before_read()?;
        self.connection.query_named(sql, values, read)
    }

    /// Like [`Connection::query_optional`].
    pub(super) fn query_optional<T>(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.before_read()?;
        self.connection.query_optional(sql, parameters, read)
    }

    /// Like [`Connection::query_row`].
    pub(super) fn query_row<T>(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.before_read()?;
        self.connection.query_row(sql, parameters, read)
    }

    /// Like [`Connection::server_time`].
    pub(super) fn server_time(&self) -> Result<Option<i64>, Error> {
        self.connection.server_time()
    }

    /// Like [`Connection::indexed_by`].
    pub(super) fn indexed_by(&self, index: &str) -> String {
        self.connection.indexed_by(index)
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
