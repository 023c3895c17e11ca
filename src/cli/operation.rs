//! `operation`: runs the helper's tasks by replacing this process with the helper, a separate program. Operators, and the
//! certbot hooks of earlier versions, call the helper by this name.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::cli::command_line::Task;
use crate::program::complain;
use opterius_daemon::EXIT_FAILURE;
use opterius_host::helper::client;

/// Replaces this process with the helper; returns an exit code only if that fails.
pub fn run(config: &Path, task: Task) -> u8 {
    let program = client::program();
    let error = Command::new(&program).arg("--config").arg(config).args(task.word()).exec();
    complain(&format!("cannot run the helper {}: {error}. Reinstall the package opterius-agent", program.display()));
    EXIT_FAILURE
}
