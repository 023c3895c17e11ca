//! The homes of deleted accounts. A home is first renamed, so that the account is gone immediately, and then deleted in its
//! own time: what an account left there never fails the operation of another.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::warn;

use crate::tree;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;

/// Name prefix of a deleted account's home until all files are gone.
const DELETED: &str = ".opterius-deleted-";

/// Time limit for the homes that earlier deletions left, all together.
const OTHERS_TIME: Duration = Duration::from_secs(5);

/// Time limit for each of them, so that one which cannot be deleted does not use up the others' time.
const OTHER_TIME: Duration = Duration::from_secs(2);

/// Renames the home, and returns where it is now. A mount point stays where it is.
///
/// # Errors
/// It cannot be renamed.
pub fn move_aside(host: &Host, username: &Username) -> Result<PathBuf, Problem> {
    let home = host.home(username.as_str());
    let aside = |number: u32| host.path("/home").join(format!("{DELETED}{number}"));
    let free = (0..u32::MAX).map(aside).find(|path| fs::symlink_metadata(path).is_err());
    let aside = free.unwrap_or_else(|| aside(u32::MAX));
    match fs::rename(&home, &aside) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(aside),
        // A mount point, or an immutable directory.
        Err(error) if matches!(error.kind(), ErrorKind::ResourceBusy | ErrorKind::PermissionDenied) => Ok(home),
        renamed => renamed.map(|()| aside).map_err(|error| Problem::at(&home, error)),
    }
}

/// Deletes the home of the account that this operation deletes. Returns a warning if part of it stays.
pub fn remove(path: &Path, deadline: Deadline) -> Option<String> {
    tree::remove(path, deadline).err().map(|problem| problem.message())
}

/// Continues the deletion of homes that earlier operations left, except for `own`. What cannot be deleted is logged.
pub fn sweep(host: &Host, own: Option<&PathBuf>) {
    let deadline = Deadline::within(OTHERS_TIME);
    let entries = fs::read_dir(host.path("/home")).into_iter().flatten().flatten();
    let deleted = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DELETED));
    for home in entries.map(|entry| entry.path()).filter(|path| deleted(path) && Some(path) != own) {
        if let Some(sentence) = remove(&home, deadline.sooner(OTHER_TIME)) {
            warn!("An account was deleted, but not all of its files. {sentence}");
        }
    }
}
