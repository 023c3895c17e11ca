//! Checks ownership and permissions: one user owns all files of the installation, and no other user has access.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::cause::cause;
use crate::commands::failure::Failure;
use crate::commands::finding::{Finding, failed, passed};
use crate::commands::operator;
use crate::installation::DataDir;
use crate::installation_locks::InstallationLocks;

pub(super) fn files(directory: &Path, data_dir: &DataDir) -> Vec<Finding> {
    let display = directory.display();
    let found = match directory.metadata() {
        Ok(found) if found.is_dir() => found,
        Ok(_) => return vec![wrong(format!("{display}: not a directory"))],
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return vec![wrong(format!("{display}: no such directory. Create it with: install -d -m 0700 {display}"))];
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return vec![unreadable(directory)],
        Err(error) => return vec![wrong(format!("{display}: {}", cause(&error)))],
    };
    let mut findings: Vec<Finding> = exposed(directory, &found, 0o700).into_iter().collect();
    let mut has_reported_owner = false;
    for path in paths(data_dir) {
        match fs::symlink_metadata(&path) {
            Ok(metadata) => {
                findings.extend(exposed(&path, &metadata, 0o600));
                // One finding is enough: its chown command fixes all files.
                if metadata.uid() != found.uid() && !has_reported_owner {
                    has_reported_owner = true;
                    findings.push(wrong_owner(&path, &metadata, directory, &found));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                findings.push(unreadable(directory));
                break;
            }
            Err(error) => findings.push(wrong(format!("{}: {}", path.display(), cause(&error)))),
        }
    }
    if findings.is_empty() {
        let owner = operator::user(found.uid());
        findings
            .push(passed("files", format!("{display}: all files belong to user {owner}; no access for other users")));
    }
    findings
}

fn wrong(sentence: String) -> Finding {
    failed("files", Failure::refused(sentence))
}

fn unreadable(directory: &Path) -> Finding {
    let (display, own) = (directory.display(), operator::user(geteuid().as_raw()));
    let sentence =
        format!("{display}: this user ({own}) cannot read the directory. Run as root or as the user who owns it");
    failed("files", Failure::permission(sentence))
}

fn exposed(path: &Path, found: &Metadata, mode: u32) -> Option<Finding> {
    let is = found.permissions().mode() & 0o7777;
    // A symbolic link has no permissions.
    if found.is_symlink() || is & 0o077 == 0 {
        return None;
    }
    let display = path.display();
    Some(wrong(format!("{display}: other users have access (mode {is:04o}). Run: chmod {mode:04o} {display}")))
}

fn wrong_owner(path: &Path, file: &Metadata, directory: &Path, found: &Metadata) -> Finding {
    let (display, owner, group) = (directory.display(), operator::user(found.uid()), operator::group(found.gid()));
    wrong(format!(
        "{}: belongs to user {}, but {display} to user {owner}. serve can use only its own files. Run: chown -R \
         {owner}:{group} {display}",
        path.display(),
        operator::user(file.uid()),
    ))
}

/// The files of an installation; some of them may not exist.
fn paths(data_dir: &DataDir) -> Vec<PathBuf> {
    let InstallationLocks { server, deliverer, database } = data_dir.locks();
    let mut paths = vec![data_dir.keys_path(), server, deliverer, database];
    if let Some(file) = data_dir.database().file() {
        let beside = |suffix: &str| {
            let mut path = OsString::from(file);
            path.push(suffix);
            PathBuf::from(path)
        };
        paths.extend(["", "-wal", "-shm"].map(beside));
    }
    paths
}
