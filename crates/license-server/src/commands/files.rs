//! Whether one user can use all of an installation, and nobody else can see or change it.

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

pub(super) fn files(directory: &Path, data_dir: &DataDir) -> Vec<Finding> {
    let shown = directory.display();
    let found = match directory.metadata() {
        Ok(found) if found.is_dir() => found,
        Ok(_) => return vec![wrong(format!("{shown}: is no directory"))],
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return vec![wrong(format!(
                "{shown}: there is no such directory. Make it with: install -d -m 0700 {shown}"
            ))];
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return vec![unseen(directory)],
        Err(error) => return vec![wrong(format!("{shown}: {}", cause(&error)))],
    };
    let mut findings: Vec<Finding> = open_to_others(directory, &found, 0o700).into_iter().collect();
    let mut is_foreign_told = false;
    for path in paths(data_dir) {
        match fs::symlink_metadata(&path) {
            Ok(metadata) => {
                findings.extend(open_to_others(&path, &metadata, 0o600));
                // One command is the remedy for all of them.
                if metadata.uid() != found.uid() && !is_foreign_told {
                    is_foreign_told = true;
                    findings.push(foreign(&path, &metadata, directory, &found));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                findings.push(unseen(directory));
                break;
            }
            Err(error) => findings.push(wrong(format!("{}: {}", path.display(), cause(&error)))),
        }
    }
    if findings.is_empty() {
        let owner = operator::user(found.uid());
        findings.push(passed("files", format!("{shown}: all of user {owner}, closed to others")));
    }
    findings
}

fn wrong(sentence: String) -> Finding {
    failed("files", Failure::refused(sentence))
}

fn unseen(directory: &Path) -> Finding {
    let (shown, own) = (directory.display(), operator::user(geteuid().as_raw()));
    let sentence =
        format!("{shown}: what is in it cannot be seen by this user ({own}). Run as root, or as the user who owns it");
    failed("files", Failure::permission(sentence))
}

fn open_to_others(path: &Path, found: &Metadata, mode: u32) -> Option<Finding> {
    let is = found.permissions().mode() & 0o7777;
    // A link has no mode of its own.
    if found.is_symlink() || is & 0o077 == 0 {
        return None;
    }
    let shown = path.display();
    Some(wrong(format!("{shown}: is open to other users (mode {is:04o}). Run: chmod {mode:04o} {shown}")))
}

fn foreign(path: &Path, file: &Metadata, directory: &Path, found: &Metadata) -> Finding {
    let (shown, owner, group) = (directory.display(), operator::user(found.uid()), operator::group(found.gid()));
    wrong(format!(
        "{}: belongs to user {}, and {shown} to user {owner}: serve can use only what is its own. Run: chown -R \
         {owner}:{group} {shown}",
        path.display(),
        operator::user(file.uid()),
    ))
}

/// The files of an installation, of which some may not be there.
fn paths(data_dir: &DataDir) -> [PathBuf; 5] {
    let beside = |suffix: &str| {
        let mut path: OsString = data_dir.database_path().into_os_string();
        path.push(suffix);
        PathBuf::from(path)
    };
    [data_dir.database_path(), beside("-wal"), beside("-shm"), data_dir.keys_path(), data_dir.lock_path()]
}
