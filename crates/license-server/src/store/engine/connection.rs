//! A connection to a database of either engine.

use super::super::error::Error;
use super::commit_fate;
use super::nul::without_nul;
use super::postgresql::{Limits, PostgresqlConnection};
use super::queries::Queries;
use super::row::Row;
use super::sqlite;
use super::value::{Value, params};
use opterius_base::clock::{Clock, SystemClock};

/// The advisory lock of PostgreSQL that changes take: “OpLS”.
const CHANGES: i64 = 0x4f70_4c53;

/// What is another one after a restart, a recovery from a crash, or a fail-over: the server's start, and the first of its own
/// processes. A number of a transaction that was lost then is given again, to another one.
const RUN: &str = "(SELECT pg_postmaster_start_time()::text || ' ' || coalesce(min(pid), 0)::text
    FROM pg_catalog.pg_stat_activity WHERE usesysid IS NULL AND datid IS NULL)";

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
            Self::Postgresql(connection) => Ok(connection.execute(sql, &without_nul(parameters))?),
        }
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

    /// The time by the clock of the server, in seconds since 1970, if there is one.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn server_time(&self) -> Result<Option<i64>, Error> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgresql(_) => {
                self.query_row("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint", &[], |row| row.get(0))
            }
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

    /// Two tables whose rows are read in the order of the first, and within it of the second, of which each row of the first
    /// has at most `most`: `on` says which, and `order` the order.
    pub(crate) fn nested(&self, [first, second]: [&str; 2], on: &str, order: &str, most: u32) -> String {
        match self {
            Self::Sqlite(_) => format!("{first} CROSS JOIN {second}"),
            // It does not see that both indexes together have the order, and would read and sort all of a row of the first.
            Self::Postgresql(_) => format!(
                "{first} CROSS JOIN LATERAL (SELECT * FROM {second} WHERE {on} ORDER BY {order} LIMIT {most}) AS {second}"
            ),
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

    /// Checks that the database can be changed.
    ///
    /// # Errors
    /// It cannot.
    pub(crate) fn check_changes(&self) -> Result<(), Error> {
        let _open = self.begin_verifications()?;
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgresql(_) => {
                let sql = "SELECT current_setting('transaction_read_only')";
                let is_read_only: String = self.query_row(sql, &[], |row| row.get(0))?;
                if is_read_only == "on" {
                    return Err(Error::Unavailable("PostgreSQL accepts no changes".to_owned()));
                }
                Ok(())
            }
        }
    }

    /// What PostgreSQL says about a transaction, if it still is the run of the server that had it.
    fn fate(&self, transaction: &Numbered) -> Result<String, Error> {
        let _open = self.begin_verifications()?;
        let sql = format!(
            "SELECT CASE WHEN {RUN} = ?2 THEN coalesce(pg_xact_status(?1::xid8), 'unknown') ELSE 'of another run' END"
        );
        self.query_row(&sql, params![transaction.number.as_str(), transaction.run.as_str()], |row| row.get(0))
    }

    /// Stores a value, to see that commits work.
    ///
    /// # Errors
    /// They do not.
    fn prove(&self) -> Result<(), Error> {
        let open = self.begin_verifications()?;
        let sql = "INSERT INTO settings (name, value) VALUES ('proof_of_commit', '0') ON CONFLICT (name) DO UPDATE
            SET value = CASE WHEN settings.value = '0' THEN '1' ELSE '0' END";
        self.execute(sql, &[])?;
        open.commit()
    }

    /// Begins a transaction that changes something, while no other such transaction is open on the database.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn begin_change(&self) -> Result<Transaction<'_>, Error> {
        match self {
            Self::Sqlite(_) => _ = self.execute("BEGIN IMMEDIATE", &[])?,
            Self::Postgresql(connection) => {
                connection.begin_change()?;
                let mut open = Transaction { connection: self, is_open: true, number: None };
                let sql = format!(
                    "SELECT pg_current_xact_id()::text, {RUN} FROM (SELECT pg_advisory_xact_lock(?1)) AS locked"
                );
                let read = |row: &Row<'_>| Ok(Numbered { number: row.get(0)?, run: row.get(1)? });
                open.number = Some(self.query_row(&sql, params![CHANGES], read)?);
                return Ok(open);
            }
        }
        Ok(Transaction { connection: self, is_open: true, number: None })
    }

    /// Begins a transaction of verifications, which locks what it needs. Others can change the database meanwhile.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn begin_verifications(&self) -> Result<Transaction<'_>, Error> {
        match self {
            Self::Sqlite(_) => return self.begin_change(),
            Self::Postgresql(connection) => connection.begin_change()?,
        }
        Ok(Transaction { connection: self, is_open: true, number: None })
    }

    /// Begins what reads, and then changes something by one statement: that is a transaction of its own, which saves two round
    /// trips. Behind a pooler a transaction is needed for its settings.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn begin_one_change(&self) -> Result<Option<Transaction<'_>>, Error> {
        match self {
            Self::Postgresql(connection) if connection.is_direct()? => Ok(None),
            _ => self.begin_verifications().map(Some),
        }
    }

    /// Keeps transactions of [`Self::begin_change`] from beginning until this one ends; `false` if there is one. With `waits`, its
    /// turn comes after those that are waiting already.
    ///
    /// # Errors
    /// [`Error::Busy`] if its turn does not come in time, or another store error.
    pub(crate) fn share_changes(&self, waits: bool) -> Result<bool, Error> {
        match self {
            Self::Sqlite(_) => Ok(true),
            Self::Postgresql(_) if waits => {
                // Other verifications of this instance wait meanwhile.
                self.batch("SET LOCAL lock_timeout = '200ms'")?;
                let sql = "SELECT TRUE FROM (SELECT pg_advisory_xact_lock_shared(?1)) AS locked";
                self.query_row(sql, params![CHANGES], |row| row.get(0))
            }
            Self::Postgresql(_) => {
                let sql = "SELECT pg_try_advisory_xact_lock_shared(?1)";
                self.query_row(sql, params![CHANGES], |row| row.get(0))
            }
        }
    }

    /// Keeps changes of others from beginning until the open transaction ends; `false` if one is open.
    ///
    /// # Errors
    /// A store error.
    pub(crate) fn keep_unchanged(&self) -> Result<bool, Error> {
        match self {
            Self::Sqlite(_) => Ok(true),
            Self::Postgresql(_) => {
                self.query_row("SELECT pg_try_advisory_xact_lock(?1)", params![CHANGES], |row| row.get(0))
            }
        }
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
        Ok(Transaction { connection: self, is_open: true, number: None })
    }
}

