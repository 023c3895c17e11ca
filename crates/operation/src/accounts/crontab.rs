//! The crontab of an account.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;

/// The path of an account's crontab.
pub fn path(host: &Host, username: &Username) -> PathBuf {
    host.path("/var/spool/cron/crontabs").join(username.as_str())
}

/// The path to which the crontab of a suspended account is moved.
pub fn path_aside(host: &Host, username: &Username) -> PathBuf {
    host.path("/var/spool/cron/opterius-suspended").join(username.as_str())
}

/// Moves the crontab aside, so that cron does not run it.
///
/// # Errors
/// It cannot be moved.
pub fn set_aside(host: &Host, username: &Username) -> Result<(), Problem> {
    let aside = path_aside(host, username);
    let directory = aside.parent().unwrap_or(&aside);
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Problem::at(directory, error)),
        _ => {}
    }
    rename_if_there(path(host, username), aside)
}

/// Moves the crontab back.
///
/// # Errors
/// It cannot be moved.
pub fn put_back(host: &Host, username: &Username) -> Result<(), Problem> {
    rename_if_there(path_aside(host, username), path(host, username))
}

fn rename_if_there(from: PathBuf, to: PathBuf) -> Result<(), Problem> {
    match fs::rename(&from, &to) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Problem::at(&from, error)),
        _ => Ok(()),
    }
}
