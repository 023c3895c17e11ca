//! A connection that outlives its sessions: it connects again when the last session is lost.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::value::Value;
use super::account::Account;
use super::connection_string::ConnectionString;
use super::failure::Failure;
use super::limits::Limits;
use super::row::PostgresqlRow;
use super::session::Session;
use opterius_base::clock::{Clock, SystemClock};

/// How long a failed attempt to connect answers for the next ones, of all connections.
const PAUSE: Duration = Duration::from_secs(1);

/// A database of PostgreSQL: a connection string, and what all connections of the process know of the servers.
#[derive(Clone)]
pub struct Server {
    string: Arc<ConnectionString>,
    failed: Arc<Mutex<Option<(Instant, Failure)>>>,
}

impl Server {
    /// The database of a connection string.
    ///
    /// # Errors
    /// A sentence without any part of the password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let string = ConnectionString::parse(text, &Account::of_this_process())?;
        Ok(Self { string: Arc::new(string), failed: Arc::default() })
    }

    /// Whether a text is meant to be a connection string.
    pub(crate) fn is_connection_string(text: &str) -> bool {
        ConnectionString::is_meant(text)
    }

    /// Whether the string has a password.
    pub(crate) fn has_password(&self) -> bool {
        self.string.has_password()
    }

    /// A connection that connects when it is used first.
    pub(crate) fn connection(&self, limits: Limits) -> PostgresqlConnection {
        PostgresqlConnection { server: self.clone(), limits, session: RefCell::new(Slot::Empty) }
    }

    /// A session. After a failed attempt, others fail at once for a second: a database that is gone does not hold up every
    /// request.
    fn connect(&self, limits: &Limits) -> Result<Session, Failure> {
        let last = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, failure)) = last
            && SystemClock.monotonic().saturating_duration_since(at) < PAUSE
        {
            return Err(failure);
        }
        let session = Session::connect(&self.string, limits);
        let failed = session.as_ref().err().map(|failure| (SystemClock.monotonic(), failure.clone()));
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        session
    }
}

/// Without the password.
impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.string.fmt(formatter)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.string.fmt(formatter)
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.string == other.string
    }
}

impl Eq for Server {}

/// A connection.
pub(crate) struct PostgresqlConnection {
    server: Server,
    limits: Limits,
    session: RefCell<Slot>,
}

enum Slot {
    /// There is no session; the next transaction or statement connects.
    Empty,
    /// There is one.
    Connected(Box<Session>),
    /// It was lost inside of a transaction, which can only be rolled back.
    Lost(Failure),
}

impl PostgresqlConnection {
    /// Sets the time limits; they hold from the next session on, which is the next transaction's.
    pub(in crate::store) fn limit(&mut self, limits: Limits) {
        if self.limits != limits {
            self.limits = limits;
            self.session = RefCell::new(Slot::Empty);
        }
    }

    /// Begins a transaction that changes something. Connects first, if need be: nothing has been sent yet.
    ///
    /// # Errors
    /// There is no server, or the server's.
    pub(in crate::store) fn begin_change(&self) -> Result<(), Failure> {
        self.begin(Session::begin_change)
    }

    /// Begins a transaction that reads, like [`Self::begin_change`].
    ///
    /// # Errors
    /// There is no server, or the server's.
    pub(in crate::store) fn begin_read(&self) -> Result<(), Failure> {
        self.begin(Session::begin_read)
    }

    fn begin(&self, begin: impl Fn(&Session) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut slot = self.session.borrow_mut();
        let reused = match &*slot {
            Slot::Connected(session) if !session.is_broken() => Some(session),
            _ => None,
        };
        if let Some(session) = reused {
            let begun = begin(session);
            if !session.is_broken() {
                return begun;
            }
            // The server has closed the session while nothing happened on it, such as at its restart. A silent server, by
            // contrast, has taken the time of this request already.
            if session.is_silent() {
                self.note_silence(begun.as_ref().err());
                *slot = Slot::Empty;
                return begun;
            }
        }
        *slot = Slot::Empty;
        let session = self.server.connect(&self.limits)?;
        let begun = begin(&session);
        if !session.is_broken() {
            *slot = Slot::Connected(Box::new(session));
        }
        begun
    }

