//! `doctor`: walks the way of the README through everything that can be wrong with a license, and says of each thing what
//! was seen and what mends it. It changes nothing, neither here nor in what the daemon knows.
//!
//! A check is added in three places:
//! 1. its function, in the file of its group: it takes the [`Context`] and returns what it has found, or none where it does
//!    not apply;
//! 2. its row in [`CHECKS`]: name and function, at the place in the walk where it is made;
//! 3. its row in README.md, under “What doctor looks at”: a test holds that table against this one.

pub mod answer;
pub mod cache;
pub mod config;
pub mod connection;
pub mod context;
pub mod daemon;
pub mod disk;
pub mod finding;
pub mod firewall;
pub mod journal;
pub mod names;
pub mod network_path;
pub mod nginx;
pub mod operations;
pub mod reach;
pub mod report;
pub mod service;
pub mod system;
pub mod systemd;
pub mod time;

use std::path::Path;

use crate::config::file;
use crate::daemon as running;
use crate::doctor::context::Context;
use crate::doctor::finding::{Finding, Verdict};
use crate::doctor::report::Line;
use crate::doctor::system::{Machine, System};
use crate::license::state::HostIdentity;
use opterius_daemon::EXIT_FAILURE;
use opterius_daemon::output::say;

/// Looks at one thing. None where it does not apply, or lies behind a step that failed.
pub type Check = fn(&Context<'_>) -> Option<Finding>;

/// All checks by their names, in the order in which they are made: what must be there first, then the way to the license
/// server, then what the machine gives.
pub const CHECKS: &[(&str, Check)] = &[
    ("configuration", config::lines),
    ("permissions", config::permissions),
    ("secret", config::secret),
    ("unknown keys", config::keys),
    ("license key", config::license_key),
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
    ("nginx", nginx::descriptors),
    ("renewals", operations::renewals),
    ("address", answer::address),
    ("hosts file", names::hosts_file),
    ("name", names::resolution),
    ("firewall", firewall::check),
    ("connection", connection::tcp),
    ("TLS", connection::tls),
    ("license server", answer::verdict),
    ("clock", answer::clock),
    ("time sync", time::synchronized),
    ("syslog", journal::socket),
    ("journal", journal::line),
    ("disk space", disk::bytes),
    ("inodes", disk::inodes),
];

/// Looks at everything and prints what was found; returns the exit code.
pub fn run(config: &Path, json: bool) -> u8 {
    let machine = Machine::new();
    let lines = examine(&machine.system(config), &running::host());
    say(&if json { report::json(&lines) } else { report::text(&lines) });
    if lines.iter().any(|line| line.finding.verdict == Verdict::Fail) { EXIT_FAILURE } else { 0 }
}

/// Every check that applies.
pub fn examine(system: &System<'_>, identity: &HostIdentity) -> Vec<Line> {
    let loaded = file::check(&system.config);
    let context = Context::new(system, &loaded, identity);
    let made = CHECKS.iter().map(|(check, look)| Some(Line { check, finding: look(&context)? }));
    made.flatten().collect()
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
