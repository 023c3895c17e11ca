//! Rolling back: undoes the steps of a failed or interrupted transaction, and nothing else. What an administrator or a tenant
//! has put in the place of something that was made stays.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use log::{error, warn};

use crate::servers::nginx;
use crate::servers::php::{masters, shared, units};
use crate::transaction::content::Content;
use crate::transaction::journal::{Journal, UndoStep};
use crate::transaction::making;
use crate::tree;
use crate::users::user;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;

/// Time limit for a rollback, regardless of the operation's deadline.
pub(super) const ROLLBACK_TIME: Duration = Duration::from_secs(30);

/// Undoes steps in reverse order: first files, then reloads the servers, and users last, because a server whose
/// configuration names a deleted user would not start.
///
/// # Errors
/// A step cannot be undone now. The journal is kept, and the next transaction tries again.
pub(super) fn undo(host: &Host, steps: &[UndoStep], journal: &mut Journal) -> Result<(), Problem> {
    let deadline = Deadline::within(ROLLBACK_TIME);
    for step in steps.iter().rev() {
        if let UndoStep::File { path, before, after, temporary } = step {
            undo_file(path, before, after.as_deref(), temporary.as_deref())?;
        }
    }
    let touched = |directory: &str| {
        let directory = host.path(directory);
        steps.iter().any(|step| matches!(step, UndoStep::File { path, .. } if path.starts_with(&directory)))
    };
    if touched("/etc/php") {
        shared::load_all(host, deadline);
    }
    let files = steps.iter().filter_map(|step| match step {
        UndoStep::File { path, .. } => Some(&**path),
        _ => None,
    });
    for (username, version) in masters::touched(host, files) {
        masters::follow_files(host, &username, &version, deadline);
    }
    if touched("/etc/nginx") {
        // Without a test: nginx ignores an invalid configuration on reload, and a test that hung before would hang again.
        nginx::reload(host);
    }
    for (number, step) in steps.iter().enumerate().rev() {
        match step {
            UndoStep::User { username, uid: Some(uid) } => undo_user(host, username, *uid, steps, journal, deadline)?,
            UndoStep::User { username, uid: None } => user::remove(host, username, deadline)?,
            UndoStep::Temporary { path } => remove_directory(path, deadline),
            UndoStep::Made { path, identity } if identity.is_at(path) => remove_directory(path, deadline),
            UndoStep::Directory { path } if is_directory_of_earlier_version(host, path, steps.get(..number)) => {
                remove_directory(path, deadline);
            }
            UndoStep::Directory { .. } | UndoStep::Made { .. } | UndoStep::UserMade { .. } | UndoStep::File { .. } => {}
        }
    }
    journal.delete().map_err(|error| Problem::at(journal.path(), error))?;
    units::prune(host);
    Ok(())
}

/// Restores a file, if it still has what the transaction wrote.
fn undo_file(path: &Path, before: &Content, after: Option<&str>, temporary: Option<&Path>) -> Result<(), Problem> {
    let failed = |error| Problem::at(path, error);
    if let Some(temporary) = temporary {
        making::remove_file(temporary).map_err(failed)?;
    }
    let Some(after) = after else { return before.restore(path, temporary).map_err(failed) };
    let found = Content::of(path).and_then(|found| found.digest());
    let is_ours = found.as_ref().is_ok_and(|found| found == after);
    if is_ours {
        return before.restore(path, temporary).map_err(failed);
    }
    if found.ok() != before.digest().ok() {
        warn!("{} was changed since the Agent wrote it, and is not rolled back", path.display());
    }
    Ok(())
}

/// Removes the user that the transaction created. It is recognized by its uid and our mark, both in its line of passwd(5);
/// once `userdel` has begun, by the journal.
fn undo_user(
    host: &Host,
    username: &Username,
    uid: u32,
    steps: &[UndoStep],
    journal: &mut Journal,
    deadline: Deadline,
) -> Result<(), Problem> {
    let is_known =
        steps.iter().any(|step| matches!(step, UndoStep::UserMade { username: name, .. } if name == username));
    match user::is_created_here(host, username, uid)? {
        Some(true) if !is_known => {
            let made = UndoStep::UserMade { username: username.clone(), uid };
            journal.add(&made).map_err(|error| Problem::at(journal.path(), error))?;
        }
        Some(true) => {}
        None if is_known => {}
        None => return Ok(()),
        Some(false) => {
            warn!("The user {username} was not created by the interrupted operation, and is not deleted");
            return Ok(());
        }
    }
    user::remove(host, username, deadline)
}

/// Deletes a directory. What cannot be deleted now, such as a mount, must not block all later operations.
fn remove_directory(path: &Path, deadline: Deadline) {
    if let Err(problem) = tree::remove(path, deadline) {
        error!("{} of a failed operation is left behind: {}", path.display(), problem.message());
    }
}

/// Whether a directory in a journal of an earlier version was made by its transaction: those versions recorded it before,
/// and did not say which it was. It is never a link, and never a directory that existed before there were accounts.
fn is_directory_of_earlier_version(host: &Host, path: &Path, earlier: Option<&[UndoStep]>) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else { return false };
    if !found.is_dir() {
        return false;
    }
    if path.parent() == Some(&host.path(layout::LOGS)) {
        return true;
    }
    // A home, or one that was not yet complete, of a user whom the same transaction created.
    let new_user = earlier.into_iter().flatten().find_map(|step| match step {
        UndoStep::User { username, .. } => Some(username),
        _ => None,
    });
    new_user.is_some_and(|username| {
        let home = host.home(username.as_str());
        let incomplete = home.with_file_name(format!(".opterius-new-{username}"));
        let owner = user::uid_of(host, username).unwrap_or_default();
        path == incomplete || (path == home && owner == Some(found.uid()))
    })
}
