//! The client `mariadb`. It gets SQL on stdin, reads no file of options, and splits statements by rules of its own: so
//! names of tables, which tenants choose, are sent as hexadecimal digits, passwords as hashes, and everything else is a
//! [`PrefixedName`](opterius_host::request::prefixed_name::PrefixedName).

use std::path::Path;
use std::time::Duration;

use crossbeam_channel::after;

use crate::servers::database_server::check_socket;
use opterius_base::deadline::Deadline;
use opterius_base::hex::hex;
use opterius_base::text::one_line;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::tool::{Output, Tool};
use opterius_host::users::register::Register;

/// How long to try to get the one connection that MariaDB keeps for administrators: others who try to connect occupy it for a
/// moment.
const ENTRY_TIME: Duration = Duration::from_secs(10);

/// Time between two attempts.
const ENTRY_PAUSE: Duration = Duration::from_millis(50);

/// Where Debian's MariaDB listens.
pub(super) const SOCKET: &str = "/run/mysqld/mysqld.sock";

/// The user that it runs as.
const USER: &str = "mysql";

/// How to start it.
const START: &str = "MariaDB is not running on this server. Start it: systemctl start mariadb";

/// How long a statement waits for tables that others use, in seconds.
pub(super) const LOCK_TIME: u64 = 20;

/// How long a statement waits for a transaction that has changed a table, in seconds.
const ROW_LOCK_TIME: u64 = 10;

/// Longest part of an error that a message shows, in characters.
pub(super) const MAX_MESSAGE: usize = 400;

/// Options of the client: nothing from files, no command of its own on stdin, no file of the client's host.
const OPTIONS: [&str; 13] = [
    // It must come first.
    "--no-defaults",
    "--protocol=socket",
    "--user=root",
    "--batch",
    "--skip-column-names",
    "--binary-mode",
    "--skip-auto-rehash",
    "--skip-reconnect",
    "--skip-local-infile",
    // Older clients have no such option.
    "--loose-skip-print-query-on-error",
    "--skip-pager",
    "--default-character-set=utf8mb4",
    "--connect-timeout=10",
];

/// MariaDB on this host.
pub struct MariaDb {
    pub(super) deadline: Deadline,
}

/// Whether MariaDB is installed.
pub fn is_installed(host: &Host) -> bool {
    host.is_machine() && ["mariadbd", "mysqld"].iter().any(|name| Host::tool(name).is_some())
}

impl MariaDb {
    /// MariaDB on this host, for an operation with this deadline.
    ///
    /// # Errors
    /// It is not installed or not running, or another user's program listens in its place.
    pub fn new(host: &Host, deadline: Deadline) -> Result<Self, Problem> {
        if !is_installed(host) {
            let sentence = "MariaDB is not installed on this server. Install it: apt-get install mariadb-server";
            return Err(Problem::Unavailable(sentence.to_owned()));
        }
        check_socket(Path::new(SOCKET), USER, &Register::read(host)?, START)?;
        Ok(Self { deadline })
    }

    /// Runs statements, and stops at the first that fails.
    pub(super) fn run(&self, statements: &str) -> Result<String, Problem> {
        let entry = self.deadline.sooner(ENTRY_TIME);
        loop {
            let tool = Tool::named(installed("mariadb", "mysql"))?.args(OPTIONS).arg(format!("--socket={SOCKET}"));
            let output = tool.input(preamble(self.deadline.left()) + statements).run(self.deadline)?;
            if output.is_success() {
                return Ok(output.stdout);
            }
            if !output.stderr.contains("Too many connections") || entry.is_over() {
                return Err(problem(&output));
            }
            let _ = after(ENTRY_PAUSE).recv();
        }
    }

    /// The rows of a query whose values contain no characters that the client would escape.
    pub(super) fn rows(&self, query: &str) -> Result<Vec<Vec<String>>, Problem> {
        let output = self.run(query)?;
        Ok(output.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }
}

/// A program's name on this host: its own, or the one that older versions have.
pub(super) fn installed(name: &'static str, older: &'static str) -> &'static str {
    if Host::tool(name).is_some() { name } else { older }
}

