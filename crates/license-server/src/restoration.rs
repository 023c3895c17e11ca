//! Replacing the database with a backup.
//!
//! Nothing is replaced until a checked copy of the backup is complete. From then on, the file [`Stage::Ready`] says that the
//! replacement has begun: while it exists, nothing opens the database, whose log may be gone already. A repeated restore
//! starts again from the backup.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cause::cause;
use crate::installation::{DataDir, Stage};
use crate::installation_error::InstallationError;
use crate::model::{Action, Actor};
use crate::store::{self, Database};
use opterius_base::clock::Timestamp;

/// How far the numbers are raised if those of the replaced database cannot be read.
const GAP: i64 = 1_000_000;

/// A finished restore.
pub struct Restored {
    /// The time of the backup's latest history entry.
    pub backup_at: Option<Timestamp>,
    /// The licenses in the backup.
    pub licenses: u32,
    /// The replaced database, if there was one.
    pub kept: Option<PathBuf>,
    /// Whether the numbers of the replaced database could not be read.
    pub has_gap: bool,
}

/// Replaces the database with a backup. Ends all sessions, lets the numbers of users, licenses and history entries go on
/// above the highest of both, and lets the server decide nothing about unknown keys for `undecided`: they may have been
/// issued after the backup.
///
/// # Errors
/// The backup is unusable or of another installation, the server or a command uses the database, or a file cannot be
/// written.
pub fn restore(
    data_dir: &DataDir,
    backup: &Path,
    actor: &Actor,
    undecided: Duration,
    now: Timestamp,
) -> Result<Restored, InstallationError> {
    let _locks = data_dir.locks().lock_replacement()?;
    let (path, kept) = (data_dir.database_path(), data_dir.restore_path(Stage::Replaced));
    let (unfinished, ready) = (data_dir.restore_path(Stage::Unfinished), data_dir.restore_path(Stage::Ready));
    if ready.symlink_metadata().is_ok() {
        // An earlier restore was interrupted here.
        move_aside(&path, &kept)?;
    }
    remove_with_log(&unfinished)?;
    let restored = prepare(data_dir, backup, &unfinished, actor, undecided, now).inspect_err(|_| {
        // What was written before the failure, such as a full disk.
        let _ = remove_with_log(&unfinished);
    })?;
    if path.exists() {
        remove_with_log(&kept)?;
    }
    rename(&unfinished, &ready)?;
    move_aside(&path, &kept)?;
    rename(&ready, &path)?;
    Ok(restored)
}

/// Makes the checked copy.
fn prepare(
    data_dir: &DataDir,
    backup: &Path,
    copy: &Path,
    actor: &Actor,
    undecided: Duration,
    now: Timestamp,
) -> Result<Restored, InstallationError> {
    store::copy_backup(backup, copy).map_err(|error| unusable(backup, error))?;
    data_dir.check_backup_belongs(copy, backup)?;
    let replaced =
        [data_dir.database_path(), data_dir.restore_path(Stage::Replaced)].into_iter().find(|path| path.exists());
    let highest = replaced.as_ref().and_then(|path| store::highest_numbers(path).ok());
    let mut database = Database::open(copy)?;
    let restored = database.change(now, |transaction| {
        let latest = transaction.history(None, None, 1)?.first().map(|event| event.at);
        let own = transaction.highest_numbers()?;
        let gap: BTreeMap<_, _> =
            own.iter().map(|(table, number)| (table.clone(), number.saturating_add(GAP))).collect();
        for (table, number) in highest.as_ref().unwrap_or(&gap) {
            transaction.continue_numbers_after(table, *number)?;
        }
        transaction.end_all_sessions()?;
        transaction.set_unknown_keys_undecided_until(now.plus(undecided))?;
        let of = latest.map_or_else(String::new, |at| format!(" of {at}"));
        transaction.add_event(None, actor, Action::Restored, &format!("from a backup{of}"))?;
        Ok::<_, store::Error>(Restored {
            backup_at: latest,
            licenses: transaction.count_licenses()?,
            has_gap: highest.is_none(),
            kept: replaced.map(|_| data_dir.restore_path(Stage::Replaced)),
        })
    })?;
    // Closing checkpoints the log into the file.
    drop(database);
    File::open(copy).and_then(|file| file.sync_all()).map_err(|error| failed(copy, &error))?;
    Ok(restored)
}

/// The error of a backup: the store's own errors advise what to do with a database.
fn unusable(backup: &Path, error: store::Error) -> InstallationError {
    let cause = match error {
        store::Error::Missing(_) => "no such file".to_owned(),
        store::Error::Unusable(_, cause) | store::Error::Failed(cause) => format!("the backup is unusable: {cause}"),
        store::Error::ForeignLog(_) => "the log beside the backup belongs to another database".to_owned(),
        error => return error.into(),
    };
    InstallationError::Unusable(format!("{}: {cause}. Nothing was changed", backup.display()))
}

/// Moves the database and its log to another name, under which they belong together as before. What is not there is not
/// moved, so it can be repeated.
fn move_aside(path: &Path, kept: &Path) -> Result<(), InstallationError> {
    for suffix in ["-wal", ""] {
        let from = beside(path, suffix);
        if from.symlink_metadata().is_ok() {
            rename(&from, &beside(kept, suffix))?;
        }
    }
    remove(&beside(path, "-shm"))
}

fn remove_with_log(path: &Path) -> Result<(), InstallationError> {
    ["-wal", "-shm", ""].iter().try_for_each(|suffix| remove(&beside(path, suffix)))
}

fn remove(path: &Path) -> Result<(), InstallationError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, &error)),
        _ => Ok(()),
    }
}

/// Renames a file so that the new name survives a power failure.
fn rename(from: &Path, to: &Path) -> Result<(), InstallationError> {
    let synced = |()| to.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all());
    fs::rename(from, to).and_then(synced).map_err(|error| failed(to, &error))
}

fn failed(path: &Path, error: &io::Error) -> InstallationError {
    InstallationError::Refused(format!("{}: {}. Repeat the restore", path.display(), cause(error)))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}
