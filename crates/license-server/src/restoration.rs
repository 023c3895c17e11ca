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
use crate::installation::{DataDir, SIGNING_KEYS, Stage};
use crate::installation_error::InstallationError;
use crate::keys::SigningKeys;
use crate::model::{Action, Actor, Event};
use crate::store::{self, Database, ReadTransaction, ReplacedDatabase, WriteTransaction};
use crate::totp;
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
    /// Whether the replaced database could not be read: its numbers, and what was used up in it, are not known.
    pub has_gap: bool,
    /// Recovery codes of the backup that became void, because they were used since or may have been.
    pub void_codes: u32,
    /// Deliveries to webhooks that waited in the backup and are not made, because they may have been made since.
    pub withheld_deliveries: u32,
    /// What the history of the replaced database says about users, tokens and webhooks since the backup, newest first.
    pub undone: Vec<Event>,
}

/// The most entries of [`Restored::undone`].
const MAX_UNDONE: usize = 20;

/// Replaces the database with a backup. Ends all sessions and links, keeps what was used up since the backup used up (codes of
/// second factors, deliveries to webhooks), lets the numbers of users, licenses and history entries go on above the highest of
/// both, and lets the server decide nothing about unknown keys for `undecided`: they may have been issued after the backup.
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
    let (path, kept) = (data_dir.database_file()?.to_owned(), data_dir.restore_path(Stage::Replaced));
    let _locks = data_dir.locks().lock_replacement()?;
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
    let path = [data_dir.database_file()?.to_owned(), data_dir.restore_path(Stage::Replaced)]
        .into_iter()
        .find(|path| path.exists());
    let replaced = path.as_ref().and_then(|path| ReplacedDatabase::open(path).ok());
    let replaced = replaced.as_ref().map(ReplacedDatabase::read);
    let kept = path.map(|_| data_dir.restore_path(Stage::Replaced));
    // The keys may have been changed since the backup.
    let keys = SigningKeys::load(&data_dir.keys_path()).ok().map(|keys| keys.public_keys());
    let mut database = Database::open_file(copy)?;
    let restored = database.change(now, |transaction| {
        let restored = carry_over(transaction, replaced.as_ref(), kept)?;
        transaction.set_unknown_keys_undecided_until(now.plus(undecided))?;
        let of = restored.backup_at.map_or_else(String::new, |at| format!(" of {at}"));
        if let Some(keys) = &keys {
            transaction.put_setting(SIGNING_KEYS, keys)?;
        }
        transaction.add_event(None, actor, Action::Restored, &format!("from a backup{of}"))?;
        Ok::<_, store::Error>(restored)
    })?;
    // Closing checkpoints the log into the file.
    drop(database);
    File::open(copy).and_then(|file| file.sync_all()).map_err(|error| failed(copy, &error))?;
    Ok(restored)
}

/// Keeps given out what was given out, ended what was ended, and used what was used, since the backup.
fn carry_over(
    transaction: &WriteTransaction<'_>,
    replaced: Option<&ReadTransaction<'_>>,
    kept: Option<PathBuf>,
) -> Result<Restored, store::Error> {
    let latest = transaction.history(None, None, 1)?.pop();
    let highest = replaced.and_then(|replaced| replaced.highest_numbers().ok());
    let own = transaction.highest_numbers()?;
    let gap: BTreeMap<_, _> = own.iter().map(|(table, number)| (table.clone(), number.saturating_add(GAP))).collect();
    for (table, number) in highest.as_ref().unwrap_or(&gap) {
        transaction.continue_numbers_after(table, *number)?;
    }
    transaction.end_all_sessions()?;
    if let Some(replaced) = replaced {
        transaction.keep_expiry_notices(replaced)?;
    }
    transaction.use_all_steps_up_to(totp::last_step(transaction.now()))?;
    let since = latest.as_ref().map_or(0, |event| event.id);
    Ok(Restored {
        backup_at: latest.map(|event| event.at),
        licenses: transaction.count_licenses()?,
        kept,
        has_gap: highest.is_none(),
        void_codes: transaction.use_up_recovery_codes(replaced)?,
        withheld_deliveries: transaction.end_deliveries(replaced)?,
        undone: replaced.and_then(|replaced| undone(replaced, since).ok()).unwrap_or_default(),
    })
}

/// The latest entries after `since` that are about who can sign in or call.
fn undone(replaced: &ReadTransaction<'_>, since: i64) -> Result<Vec<Event>, store::Error> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = replaced.history(None, before, 500)?;
        before = page.last().map(|event| event.id);
        let is_end = page.last().is_none_or(|event| event.id <= since);
        let is_wanted = |event: &Event| event.id > since && is_about_access(event.action);
        found.extend(page.into_iter().filter(is_wanted));
        if is_end || found.len() >= MAX_UNDONE {
            found.truncate(MAX_UNDONE);
            return Ok(found);
        }
    }
}

/// Whether an action is about who can sign in, call the API or receive events.
fn is_about_access(action: Action) -> bool {
    matches!(
        action,
        Action::UserAdded
            | Action::UserChanged
            | Action::UserDisabled
            | Action::UserEnabled
            | Action::UserDeleted
            | Action::PasswordChanged
            | Action::SecondFactorAdded
            | Action::SecondFactorRemoved
            | Action::RecoveryCodesMade
            | Action::TokenAdded
            | Action::TokenRevoked
            | Action::WebhookAdded
            | Action::WebhookRemoved
            | Action::WebhookRotated
            | Action::KeysChanged
    )
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