    /// After a server was silent, the next requests fail at once for a moment, as after a failed
    /// connect: they have waited behind this one.
    fn note_silence(&self, failure: Option<&Failure>) {
        if let Some(Failure::Unavailable(cause) | Failure::Unknown(cause)) = failure {
            let now = SystemClock.monotonic();
            let failure = Failure::Unavailable(cause.clone());
            *self.server.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, failure));
        }
    }

    /// Whether the settings of the session hold for each statement. Connects first, if need be.
    ///
    /// # Errors
    /// There is no server.
    pub(in crate::store) fn is_direct(&self) -> Result<bool, Failure> {
        self.run(|session| Ok(session.is_direct()))
    }

    /// Marks a place in the transaction.
    ///
    /// # Errors
    /// The server's.
    pub(in crate::store) fn set_savepoint(&self) -> Result<(), Failure> {
        self.run(Session::set_savepoint)
    }

    /// Keeps what was done since the mark.
    ///
    /// # Errors
    /// The server's, or a statement since the mark has failed.
    pub(in crate::store) fn release_savepoint(&self) -> Result<(), Failure> {
        self.run(Session::release_savepoint)
    }

    /// Undoes what was done since the mark, even if a statement has failed.
    ///
    /// # Errors
    /// The server's; the transaction is lost.
    pub(in crate::store) fn roll_back_to_savepoint(&self) -> Result<(), Failure> {
        self.run(Session::roll_back_to_savepoint)
    }

    /// Commits, like [`Session::commit`].
    ///
    /// # Errors
    /// [`Failure::Unknown`] if the changes may or may not have been made; after other errors they were not.
    pub(in crate::store) fn commit(&self) -> Result<(), Failure> {
        self.run(Session::commit)
    }

    /// Rolls the transaction back.
    pub(in crate::store) fn rollback(&self) {
        let mut slot = self.session.borrow_mut();
        match &*slot {
            Slot::Connected(session) => {
                session.rollback();
                if session.is_broken() {
                    *slot = Slot::Empty;
                }
            }
            Slot::Lost(_) => *slot = Slot::Empty,
            Slot::Empty => {}
        }
    }

    /// Runs a statement; returns the number of rows that it changed.
    ///
    /// # Errors
    /// There is no server, or the server's.
    pub(in crate::store) fn execute(&self, sql: &str, parameters: &[Value<'_>]) -> Result<usize, Failure> {
        self.run(|session| session.execute(sql, parameters))
    }

    /// Runs a query.
    ///
    /// # Errors
    /// There is no server, or the server's.
    pub(in crate::store) fn query(&self, sql: &str, parameters: &[Value<'_>]) -> Result<Vec<PostgresqlRow>, Failure> {
        self.run(|session| session.query(sql, parameters))
    }

    /// Runs several statements without parameters.
    ///
    /// # Errors
    /// There is no server, or the server's.
    pub(in crate::store) fn batch(&self, sql: &str) -> Result<(), Failure> {
        self.run(|session| session.batch(sql))
    }

    /// Runs something on the session. It never reconnects inside a transaction, and repeats nothing.
    fn run<T>(&self, work: impl FnOnce(&Session) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut slot = self.session.borrow_mut();
        match &*slot {
            Slot::Lost(failure) => return Err(failure.clone()),
            Slot::Connected(_) => {}
            Slot::Empty => *slot = Slot::Connected(Box::new(self.server.connect(&self.limits)?)),
        }
        let Slot::Connected(session) = &*slot else {
            return Err(Failure::Unavailable("there is no session".to_owned()));
        };
        let answer = work(session);
        if session.is_silent() {
            self.note_silence(answer.as_ref().err());
        }
        if session.is_lost() && session.is_in_transaction() {
            let cause = format!("{}: the connection was lost in a transaction. Nothing was changed", session.target());
            *slot = Slot::Lost(Failure::Unavailable(cause));
        } else if session.is_broken() && !session.is_in_transaction() {
            *slot = Slot::Empty;
        }
        answer
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "outage_tests.rs"]
mod outage_tests;

#[cfg(test)]
#[path = "sign_in_tests.rs"]
mod sign_in_tests;
