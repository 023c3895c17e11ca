//! `doctor`: diagnoses everything that can keep a license from working, and suggests a fix for each problem. It changes
//! nothing on the host or in the daemon.
//!
//! To add a check:
//! 1. write its function in the file of its group: it takes the [`Context`] and returns a finding, or `None` where the
//!    check does not apply;
//! 2. add it to [`CHECKS`], in the order in which the checks run;
//! 3. document it in docs/troubleshooting.md, “Doctor”: a test compares that table with this one.

pub mod agreement;
pub mod answer;
pub mod cache;
pub mod certificates;
pub mod config;
pub mod connection;
pub mod context;
pub mod daemon;
pub mod daemon_status;
pub mod disk;
pub mod finding;
pub mod firewall;
pub mod identity;
pub mod journal;
pub mod mounts;
pub mod names;
pub mod network_path;
pub mod nginx;
pub mod operations;
pub mod php;
pub mod port;
pub mod process;
pub mod reach;
pub mod report;
pub mod service;
pub mod sftp;
pub mod shell;
pub mod system;
pub mod systemd;
pub mod time;
pub mod unwritten;

use std::path::Path;

use crate::config::file;
use crate::daemon as running;
use crate::doctor::context::Context;
use crate::doctor::finding::{Finding, Verdict};
use crate::doctor::report::ReportLine;
use crate::doctor::system::{Machine, System};
use crate::license::state::HostIdentity;
use opterius_daemon::EXIT_FAILURE;
use opterius_daemon::output::say;

/// One check. Returns `None` where it does not apply, or depends on a step that failed.
pub type Check = fn(&Context<'_>) -> Option<Finding>;

/// All checks by name, in the order in which they run: the installation first, then the network path to the license
/// server, then the resources of the host.
pub const CHECKS: &[(&str, Check)] = &[
    ("configuration", config::lines),
    ("permissions", config::permissions),
    ("secret", config::secret),
    ("unknown keys", config::keys),
    ("license key", config::license_key),
    ("machine ID", identity::machine_id),
    ("unit", service::unit),
    ("service", service::running),
    ("port", daemon::port),
    ("daemon", daemon::answers),
    ("license", daemon::standing),
    ("cache", cache::contents),
    ("cache readers", cache::readers),
    ("cache writer", cache::writer),
    ("operations", operations::reachable),
    ("accounts", operations::accounts),
    ("site records", operations::records),
    ("suffix list", operations::public_suffixes),
    ("nginx", nginx::descriptors),
    ("sites", nginx::sites),
    ("PHP", php::masters),
    ("renewals", operations::renewals),
    ("SFTP", sftp::confinement),
    ("certificates", certificates::expiry),
    ("certbot timer", certificates::timer),
    ("address", answer::address),
    ("hosts file", names::hosts_file),
    ("name", names::resolution),
    ("firewall", firewall::check),
    ("connection", connection::tcp),
    ("TLS", connection::tls),
    ("license server", answer::verdict),
    ("other servers", answer::servers),
    ("agreement", agreement::results),
    ("clock", time::compared),
    ("time sync", time::synchronized),
    ("syslog", journal::socket),
    ("journal", journal::line),
    ("disk space", disk::bytes),
    ("inodes", disk::inodes),
];

/// Runs all checks and prints the findings; returns the exit code.
pub fn run(config: &Path, json: bool) -> u8 {
    let machine = Machine::new();
    let lines = examine(&machine.system(config), &running::host());
    say(&if json { report::json(&lines) } else { report::text(&lines) });
    if lines.iter().any(|line| line.finding.verdict == Verdict::Fail) { EXIT_FAILURE } else { 0 }
}

/// Runs every check that applies.
pub fn examine(system: &System<'_>, identity: &HostIdentity) -> Vec<ReportLine> {
    let loaded = file::check(&system.config_path);
    let context = Context::new(system, &loaded, identity);
    let found = |run: &Check| {
        let finding = run(&context)?;
        Some(Finding { fix: finding.fix.map(|fix| context.with_config(&fix)), ..finding })
    };
    let lines = CHECKS.iter().map(|(check, run)| Some(ReportLine { check, finding: found(run)? }));
    lines.flatten().collect()
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
