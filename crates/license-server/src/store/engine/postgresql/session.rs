//! A session with one server: settings, transactions and statements.
//!
//! A pooler such as PgBouncer can stand between. One that pools transactions gives each transaction another session of the
//! server, so settings of a session and named statements would be another program's. It is recognized by a setting that
//! only a server takes; then each transaction sets what it needs, and statements have no names.

use std::cell::Cell;
use std::sync::Arc;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use super::super::value::Value;
use super::connection_string::ConnectionString;
use super::failure::{Failure, Problem};
use super::limits::Limits;
use super::link::{Link, NoLink};
use super::placeholders::numbered;
use super::row::PostgresqlRow;
use super::server_state::ServerState;
use super::statements::{Statements, check, kind, to_sql};
use super::target::Target;
use opterius_base::deadline::Deadline;

/// Transactions that change something: a statement sees what others have committed before it began.
const BEGIN_CHANGE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Transactions that read: all statements see the same.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A session.
pub(super) struct Session {
    link: Link,
    target: Target,
    limits: Limits,
    transaction: Cell<Transaction>,
    statements: Option<Statements>,
    /// What each transaction sets behind a pooler.
    settings: String,
    is_outdated: Cell<bool>,
}

/// The state of the session's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    /// There is none; each statement is its own.
    None,
    /// One is open.
    Open,
    /// One has failed: the server answers COMMIT by rolling it back, without an error.
    Failed,
}

impl Session {
    /// Connects to the first server of the string that is the right one.
    ///
    /// # Errors
    /// Why none is, of each server.
    pub(super) fn connect(string: &Arc<ConnectionString>, limits: &Limits) -> Result<Self, Failure> {
        let time = string.connect_time.unwrap_or_else(|| limits.connect_to_one_of(string.targets.len()));
        let (mut causes, mut is_refused) = (Vec::new(), true);
        for target in &string.targets {
            match Self::connect_to(string, target, limits, Deadline::within(time)) {
                Ok(session) => return Ok(session),
                Err(Failure::Refused(cause)) => causes.push(format!("{target}: {cause}")),
                Err(Failure::Unavailable(cause) | Failure::Failed(cause)) => {
                    is_refused = false;
                    causes.push(format!("{target}: {cause}"));
                }
                Err(other) => return Err(other),
            }
        }
        let causes = causes.join("; ");
        Err(if is_refused { Failure::Refused(causes) } else { Failure::Unavailable(causes) })
    }

    fn connect_to(
        string: &Arc<ConnectionString>,
        target: &Target,
        limits: &Limits,
        deadline: Deadline,
    ) -> Result<Self, Failure> {
        let options = limits.options();
        let link = match Link::connect(string, target, Some(&options), limits.check, deadline) {
            Err(NoLink::Refusal(problem)) if is_pooler_refusal(&problem) => {
                Link::connect(string, target, None, limits.check, deadline)
            }
            other => other,
        };
        let link = link.map_err(|error| match error {
            NoLink::Failure(failure) => failure,
            NoLink::Refusal(problem) => problem.into_connect_failure(),
        })?;
        let server = ServerState::ask(&link, deadline.left())?;
        server.check(string.wanted)?;
        let session = Self {
            link,
            target: target.clone(),
            limits: *limits,
            transaction: Cell::new(Transaction::None),
            statements: server.is_direct.then(Statements::default),
            settings: if server.is_direct { String::new() } else { limits.transaction_settings(server.is_durable) },
            is_outdated: Cell::new(false),
        };
        if server.is_direct && !server.is_durable {
            session.batch("SET synchronous_commit = on")?;
        }
        Ok(session)
    }

    /// The server that it is connected to.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Whether another session has to take its place.
    pub(super) fn is_broken(&self) -> bool {
        self.link.is_closed() || self.is_outdated.get()
    }

    /// Whether the connection is lost.
    pub(super) fn is_lost(&self) -> bool {
        self.link.is_closed()
    }

    /// Whether the connection is lost because the server did not answer.
    pub(super) fn is_silent(&self) -> bool {
        self.link.is_silent()
    }

    /// Whether no pooler stands between, so that the settings of the session hold for each statement.
    pub(super) fn is_direct(&self) -> bool {
        self.statements.is_some()
    }

