//! What both processes, `serve` and `deliver`, do before they open the installation.

use std::path::Path;

use log::warn;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::PROGRAM;
use crate::commands::remedies;
use crate::config::{self, Config, Loaded};
use crate::installation_error::InstallationError;
use opterius_daemon::log::{Logger, SYSLOG_SOCKET};
use opterius_daemon::output::complain;
use opterius_daemon::supervisor::report_panics;

/// Loads the configuration and starts the log.
///
/// # Errors
/// The exit code for an invalid configuration; stderr says why.
pub(crate) fn prepare(path: &Path) -> Result<Config, u8> {
    let Loaded { config, warnings } = config::load(path).map_err(|error| {
        complain(PROGRAM.name, &error.to_string());
        error.exit_code()
    })?;
    keep_memory_private();
    Logger::new(PROGRAM.name, config.log, Path::new(SYSLOG_SOCKET)).install();
    report_panics(PROGRAM);
    for warning in warnings {
        warn!("{warning}");
    }
    Ok(config)
}

/// Says why the installation cannot be used; returns the exit code.
pub(crate) fn refused(path: &Path, error: &InstallationError) -> u8 {
    complain(PROGRAM.name, &remedies::for_installation(path, &error.to_string()));
    error.exit_code()
}

/// Keeps other processes of this user, such as the deliverer, from reading the memory of this one.
fn keep_memory_private() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
