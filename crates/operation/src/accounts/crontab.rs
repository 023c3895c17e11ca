//! The crontab of an account.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;

/// The path of an account's crontab.
pub fn path(host: &Host, username: &Username) -> PathBuf {
    host.path("/var/spool/cron/crontabs").join(username.as_str())
}

/// The path to which the crontab of a suspended account is moved.
pub fn disabled_path(host: &Host, username: &Username) -> PathBuf {
    host.path(layout::DISABLED_CRONTABS).join(username.as_str())
}

/// Moves the crontab to another directory, so that cron does not run it.
///
/// # Errors
/// It cannot be moved.
pub fn disable(host: &Host, username: &Username) -> Result<(), Problem> {
    let disabled = disabled_path(host, username);
    let directory = disabled.parent().unwrap_or(&disabled);
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Problem::at(directory, error)),
        _ => {}
    }
    rename_if_exists(path(host, username), disabled)
}

/// Moves the crontab back.
///
/// # Errors
/// It cannot be moved.
pub fn restore(host: &Host, username: &Username) -> Result<(), Problem> {
    rename_if_exists(disabled_path(host, username), path(host, username))
}

fn rename_if_exists(from: PathBuf, to: PathBuf) -> Result<(), Problem> {
    match fs::rename(&from, &to) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Problem::at(&from, error)),
        _ => Ok(()),
    }
}
