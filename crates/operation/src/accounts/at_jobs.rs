//! The jobs that an account has scheduled with at(1): files that belong to its user.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use opterius_host::host::Host;
use opterius_host::layout::DISABLED_AT_JOBS;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;

/// The directories of jobs and of their output: of Debian, Red Hat and SUSE.
const DIRECTORIES: [&str; 5] =
    ["/var/spool/cron/atjobs", "/var/spool/cron/atspool", "/var/spool/at", "/var/spool/at/spool", "/var/spool/atjobs"];

/// The files of a user in a directory.
fn files_of(directory: &Path, uid: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_own = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|found| found.uid() == uid && !found.is_dir());
    entries.map(|entry| entry.path()).filter(is_own).collect()
}

fn directories(host: &Host) -> impl Iterator<Item = (usize, PathBuf)> {
    DIRECTORIES.iter().map(|directory| host.path(directory)).enumerate()
}

/// The directory to which the jobs of a suspended account are moved: one subdirectory for each of [`DIRECTORIES`].
fn disabled(host: &Host, username: &Username) -> PathBuf {
    host.path(DISABLED_AT_JOBS).join(username.as_str())
}

/// Moves the jobs to another directory, so that atd does not run them.
///
/// # Errors
/// A job cannot be moved.
pub fn disable(host: &Host, username: &Username, uid: u32) -> Result<(), Problem> {
    for (number, directory) in directories(host) {
        let aside = disabled(host, username).join(number.to_string());
        for job in files_of(&directory, uid) {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&aside);
            let moved = made.and_then(|()| rename_if_exists(&job, &aside.join(job.file_name().unwrap_or_default())));
            moved.map_err(|error| Problem::at(&job, error))?;
        }
    }
    Ok(())
}

/// Moves the jobs back. atd runs those whose time has passed.
///
/// # Errors
/// A job cannot be moved.
pub fn restore(host: &Host, username: &Username, uid: u32) -> Result<(), Problem> {
    for (number, directory) in directories(host) {
        for job in files_of(&disabled(host, username).join(number.to_string()), uid) {
            rename_if_exists(&job, &directory.join(job.file_name().unwrap_or_default()))
                .map_err(|error| Problem::at(&job, error))?;
        }
    }
    forget_disabled(host, username)
}

/// Deletes all jobs of an account, disabled or not.
///
/// # Errors
/// A job cannot be deleted.
pub fn forget(host: &Host, username: &Username, uid: u32) -> Result<(), Problem> {
    for job in directories(host).flat_map(|(_, directory)| files_of(&directory, uid)) {
        match fs::remove_file(&job) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Problem::at(&job, error)),
            _ => {}
        }
    }
    forget_disabled(host, username)
}

fn forget_disabled(host: &Host, username: &Username) -> Result<(), Problem> {
    let disabled = disabled(host, username);
    match fs::remove_dir_all(&disabled) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Problem::at(&disabled, error)),
        _ => Ok(()),
    }
}

fn rename_if_exists(from: &Path, to: &Path) -> std::io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, user};

    #[test]
    fn jobs_are_moved_aside_and_back_and_those_of_others_stay() {
        let tree = Tree::new();
        let own = rustix::process::geteuid().as_raw();
        let job = tree.write("/var/spool/cron/atjobs/a0000101c6d2f3", "true\n");
        let running = tree.write("/var/spool/at/=0000201c6d2f3", "true\n");
        disable(&tree.host, &user("alice"), own.wrapping_add(1)).unwrap();
        assert!(job.exists() && running.exists());
        for _ in 0..2 {
            disable(&tree.host, &user("alice"), own).unwrap();
            assert!(!job.exists() && !running.exists());
        }
        for _ in 0..2 {
            restore(&tree.host, &user("alice"), own).unwrap();
            assert!(job.exists() && running.exists());
        }
        disable(&tree.host, &user("alice"), own).unwrap();
        forget(&tree.host, &user("alice"), own).unwrap();
        restore(&tree.host, &user("alice"), own).unwrap();
        assert!(!job.exists() && !running.exists());
    }
}
