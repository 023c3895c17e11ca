//! `operation`: the helper's tasks, under the name by which operators, and certbot's hooks of earlier versions, call them.
//! The helper is a program of its own; this one becomes it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::cli::command_line::Task;
use crate::program::complain;
use opterius_daemon::EXIT_FAILURE;
use opterius_host::helper::client;

/// Becomes the helper; returns the exit code where that is not possible.
pub fn run(config: &Path, task: Task) -> u8 {
    let program = client::program();
    let error = Command::new(&program).arg("--config").arg(config).args(task.word()).exec();
    complain(&format!("{}: {error}. Install the package opterius-agent again", program.display()));
    EXIT_FAILURE
}
