//! A session of `psql`. It gets SQL on stdin, reads no file of settings, and finds nothing of its own in our statements: they
//! consist of names without special characters, and of strings in single quotes.

use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::tool::Tool;

/// The directory of Debian's sockets.
const DIRECTORY: &str = "/run/postgresql";

/// The system user and role of the server.
pub(super) const USER: &str = "postgres";

/// The database for everything that concerns none of an account's.
pub(super) const MAINTENANCE: &str = "postgres";

/// No library of a database's settings.
pub(super) const NO_LIBRARIES: &str = "local_preload_libraries=";

/// Settings of a session. They take precedence over those that the owner of a database gave it: no function of a tenant's is
/// found in place of the system's, strings are quoted as we quote, and no password gets into a log of statements.
const SETTINGS: [&str; 17] = [
    "search_path=pg_catalog",
    // A library that does not exist would end the session.
    NO_LIBRARIES,
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

/// The client, which stops at the first statement that fails.
pub(super) fn psql(database: &str, deadline: Deadline) -> Result<Tool, Problem> {
    let psql = Host::tool("psql").ok_or_else(|| {
        Problem::Unavailable("The operation needs psql. Install it: apt-get install postgresql-client".to_owned())
    })?;
    Ok(Tool::named("setpriv")?
        .args(["--reuid", USER, "--regid", USER, "--clear-groups", "--no-new-privs", "--"])
        .arg(psql)
        .args(["-X", "-q", "-A", "-t", "-w", "-P", "pager=off", "-F", "\t"])
        .args(["-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-h", DIRECTORY, "-p", "5432", "-U", USER])
        .args(["-d", database])
        .env("HOME", "/nonexistent")
        .env("PGAPPNAME", name())
        .env("PGCLIENTENCODING", "UTF8")
        .env("PGCONNECT_TIMEOUT", "10")
        .env("PGOPTIONS", options(deadline)))
}

/// The name of this process's sessions.
pub(super) fn name() -> String {
    format!("opterius-operation-{}", std::process::id())
}

fn options(deadline: Deadline) -> String {
    let time = deadline.left().as_millis().clamp(1000, 600_000);
    let settings = SETTINGS.iter().map(|setting| format!("-c {setting} "));
    settings.chain([format!("-c statement_timeout={time}")]).collect()
}
