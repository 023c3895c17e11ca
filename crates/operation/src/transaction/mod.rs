//! Atomic changes to the host.
//!
//! Before a step takes effect, what is needed to undo it is written to a journal and flushed. A failed transaction is rolled
//! back immediately. An interrupted one (SIGKILL, power failure) leaves its journal, and the next transaction rolls it back
//! before it starts. A lock ensures that only one transaction runs at a time.
//!
//! A rollback removes only what the transaction made, by identity and not by name: a directory is made under a name that
//! nothing else has, journalled with its device and inode, and only then gets its own name.

mod content;
mod identity;
mod journal;
mod links;
pub mod lock;
mod making;
mod undo;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use log::{error, warn};

use crate::servers::nginx;
use crate::servers::php::units;
use crate::systemctl;
use crate::transaction::content::{Content, MISSING, file_digest, link_digest};
use crate::transaction::identity::Identity;
use crate::transaction::journal::{Journal, UndoStep};
use crate::transaction::lock::Lock;
use crate::transaction::undo::undo;
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;
use opterius_host::users::register::Register;

pub use crate::transaction::making::Ownership;

/// A change in progress.
pub struct Transaction<'a> {
    host: &'a Host,
    steps: Vec<UndoStep>,
    journal: Journal,
    suspects_nginx: bool,
    _lock: Lock,
}

impl<'a> Transaction<'a> {
    /// Runs `change` as a transaction: commits if it succeeds, and rolls back if it fails.
    ///
    /// # Errors
    /// The error of `change`, or the lock was not free before the deadline.
    pub fn run<T>(
        host: &'a Host,
        deadline: Deadline,
        change: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        prepare(host)?;
        let lock = lock::transaction(host, deadline)?;
        systemctl::probe(host, deadline);
        let mut journal = Journal::new(host);
        recover(host, &mut journal)?;
        let mut transaction = Self { host, steps: Vec::new(), journal, suspects_nginx: false, _lock: lock };
        match change(&mut transaction).and_then(|result| transaction.commit().map(|()| result)) {
            Ok(result) => {
                units::prune(host);
                Ok(result)
            }
            Err(problem) => {
                if let Err(cause) = undo(host, &transaction.steps, &mut transaction.journal) {
                    error!(
                        "A failed operation could not be rolled back ({}); the next operation will retry",
                        cause.message()
                    );
                }
                if transaction.suspects_nginx { Err(blame(host, problem)) } else { Err(problem) }
            }
        }
    }

    /// Sets whether nginx is about to load the change: if it does not, the files of others can be the cause.
    pub fn suspect_nginx(&mut self, suspected: bool) {
        self.suspects_nginx = suspected;
    }

    /// The host that this transaction changes.
    pub fn host(&self) -> &'a Host {
        self.host
    }

    /// Records that a user with this uid is about to be created.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn will_create_user(&mut self, username: &Username, uid: u32) -> Result<(), Problem> {
        self.record(UndoStep::User { username: username.clone(), uid: Some(uid) })
    }

    /// Records that this transaction has created the user.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn created_user(&mut self, username: &Username, uid: u32) -> Result<(), Problem> {
        self.record(UndoStep::UserMade { username: username.clone(), uid })
    }

    /// Creates a directory unless it exists. A link to a directory will do if root alone can have made it.
    ///
    /// # Errors
    /// It cannot be created, or something else is in its place.
    pub fn directory(&mut self, path: &Path, ownership: Ownership) -> Result<(), Problem> {
        if links::is_directory(self.host, path)? { Ok(()) } else { self.make_directory(path, ownership) }
    }

    /// Creates a directory, which must not exist. A rollback deletes it with its content.
    ///
    /// # Errors
    /// It cannot be created, or exists.
    pub fn make_directory(&mut self, path: &Path, ownership: Ownership) -> Result<(), Problem> {
        let failed = |error| Problem::at(path, error);
        let temporary = making::temporary_beside(path).map_err(failed)?;
        self.record(UndoStep::Temporary { path: temporary.clone() })?;
        making::directory(&temporary, ownership).map_err(failed)?;
        let identity = Identity::of(&temporary).map_err(failed)?;
        self.record(UndoStep::Made { path: path.to_owned(), identity })?;
        making::name_directory(&temporary, path).map_err(failed)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, path: &Path, bytes: &[u8], mode: FileMode) -> Result<(), Problem> {
        let temporary = self.record_file(path, file_digest(bytes))?;
        files::replace_through(path, &temporary, bytes, mode).map_err(|error| Problem::at(path, error))
    }

    /// Creates a link to `target`, replacing an existing file or link.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn link(&mut self, path: &Path, target: &Path) -> Result<(), Problem> {
        let temporary = self.record_file(path, link_digest(target))?;
        making::link(path, target, &temporary).map_err(|error| Problem::at(path, error))
    }

    /// Deletes a file or link if it exists.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub fn remove(&mut self, path: &Path) -> Result<(), Problem> {
        self.record_file(path, MISSING.to_owned())?;
        making::remove_file(path).map_err(|error| Problem::at(path, error))
    }

    /// Commits all steps so far, before following steps that cannot be rolled back.
    ///
    /// # Errors
    /// The journal cannot be deleted.
    pub fn commit(&mut self) -> Result<(), Problem> {
        self.steps.clear();
        delete_journal(&mut self.journal)
    }

    /// Records that a file or link is about to become what has this digest; returns the name to write it under first.
    fn record_file(&mut self, path: &Path, after: String) -> Result<PathBuf, Problem> {
        let failed = |error| Problem::at(path, error);
        let before = Content::of(path).map_err(failed)?;
        let temporary = making::temporary_beside(path).map_err(failed)?;
        let (path, after) = (path.to_owned(), Some(after));
        self.record(UndoStep::File { path, before, after, temporary: Some(temporary.clone()) })?;
        Ok(temporary)
    }

    fn record(&mut self, step: UndoStep) -> Result<(), Problem> {
        self.journal.add(&step).map_err(|error| Problem::at(self.journal.path(), error))?;
        self.steps.push(step);
        Ok(())
    }
}

