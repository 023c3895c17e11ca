//! The crontab of an account.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;

/// The directories of crontabs: of Debian, SUSE and Red Hat.
const DIRECTORIES: [&str; 3] = ["/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron"];

/// The paths at which cron reads an account's crontab.
pub fn paths(host: &Host, username: &Username) -> Vec<PathBuf> {
    let paths = DIRECTORIES.iter().map(|directory| host.path(directory).join(username.as_str()));
    // Below the last one there are also directories.
    paths.filter(|path| fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir())).collect()
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
    for path in paths(host, username) {
        let directory = disabled.parent().unwrap_or(&disabled);
        match fs::DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Problem::at(directory, error)),
            _ => fs::rename(&path, &disabled).map_err(|error| Problem::at(&path, error))?,
        }
    }
    Ok(())
}

/// Moves the crontab back.
///
/// # Errors
/// It cannot be moved.
pub fn restore(host: &Host, username: &Username) -> Result<(), Problem> {
    let disabled = disabled_path(host, username);
    let directory = DIRECTORIES.iter().map(|directory| host.path(directory)).find(|directory| directory.is_dir());
    let Some(directory) = directory else { return Ok(()) };
    match fs::rename(&disabled, directory.join(username.as_str())) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Problem::at(&disabled, error)),
        _ => Ok(()),
    }
}
