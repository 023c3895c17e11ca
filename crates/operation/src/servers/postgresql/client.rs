//! The client `psql`. It gets SQL on stdin, reads no file of settings, and finds nothing of its own in our statements: they
//! consist of names without special characters, and of strings in single quotes.

use std::path::Path;

use crate::servers::database_server::check_socket;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::tool::{Output, Tool};
use opterius_host::users::register::Register;

/// The directory of Debian's sockets.
const DIRECTORY: &str = "/run/postgresql";

/// Where the first cluster listens.
const SOCKET: &str = "/run/postgresql/.s.PGSQL.5432";

/// The system user and role of the server.
pub(super) const USER: &str = "postgres";

/// The database for everything that concerns none of an account's.
pub(super) const MAINTENANCE: &str = "postgres";

/// How to start it.
const START: &str = "PostgreSQL is not running on this server. Start it: systemctl start postgresql";

/// Settings of a session. They take precedence over those that the owner of a database gave it: no function of a tenant's is
/// found in place of the system's, strings are quoted as we quote, and no password gets into a log of statements.
const SETTINGS: [&str; 16] = [
    "search_path=pg_catalog",
    "role=none",
    "standard_conforming_strings=on",
    "client_min_messages=error",
    "default_transaction_read_only=off",
    "default_transaction_isolation=read\\ committed",
    "lock_timeout=20s",
    "log_statement=none",
    "log_duration=off",
    "log_min_duration_statement=-1",
    "log_min_duration_sample=-1",
    "log_transaction_sample_rate=0",
    "log_min_error_statement=panic",
    "pg_stat_statements.track=none",
    "pg_stat_statements.track_utility=off",
    "pgaudit.log=none",
];

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

    /// Runs statements in a database, and stops at the first that fails.
    pub(super) fn run(&self, database: &str, statements: &str) -> Result<String, Problem> {
        let psql = Host::tool("psql").ok_or_else(|| {
            Problem::Unavailable("The operation needs psql. Install it: apt-get install postgresql-client".to_owned())
        })?;
        let tool = Tool::named("setpriv")?
            .args(["--reuid", USER, "--regid", USER, "--clear-groups", "--no-new-privs", "--"])
            .arg(psql)
            .args(["-X", "-q", "-A", "-t", "-w", "-P", "pager=off", "-F", "\t"])
            .args(["-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-h", DIRECTORY, "-p", "5432", "-U", USER])
            .args(["-d", database])
            .env("HOME", "/nonexistent")
            .env("PGCLIENTENCODING", "UTF8")
            .env("PGCONNECT_TIMEOUT", "10")
            .env("PGOPTIONS", self.options());
        let output = tool.input(statements).run(self.deadline)?;
        if output.is_success() { Ok(output.stdout) } else { Err(problem(&output)) }
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

    fn options(&self) -> String {
        let time = self.deadline.left().as_millis().clamp(1000, 600_000);
        let settings = SETTINGS.iter().map(|setting| format!("-c {setting} "));
        settings.chain([format!("-c statement_timeout={time}")]).collect()
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