/// Our directories, their modes, and whether the Agent's group can read them.
const DIRECTORIES: [(&str, u32, bool); 12] = [
    (layout::STATE, 0o755, false),
    (layout::PUBLISHED, 0o750, true),
    (layout::ACCOUNTS, 0o750, true),
    (layout::DATABASES, 0o700, false),
    // The web server reads challenge responses here.
    (layout::WEBROOT, 0o755, false),
    (layout::UPLOADED, 0o700, false),
    (layout::SITE_SETTINGS, 0o700, false),
    // The web server opens files here by their names.
    (layout::SITE_PASSWORDS, 0o711, false),
    (layout::PHP, 0o755, false),
    (layout::LOG_ROOT, 0o755, false),
    // Accounts can traverse this directory to their own logs, but not list it.
    (layout::LOGS, 0o711, false),
    (layout::PHP_LOGS, 0o711, false),
];

/// Creates a directory that stays whatever becomes of the transaction, unless it exists; returns whether it was missing.
///
/// # Errors
/// It cannot be created, or something else is in its place.
pub fn permanent_directory(host: &Host, path: &Path, ownership: Ownership) -> Result<bool, Problem> {
    if links::is_directory(host, path)? {
        return Ok(false);
    }
    making::directory(path, ownership).map(|()| true).map_err(|error| Problem::at(path, error))
}

/// Creates our missing directories.
fn prepare(host: &Host) -> Result<(), Problem> {
    for (path, mode, for_agent) in DIRECTORIES {
        let path = host.path(path);
        if links::is_directory(host, &path)? {
            continue;
        }
        let register = if for_agent { Register::read(host)? } else { Register::default() };
        let group = register.group(layout::AGENT_GROUP).map(|group| group.gid);
        fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(|error| Problem::at(&path, error))?;
        match making::directory(&path, Ownership { mode, owner: None, group }) {
            // Another helper may have created it meanwhile.
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Problem::at(&path, error)),
            _ => {}
        }
    }
    Ok(())
}

/// Rolls back an interrupted transaction.
fn recover(host: &Host, journal: &mut Journal) -> Result<(), Problem> {
    let steps = journal.read().map_err(|error| {
        let shown = journal.path().display();
        Problem::failed(&format!("{shown} is damaged; check the paths that it lists, then move it away"), error)
    })?;
    if steps.is_empty() {
        return delete_journal(journal);
    }
    warn!("An operation was interrupted; rolling back its {} steps", steps.len());
    undo(host, &steps, journal)
}

/// The problem, unless nginx rejects its configuration without the change, too: then it is not the change's fault.
fn blame(host: &Host, problem: Problem) -> Problem {
    if matches!(problem, Problem::TimedOut(_)) {
        return problem;
    }
    match nginx::test(host, Deadline::within(undo::ROLLBACK_TIME)) {
        Err(Problem::Rejected { sentence, .. }) => Problem::BrokenBefore(format!(
            "This was not caused by this change, which was taken back: nginx's configuration was invalid before. {sentence} \
             Correct that file, run nginx -t, and repeat the operation."
        )),
        _ => problem,
    }
}

fn delete_journal(journal: &mut Journal) -> Result<(), Problem> {
    journal.delete().map_err(|error| Problem::at(journal.path(), error))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