    /// Whether a transaction is open.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.transaction.get() != Transaction::None
    }

    /// Begins a transaction that changes something.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn begin_change(&self) -> Result<(), Failure> {
        self.begin(BEGIN_CHANGE)
    }

    /// Begins a transaction that reads.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn begin_read(&self) -> Result<(), Failure> {
        self.begin(BEGIN_READ)
    }

    fn begin(&self, begin: &str) -> Result<(), Failure> {
        if self.is_in_transaction() {
            return Err(Failure::Failed("a transaction is open already".to_owned()));
        }
        let sql = format!("{begin}{}", self.settings);
        let time = self.limits.statement.min(self.limits.connect);
        let begun = self.answer(self.link.run(time, |client| client.batch_execute(&sql)));
        match &begun {
            Ok(()) => self.transaction.set(Transaction::Open),
            // It may be open on the server.
            Err(_) => self.is_outdated.set(true),
        }
        begun
    }

    /// Commits. When this returns, the changes are durable, on the standby too if the server waits for it.
    ///
    /// # Errors
    /// [`Failure::Unknown`] if the changes may or may not have been made; after other errors they were not.
    pub(super) fn commit(&self) -> Result<(), Failure> {
        if self.transaction.get() != Transaction::Open {
            self.rollback();
            return Err(Failure::Failed("a statement of the transaction has failed. Nothing was changed".to_owned()));
        }
        self.transaction.set(Transaction::None);
        match self.link.run(self.limits.statement, |client| client.batch_execute("COMMIT")) {
            Ok(()) => self.refuse_warning(),
            Err(problem) if problem.ends_connection() => Err(Failure::Unknown(self.at(&problem.cause()))),
            Err(problem) => self.answer(Err(problem)),
        }
    }

    /// Marks a place in the transaction.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn set_savepoint(&self) -> Result<(), Failure> {
        self.batch("SAVEPOINT change")
    }

    /// Keeps what was done since the mark.
    ///
    /// # Errors
    /// The server's, or a statement since the mark has failed.
    pub(super) fn release_savepoint(&self) -> Result<(), Failure> {
        self.batch("RELEASE SAVEPOINT change")
    }

    /// Undoes what was done since the mark, even if a statement has failed.
    ///
    /// # Errors
    /// The server's; the transaction is lost.
    pub(super) fn roll_back_to_savepoint(&self) -> Result<(), Failure> {
        self.batch("ROLLBACK TO SAVEPOINT change; RELEASE SAVEPOINT change")?;
        self.transaction.set(Transaction::Open);
        Ok(())
    }

    /// Rolls the transaction back. The server does it too when the connection ends.
    pub(super) fn rollback(&self) {
        if self.is_in_transaction() && !self.link.is_closed() {
            let answer = self.link.run(self.limits.statement, |client| client.batch_execute("ROLLBACK"));
            self.is_outdated.set(self.is_outdated.get() || answer.is_err());
        }
        self.transaction.set(Transaction::None);
    }

    /// Runs a statement; returns the number of rows that it changed.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn execute(&self, sql: &str, parameters: &[Value<'_>]) -> Result<usize, Failure> {
        check(parameters)?;
        let changed = match &self.statements {
            Some(statements) => {
                let prepared = statements.prepare(&self.link, self.limits.statement, sql, parameters);
                let statement = self.answer(prepared)?;
                let values: Vec<_> = parameters.iter().map(to_sql).collect();
                self.link.run(self.limits.statement, |client| client.execute(&statement, &values))
            }
            None => {
                let (sql, values) = (numbered(sql), typed(parameters));
                self.link.run(self.limits.statement, |client| client.execute_typed(&sql, &values))
            }
        };
        let changed = self.answer(changed)?;
        self.refuse_warning_outside()?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// Runs a query.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn query(&self, sql: &str, parameters: &[Value<'_>]) -> Result<Vec<PostgresqlRow>, Failure> {
        check(parameters)?;
        let rows = match &self.statements {
            Some(statements) => {
                let prepared = statements.prepare(&self.link, self.limits.statement, sql, parameters);
                let statement = self.answer(prepared)?;
                let values: Vec<_> = parameters.iter().map(to_sql).collect();
                self.link.run(self.limits.statement, |client| client.query(&statement, &values))
            }
            None => {
                let (sql, values) = (numbered(sql), typed(parameters));
                self.link.run(self.limits.statement, |client| client.query_typed(&sql, &values))
            }
        };
        let rows = self.answer(rows)?;
        self.refuse_warning_outside()?;
        Ok(rows.into_iter().map(PostgresqlRow).collect())
    }

    /// Runs several statements without parameters.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn batch(&self, sql: &str) -> Result<(), Failure> {
        self.answer(self.link.run(self.limits.statement, |client| client.batch_execute(sql)))?;
        self.refuse_warning_outside()
    }

    /// What a problem means, for the transaction and for the session.
    fn answer<T>(&self, answer: Result<T, Problem>) -> Result<T, Failure> {
        answer.map_err(|problem| {
            if self.transaction.get() == Transaction::Open {
                self.transaction.set(Transaction::Failed);
            }
            let state = problem.state();
            if let Some(statements) = &self.statements
                && state == Some(&SqlState::FEATURE_NOT_SUPPORTED)
            {
                // A prepared statement whose result has changed with the schema.
                statements.clear();
            }
            let is_misplaced =
                state == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) || state.is_some_and(is_unknown_statement);
            self.is_outdated.set(self.is_outdated.get() || is_misplaced);
            match problem.into_failure() {
                Failure::Unavailable(cause) => Failure::Unavailable(self.at(&cause)),
                other => other,
            }
        })
    }

    fn at(&self, cause: &str) -> String {
        format!("{}: {cause}", self.target)
    }

    /// A commit with a warning is none: the only warning of a COMMIT says that its wait for the standby was cancelled, so a
    /// fail-over would lose it. Its text depends on the server's language, its code is that of all warnings.
    fn refuse_warning(&self) -> Result<(), Failure> {
        match self.link.warning() {
            Some(warning) => Err(Failure::Unknown(self.at(&format!("the commit came with a warning: {warning}")))),
            None => Ok(()),
        }
    }

    /// Outside of a transaction each statement commits.
    fn refuse_warning_outside(&self) -> Result<(), Failure> {
        if self.is_in_transaction() { Ok(()) } else { self.refuse_warning() }
    }
}

fn typed<'v>(parameters: &'v [Value<'_>]) -> Vec<(&'v (dyn ToSql + Sync), Type)> {
    parameters.iter().map(|value| (to_sql(value), kind(value))).collect()
}

/// A pooler takes another program's session for ours.
fn is_unknown_statement(state: &SqlState) -> bool {
    *state == SqlState::INVALID_SQL_STATEMENT_NAME || *state == SqlState::DUPLICATE_PSTATEMENT
}

/// PgBouncer takes no options, unless its `ignore_startup_parameters` says so.
fn is_pooler_refusal(problem: &Problem) -> bool {
    problem.state() == Some(&SqlState::PROTOCOL_VIOLATION) && problem.cause().contains("startup parameter")
}