/// What each session begins with: known rules for quotes, nothing in the server's logs of statements, time limits, and
/// messages that we recognize.
fn preamble(left: Duration) -> String {
    let seconds = left.as_secs().max(1);
    format!(
        "SET SESSION sql_mode='', SESSION sql_log_off=1, SESSION slow_query_log=0, SESSION lock_wait_timeout={}, \
         SESSION innodb_lock_wait_timeout={}, SESSION max_statement_time={seconds}, SESSION lc_messages='en_US';\n",
        seconds.min(LOCK_TIME),
        seconds.min(ROW_LOCK_TIME)
    )
}

/// An expression for this text.
pub(super) fn text(text: &str) -> String {
    format!("CONVERT(0x{} USING utf8mb4)", hex(text.as_bytes()))
}

/// A name in backticks as it stands in a GRANT, where `_` and `%` are wildcards otherwise.
pub(super) fn pattern(name: &str) -> String {
    name.replace('_', "\\_").replace('%', "\\%")
}

/// The error for a client that failed. Some clients repeat the statement in front of it, which can contain a
/// password.
pub(super) fn problem(output: &Output) -> Problem {
    let error = output.stderr.find("ERROR ").and_then(|at| output.stderr.get(at..)).unwrap_or("no error message");
    let said = format!("{} said: {}", output.name, one_line(error, MAX_MESSAGE));
    let has_code = |codes: &[u16]| codes.iter().any(|code| output.stderr.contains(&format!("ERROR {code} ")));
    if has_code(&[1045, 1698]) {
        return Problem::Unavailable(format!(
            "MariaDB does not let root in over its socket, as it does after its installation. In MariaDB, run: ALTER USER \
             root@localhost IDENTIFIED VIA unix_socket; ({said})"
        ));
    }
    if has_code(&[2002, 2003, 2006, 2013, 1040, 1053]) {
        return Problem::Unavailable(format!("MariaDB does not work on this server. {said}"));
    }
    if has_code(&[1205, 1969, 3024]) {
        return Problem::TimedOut(format!(
            "MariaDB could not do this in time, because something else uses the database. Try again. ({said})"
        ));
    }
    Problem::failure(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_digits_only() {
        assert_eq!(text("a'\\"), "CONVERT(0x61275c USING utf8mb4)");
        assert!(
            text("`; DROP DATABASE x\n\0").chars().all(|sign| sign.is_ascii_alphanumeric() || " ()".contains(sign))
        );
    }

    #[test]
    fn wildcards_are_escaped() {
        assert_eq!(pattern("joe_x_db"), "joe\\_x\\_db");
        assert_eq!(pattern("a%-b"), "a\\%-b");
    }

    #[test]
    fn errors_are_told_apart() {
        let output = |stderr: &str| Output {
            name: "mariadb".to_owned(),
            code: Some(1),
            stdout: String::new(),
            stderr: stderr.to_owned(),
        };
        let table = [
            ("ERROR 1698 (28000): Access denied for user 'root'@'localhost'", 503),
            ("ERROR 2002 (HY000): Can't connect to local server through socket", 503),
            ("ERROR 1205 (HY000) at line 2: Lock wait timeout exceeded", 504),
            (
                "--------------\nEXECUTE IMMEDIATE CONCAT(0x7365)\n--------------\n\nERROR 1114 (HY000) at line 2: The table is full",
                500,
            ),
            ("ERROR 3 (HY000): Error writing file (Errcode: 28 \"No space left on device\")", 507),
        ];
        for (stderr, status) in table {
            let problem = problem(&output(stderr));
            assert_eq!(problem.status(), status, "{stderr}");
            assert!(!problem.message().contains("0x7365"), "{}", problem.message());
        }
    }
}
