//! `psql` and `pgbench`: clients that are not the license server.

use super::eventually;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long `psql` may take. A server that is frozen never answers.
const LIMIT: Duration = Duration::from_secs(20);

/// The options for a server.
pub(super) fn address(host: &str, port: u16) -> [String; 4] {
    ["-h", host, "-p", &port.to_string()].map(str::to_owned)
}

/// Runs SQL; returns the rows, columns separated by `|`, or what went wrong.
pub(super) fn run(address: &[String], role: &str, database: &str, sql: &str) -> Result<String, String> {
    run_within(LIMIT, address, role, database, sql)
}

pub(super) fn run_within(
    limit: Duration,
    address: &[String],
    role: &str,
    database: &str,
    sql: &str,
) -> Result<String, String> {
    let mut command = Command::new(super::programs::program("psql"));
    command.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-U", role, "-d", database]);
    command.args(address).args(["-c", sql]).env("PGPASSWORD", super::PASSWORD).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let is_over = eventually(limit, || child.try_wait().unwrap().is_some());
    if !is_over {
        let _ = child.kill();
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    match (is_over, output.status.success()) {
        (true, true) => Ok(text(&output.stdout)),
        (true, false) => Err(text(&output.stderr)),
        (false, _) => Err(format!("no answer within {limit:?}")),
    }
}

/// All contents of a database as SQL.
pub(super) fn dump(address: &[String], database: &str) -> String {
    let mut command = Command::new(super::programs::program("pg_dump"));
    command.args(address).args(["-U", "postgres", database]).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs pgbench with a script over TCP.
pub(super) fn pgbench(directory: &Path, port: u16, script: &str, options: &[&str]) -> Output {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let path = directory.join(format!("script-{}.sql", NEXT.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(&path, script).unwrap();
    let mut command = Command::new(super::programs::program("pgbench"));
    command
        .args(address("127.0.0.1", port))
        .args(["-U", super::ROLE])
        .args(options)
        .arg("-f")
        .arg(path)
        .arg(super::ROLE);
    command.env("PGPASSWORD", super::PASSWORD).stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
