//! The crontab of an account.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

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

/// The path at which cron reads an account's crontab, or would; none without cron.
pub fn path(host: &Host, username: &Username) -> Option<PathBuf> {
    let existing = paths(host, username).into_iter().next();
    existing.or_else(|| directory(host).map(|directory| directory.join(username.as_str())))
}

fn directory(host: &Host) -> Option<PathBuf> {
    DIRECTORIES.iter().map(|directory| host.path(directory)).find(|directory| directory.is_dir())
}

/// When something was changed last, in the unit that cron compares: whole seconds. None if it does not exist.
pub fn modified(path: &Path) -> Option<i64> {
    fs::symlink_metadata(path).ok().map(|found| found.mtime())
}

/// Makes cron notice a change of a crontab, or of the directory of crontabs: once a minute, cron looks for a time of change other
/// than the one that it has seen, so it would miss a change in the second in which it has looked. `before` is the time before the
/// change.
///
/// # Errors
/// The time cannot be set.
pub fn make_noticed(path: &Path, before: Option<i64>) -> io::Result<()> {
    let (Some(before), Some(now)) = (before, modified(path)) else { return Ok(()) };
    if now > before {
        return Ok(());
    }
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: time(0, UTIME_OMIT), last_modification: time(before.saturating_add(1), 0) };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Moves a crontab into or out of a directory that cron reads.
fn rename(from: &Path, to: &Path, spool: Option<&Path>) -> io::Result<()> {
    let before = spool.and_then(modified);
    fs::rename(from, to)?;
    spool.map_or(Ok(()), |spool| make_noticed(spool, before))
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
            _ => rename(&path, &disabled, path.parent()).map_err(|error| Problem::at(&path, error))?,
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
    let Some(directory) = directory(host) else { return Ok(()) };
    match rename(&disabled, &directory.join(username.as_str()), Some(&directory)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Problem::at(&disabled, error)),
        _ => {
            remove_unused_directory(host);
            Ok(())
        }
    }
}

/// Deletes the crontab, wherever it is.
///
/// # Errors
/// It cannot be deleted.
pub fn forget(host: &Host, username: &Username) -> Result<(), Problem> {
    for path in paths(host, username).into_iter().chain([disabled_path(host, username)]) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Problem::at(&path, error)),
            _ => {}
        }
    }
    remove_unused_directory(host);
    Ok(())
}

/// Removes the directory of disabled crontabs if there are none.
fn remove_unused_directory(host: &Host) {
    let _ = fs::remove_dir(host.path(layout::DISABLED_CRONTABS));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    #[test]
    fn changes_within_one_second_have_different_times() {
        let tree = Tree::new();
        let path = tree.write("/crontab", "");
        let mut seen = vec![modified(&path).unwrap()];
        for text in ["1", "2", "3"] {
            let before = modified(&path);
            fs::write(&path, text).unwrap();
            make_noticed(&path, before).unwrap();
            seen.push(modified(&path).unwrap());
        }
        assert!(seen.is_sorted_by(|one, other| one < other), "{seen:?}");
        make_noticed(&tree.host.path("/missing"), Some(1)).unwrap();
        make_noticed(&path, None).unwrap();
        assert_eq!(modified(&path), seen.last().copied());
    }
}
