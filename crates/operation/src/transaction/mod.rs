//! Atomic changes to the host.
//!
//! Before each step, what is needed to undo it is written to a journal and flushed. A failed transaction is rolled back
//! immediately. An interrupted one (SIGKILL, power failure) leaves its journal, and the next transaction rolls it back
//! before it starts. A lock ensures that only one transaction runs at a time.

mod journal;
pub mod lock;

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use log::{error, warn};

use crate::servers::{nginx, php};
use crate::transaction::journal::{Before, Journal, UndoStep};
use crate::transaction::lock::Lock;
use crate::tree;
use crate::users::user;
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;
use opterius_host::users::register::Register;

/// Time limit for a rollback, regardless of the operation's deadline.
const ROLLBACK_TIME: Duration = Duration::from_secs(30);

/// A change in progress.
pub struct Transaction<'a> {
    host: &'a Host,
    steps: Vec<UndoStep>,
    journal: Journal,
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
        let mut journal = Journal::new(host);
        recover(host, &mut journal)?;
        let mut transaction = Self { host, steps: Vec::new(), journal, _lock: lock };
        match change(&mut transaction).and_then(|result| transaction.commit().map(|()| result)) {
            Ok(result) => Ok(result),
            Err(problem) => {
                if let Err(cause) = undo(host, &transaction.steps, &mut transaction.journal) {
                    error!(
                        "A failed operation could not be rolled back ({}); the next operation will retry",
                        cause.message()
                    );
                }
                Err(problem)
            }
        }
    }

    /// The host that this transaction changes.
    pub fn host(&self) -> &'a Host {
        self.host
    }

    /// Records that a user is about to be created.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn will_create_user(&mut self, username: &Username) -> Result<(), Problem> {
        self.record(UndoStep::User { username: username.clone() })
    }

    /// Records that a directory is about to be created. A rollback deletes it with its content.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn will_create_directory(&mut self, path: &Path) -> Result<(), Problem> {
        self.record(UndoStep::Directory { path: path.to_owned() })
    }

    /// Creates a directory unless it exists.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn directory(&mut self, path: &Path, mode: u32, group: Option<u32>) -> Result<(), Problem> {
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
            return Ok(());
        }
        self.will_create_directory(path)?;
        make_directory(path, mode, group).map_err(|error| Problem::at(path, error))
    }

    /// Writes a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, path: &Path, bytes: &[u8], mode: FileMode) -> Result<(), Problem> {
        self.record_file(path)?;
        files::replace(path, bytes, mode).map_err(|error| Problem::at(path, error))
    }

    /// Creates a link to `target`, replacing an existing file or link.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn link(&mut self, path: &Path, target: &Path) -> Result<(), Problem> {
        self.record_file(path)?;
        replace_link(path, target).map_err(|error| Problem::at(path, error))
    }

    /// Deletes a file or link if it exists.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub fn remove(&mut self, path: &Path) -> Result<(), Problem> {
        self.record_file(path)?;
        remove_file(path).map_err(|error| Problem::at(path, error))
    }

    /// Commits all steps so far, before following steps that cannot be rolled back.
    ///
    /// # Errors
    /// The journal cannot be deleted.
    pub fn commit(&mut self) -> Result<(), Problem> {
        self.steps.clear();
        delete_journal(&mut self.journal)
    }

    fn record_file(&mut self, path: &Path) -> Result<(), Problem> {
        let before = before(path).map_err(|error| Problem::at(path, error))?;
        self.record(UndoStep::File { path: path.to_owned(), before })
    }

    fn record(&mut self, step: UndoStep) -> Result<(), Problem> {
        self.journal.add(&step).map_err(|error| Problem::at(self.journal.path(), error))?;
        self.steps.push(step);
        Ok(())
    }
}

/// Our directories, their modes, and whether the Agent's group can read them.
const DIRECTORIES: [(&str, u32, bool); 7] = [
    (layout::STATE, 0o755, false),
    (layout::PUBLISHED, 0o750, true),
    (layout::ACCOUNTS, 0o750, true),
    // The web server reads challenge responses here.
    (layout::WEBROOT, 0o755, false),
    (layout::UPLOADED, 0o700, false),
    (layout::LOG_ROOT, 0o755, false),
    // Accounts can traverse this directory to their own logs, but not list it.
    (layout::LOGS, 0o711, false),
];

/// Creates our missing directories.
fn prepare(host: &Host) -> Result<(), Problem> {
    let missing = DIRECTORIES.iter().filter(|(path, ..)| !host.path(path).is_dir());
    for (path, mode, for_agent) in missing {
        let path = host.path(path);
        let register = if *for_agent { Register::read(host)? } else { Register::default() };
        let group = register.group(layout::AGENT_GROUP).map(|group| group.gid);
        fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(|error| Problem::at(&path, error))?;
        match make_directory(&path, *mode, group) {
            // Another helper may have created it meanwhile.
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Problem::at(&path, error)),
            _ => {}
        }
    }
    Ok(())
}

fn make_directory(path: &Path, mode: u32, group: Option<u32>) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)?;
    chown(path, None, group)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn before(path: &Path) -> io::Result<Before> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Before::Missing),
        found => found?,
    };
    if found.is_symlink() {
        return Ok(Before::Link { target: fs::read_link(path)? });
    }
    let base64 = STANDARD.encode(fs::read(path)?);
    Ok(Before::File { base64, mode: found.mode() & 0o7777, group: found.gid() })
}

fn replace_link(path: &Path, target: &Path) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    remove_file(&temporary)?;
    symlink(target, &temporary)?;
    fs::rename(&temporary, path)
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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

/// Undoes steps in reverse order: first files, then reload the servers, and users last, because a server whose
/// configuration names a deleted user would not start.
fn undo(host: &Host, steps: &[UndoStep], journal: &mut Journal) -> Result<(), Problem> {
    let deadline = Deadline::within(ROLLBACK_TIME);
    for step in steps.iter().rev() {
        if let UndoStep::File { path, before } = step {
            restore(path, before).map_err(|error| Problem::at(path, error))?;
        }
    }
    let touched = |directory: &str| {
        let directory = host.path(directory);
        steps.iter().any(|step| matches!(step, UndoStep::File { path, .. } if path.starts_with(&directory)))
    };
    if touched("/etc/php") {
        php::reload_all(host, deadline);
    }
    if touched("/etc/nginx") {
        // Without a test: nginx ignores an invalid configuration on reload, and a test that hung before would hang again.
        nginx::reload(host, deadline);
    }
    for step in steps.iter().rev() {
        match step {
            UndoStep::User { username } => user::remove(host, username, deadline)?,
            UndoStep::Directory { path } => tree::remove(path, deadline)?,
            UndoStep::File { .. } => {}
        }
    }
    delete_journal(journal)
}

fn restore(path: &Path, before: &Before) -> io::Result<()> {
    match before {
        Before::Missing => remove_file(path),
        Before::Link { target } => replace_link(path, target),
        Before::File { base64, mode, group } => {
            let bytes = STANDARD.decode(base64).map_err(io::Error::other)?;
            files::replace(path, &bytes, FileMode { mode: *mode, group: Some(*group) })
        }
    }
}

fn delete_journal(journal: &mut Journal) -> Result<(), Problem> {
    journal.delete().map_err(|error| Problem::at(journal.path(), error))
}
