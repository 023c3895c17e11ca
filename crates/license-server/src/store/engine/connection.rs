//! A connection to a database of either engine.

use super::super::error::Error;
use super::named::numbered;
use super::postgresql::{Limits, PostgresqlConnection};
use super::row::Row;
use super::sqlite;
use super::value::Value;

/// A connection to a database.
pub(crate) enum Connection {
    /// To a file of SQLite.
    Sqlite(rusqlite::Connection),
    /// To a server of PostgreSQL.
    Postgresql(Box<PostgresqlConnection>),
}

impl Connection {
    /// Runs a statement that returns no rows; returns the number of rows that it changed.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn execute(&self, sql: &str, parameters: &[Value<'_>]) -> Result<usize, Error> {
        match self {
            Self::Sqlite(connection) => sqlite::execute(connection, sql, parameters),
            Self::Postgresql(connection) => Ok(connection.execute(sql, parameters)?),
        }
    }

    /// Passes each row of a query to `each` until it returns `false`.
    ///
    /// # Errors
    /// A store error, or what `each` returns.
    pub(crate) fn each(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => sqlite::query(connection, sql, parameters, each),
            Self::Postgresql(connection) => {
                for row in connection.query(sql, parameters)? {
                    if !each(&Row(&row))? {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// [`Self::each`] with named parameters, as `:name` in the statement.
    ///
    /// # Errors
    /// A store error, or what `each` returns.
    pub(crate) fn each_named(
        &self,
        sql: &str,
        values: &[(&str, Value<'_>)],
        each: impl FnMut(&Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let (sql, parameters) = numbered(sql, values);
        self.each(&sql, &parameters, each)
    }

    /// [`Self::query`] with named parameters, as `:name` in the statement.
    ///
    /// # Errors
    /// A store error, or what `read` returns.
    pub(crate) fn query_named<T>(
        &self,
        sql: &str,
        values: &[(&str, Value<'_>)],
        read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let (sql, parameters) = numbered(sql, values);
        self.query(&sql, &parameters, read)
    }

    /// All rows of a query.
    ///
    /// # Errors
    /// A store error, or what `read` returns.
    pub(crate) fn query<T>(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.each(sql, parameters, |row| {
            found.push(read(row)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// The first row of a query, if there is one.
    ///
    /// # Errors
    /// A store error, or what `read` returns.
    pub(crate) fn query_optional<T>(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut found = None;
        self.each(sql, parameters, |row| {
            found = Some(read(row)?);
            Ok(false)
        })?;
        Ok(found)
    }

    /// The first row of a query that always has one.
    ///
    /// # Errors
    /// A store error, or what `read` returns.
    pub(crate) fn query_row<T>(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.query_optional(sql, parameters, read)?
            .ok_or_else(|| Error::Failed("a query that always has a row returned none".to_owned()))
    }

    /// Runs an INSERT of one row; returns its column `id`.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn insert(&self, sql: &str, parameters: &[Value<'_>]) -> Result<i64, Error> {
        match self {
            Self::Sqlite(connection) => {
                sqlite::execute(connection, sql, parameters)?;
                Ok(connection.last_insert_rowid())
            }
            Self::Postgresql(_) => self.query_row(&format!("{sql} RETURNING id"), parameters, |row| row.get(0)),
        }
    }

    /// Runs several statements without parameters.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Self::Postgresql(connection) => Ok(connection.batch(sql)?),
        }
    }

    /// Sets the time limits of a connection to a server.
    pub(crate) fn limit(&mut self, limits: Limits) {
        if let Self::Postgresql(connection) = self {
            connection.limit(limits);
        }
    }

    /// Names the index to use, where the engine would not choose it.
    pub(crate) fn indexed_by(&self, index: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("INDEXED BY {index}"),
            // Its planner chooses, by statistics of the table.
            Self::Postgresql(_) => String::new(),
        }
    }

    /// A query for the numbers of a parameter [`Value::Integers`].
    pub(crate) fn rows_of(&self, parameter: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("SELECT value FROM json_each({parameter})"),
            Self::Postgresql(_) => format!("SELECT unnest({parameter})"),
        }
    }

    /// The connection to a file of SQLite, if it is one.
    pub(crate) fn sqlite(&self) -> Option<&rusqlite::Connection> {
        match self {
            Self::Sqlite(connection) => Some(connection),
            Self::Postgresql(_) => None,
        }
    }

    /// Begins a transaction that changes something.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn begin_change(&self) -> Result<Transaction<'_>, Error> {
        match self {
            Self::Sqlite(_) => _ = self.execute("BEGIN IMMEDIATE", &[])?,
            Self::Postgresql(connection) => connection.begin_change()?,
        }
        Ok(Transaction { connection: self, is_open: true })
    }

    /// Begins a transaction that only reads, with one view of the database.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn begin_read(&self) -> Result<Transaction<'_>, Error> {
        match self {
            Self::Sqlite(_) => _ = self.execute("BEGIN", &[])?,
            Self::Postgresql(connection) => connection.begin_read()?,
        }
        Ok(Transaction { connection: self, is_open: true })
    }
}

/// An open transaction, rolled back unless committed.
pub(crate) struct Transaction<'c> {
    connection: &'c Connection,
    is_open: bool,
}

impl Transaction<'_> {
    /// Makes one change of several; undoes it, and nothing else, if `change` returns `false`.
    ///
    /// # Errors
    /// A store error; the transaction cannot be committed.
    pub(crate) fn attempt(&self, change: impl FnOnce() -> bool) -> Result<(), Error> {
        match self.connection {
            Connection::Sqlite(connection) => sqlite::attempt(connection, change),
            Connection::Postgresql(connection) => {
                connection.set_savepoint()?;
                if change() { Ok(connection.release_savepoint()?) } else { Ok(connection.roll_back_to_savepoint()?) }
            }
        }
    }

    /// Commits. When this returns, the changes are durable.
    ///
    /// # Errors
    /// A store error. Nothing was changed, unless it is [`Error::Unavailable`], which says what is known.
    pub(crate) fn commit(mut self) -> Result<(), Error> {
        match self.connection {
            Connection::Sqlite(_) => _ = self.connection.execute("COMMIT", &[])?,
            Connection::Postgresql(connection) => connection.commit()?,
        }
        self.is_open = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_open {
            match self.connection {
                // An error that has rolled back already, such as a full disk, leaves no transaction.
                Connection::Sqlite(_) => _ = self.connection.execute("ROLLBACK", &[]),
                Connection::Postgresql(connection) => connection.rollback(),
            }
        }
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