impl Queries for Connection {
    fn each(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => sqlite::query(connection, sql, parameters, each),
            Self::Postgresql(connection) => {
                for row in connection.query(sql, &without_nul(parameters))? {
                    if !each(&Row(&row))? {
                        break;
                    }
                }
                Ok(())
            }
        }
    }
}

/// An open transaction, rolled back unless committed.
pub(crate) struct Transaction<'c> {
    connection: &'c Connection,
    is_open: bool,
    /// By which PostgreSQL says later what became of it.
    number: Option<Numbered>,
}

/// The number of a transaction, in one run of a server.
struct Numbered {
    number: String,
    run: String,
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
    /// A store error. Nothing was changed, unless it is [`Error::Unknown`].
    pub(crate) fn commit(mut self) -> Result<(), Error> {
        match self.connection {
            Connection::Sqlite(_) => _ = self.connection.execute("COMMIT", &[])?,
            Connection::Postgresql(connection) => {
                let begin = SystemClock.monotonic();
                let committed = connection.commit().map_err(Error::from);
                self.is_open = false;
                let waited = SystemClock.monotonic().saturating_duration_since(begin);
                return match (committed, &self.number) {
                    (Err(Error::Unknown(cause)), Some(number)) => {
                        commit_fate::find(|| self.connection.fate(number), || self.connection.prove(), cause, waited)
                    }
                    (committed, _) => committed,
                };
            }
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
