//! A connection to a database of either engine.

use super::super::error::Error;
use super::named::numbered;
use super::row::Row;
use super::sqlite;
use super::value::Value;

/// A connection to a database.
pub(crate) enum Connection {
    /// To a file of SQLite.
    Sqlite(rusqlite::Connection),
}

impl Connection {
    /// Runs a statement that returns no rows; returns the number of rows that it changed.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn execute(&self, sql: &str, parameters: &[Value<'_>]) -> Result<usize, Error> {
        match self {
            Self::Sqlite(connection) => sqlite::execute(connection, sql, parameters),
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
        each: impl FnMut(&Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => sqlite::query(connection, sql, parameters, each),
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
        }
    }

    /// Names the index to use, where the engine would not choose it.
    pub(crate) fn indexed_by(&self, index: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("INDEXED BY {index}"),
        }
    }

    /// A query for the numbers of a parameter [`Value::Integers`].
    pub(crate) fn rows_of(&self, parameter: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("SELECT value FROM json_each({parameter})"),
        }
    }

    /// Whether a failed statement has ended the transaction.
    fn has_rolled_back(&self) -> bool {
        match self {
            Self::Sqlite(connection) => connection.is_autocommit(),
        }
    }

    /// The connection to a file of SQLite, if it is one.
    pub(crate) fn sqlite(&self) -> Option<&rusqlite::Connection> {
        match self {
            Self::Sqlite(connection) => Some(connection),
        }
    }

    /// Begins a transaction that changes something.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn begin_change(&self) -> Result<Transaction<'_>, Error> {
        match self {
            Self::Sqlite(_) => self.execute("BEGIN IMMEDIATE", &[])?,
        };
        Ok(Transaction { connection: self, is_open: true })
    }

    /// Begins a transaction that only reads, with one view of the database.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn begin_read(&self) -> Result<Transaction<'_>, Error> {
        match self {
            Self::Sqlite(_) => self.execute("BEGIN", &[])?,
        };
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
        let run = |sql| self.connection.execute(sql, &[]);
        run("SAVEPOINT change")?;
        if !change() {
            if self.connection.has_rolled_back() {
                return Err(Error::Failed("everything was rolled back: the disk is full or failing".to_owned()));
            }
            run("ROLLBACK TO change")?;
        }
        run("RELEASE change")?;
        Ok(())
    }

    /// Commits. When this returns, the changes are durable.
    ///
    /// # Errors
    /// A store error; nothing was changed.
    pub(crate) fn commit(mut self) -> Result<(), Error> {
        self.connection.execute("COMMIT", &[])?;
        self.is_open = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // An error that has rolled back already, such as a full disk, leaves no transaction.
            let _ = self.connection.execute("ROLLBACK", &[]);
        }
    }
}
