//! PostgreSQL, through its client.

use std::path::Path;

use crate::servers::database_server::check_socket;
use crate::servers::postgresql::obstacles;
use crate::servers::postgresql::session::{self, MAINTENANCE, USER};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::tool::Output;
use opterius_host::users::register::Register;

/// Where the first cluster listens.
const SOCKET: &str = "/run/postgresql/.s.PGSQL.5432";

/// How to start it.
const START: &str = "PostgreSQL is not running on this server. Start it: systemctl start postgresql";

/// What a statement says that met a change of another session's.
const IN_BETWEEN: [&str; 4] = [
    "tuple concurrently updated",
    "tuple concurrently deleted",
    "deadlock detected",
    "cannot drop a template database",
];

/// How often statements are run again.
const ATTEMPTS: usize = 5;

/// PostgreSQL on this host.
pub struct Postgresql {
    pub(super) deadline: Deadline,
    /// The uid of the server.
    pub(super) server: Option<u32>,
}

/// Whether PostgreSQL is installed.
pub fn is_installed(host: &Host) -> bool {
    // Only the server's package has this program.
    host.is_machine() && ["pg_ctlcluster", "postgres"].iter().any(|name| Host::tool(name).is_some())
}

impl Postgresql {
    /// PostgreSQL on this host, for an operation with this deadline.
    ///
    /// # Errors
    /// It is not installed or not running, or another user's program listens in its place.
    pub fn new(host: &Host, deadline: Deadline) -> Result<Self, Problem> {
        if !is_installed(host) {
            let sentence = "PostgreSQL is not installed on this server. Install it: apt-get install postgresql";
            return Err(Problem::Unavailable(sentence.to_owned()));
        }
        let register = Register::read(host)?;
        check_socket(Path::new(SOCKET), USER, &register, START)?;
        Ok(Self { deadline, server: register.user(USER).map(|user| user.uid) })
    }

    /// Runs statements in a database, and stops at the first that fails. They are single ones, a transaction, or such as can be
    /// repeated: those that meet a change of another session's are run again.
    pub(super) fn run(&self, database: &str, statements: &str) -> Result<String, Problem> {
        let mut attempts = 0..ATTEMPTS;
        loop {
            let output = obstacles::end_during(self.deadline, || {
                session::psql(database, self.deadline)?.input(statements).run(self.deadline)
            })?;
            if output.is_success() {
                return Ok(output.stdout);
            }
            let is_in_between = IN_BETWEEN.iter().any(|words| output.stderr.contains(words));
            if !is_in_between || self.deadline.is_over() || attempts.next().is_none() {
                return Err(problem(&output));
            }
        }
    }

    /// The rows of a query whose values contain neither tabs nor ends of lines.
    pub(super) fn rows(&self, query: &str) -> Result<Vec<Vec<String>>, Problem> {
        self.rows_in(MAINTENANCE, query)
    }

    /// Like [`Self::rows`], in another database.
    pub(super) fn rows_in(&self, database: &str, query: &str) -> Result<Vec<Vec<String>>, Problem> {
        let output = self.run(database, query)?;
        Ok(output.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }
}

/// A string of SQL with `standard_conforming_strings`, which have no other special characters. PostgreSQL has no NUL.
pub(super) fn string(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

/// The error for a client that failed.
pub(super) fn problem(output: &Output) -> Problem {
    let said = output.complaint();
    let says = |words: &[&str]| words.iter().any(|word| output.stderr.contains(word));
    if says(&[
        "Peer authentication failed",
        "no pg_hba.conf entry",
        "password authentication failed",
        "no password supplied",
    ]) {
        return Problem::Unavailable(format!(
            "PostgreSQL does not let its user postgres in over its socket. In pg_hba.conf, it needs the line: local all postgres \
             peer ({said})"
        ));
    }
    if says(&["statement timeout", "lock timeout", "is being accessed by other users"]) {
        return Problem::TimedOut(format!(
            "PostgreSQL could not do this in time, because something else uses the database. Try again. ({said})"
        ));
    }
    if says(&["is not currently accepting connections"]) {
        return Problem::Conflict(format!(
            "A user of this PostgreSQL database has closed it. To open it, run as postgres: ALTER DATABASE … ALLOW_CONNECTIONS \
             true; ({said})"
        ));
    }
    // psql's exit code for a connection that failed.
    if output.code == Some(2) {
        Problem::Unavailable(format!("PostgreSQL does not work on this server. {said}"))
    } else {
        Problem::failure(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quotes_are_special_in_a_string() {
        assert_eq!(string("a'b\\'; DROP ROLE x; --"), "'a''b\\''; DROP ROLE x; --'");
        assert_eq!(string("a\0b"), "'ab'");
    }
}
