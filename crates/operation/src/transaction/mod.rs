//! Changes that are made whole or not at all.
//!
//! Before each step, what is needed to take it back is written to a journal and flushed. A change that fails is taken back
//! at once. One that was cut off (SIGKILL, a power cut) has left its journal, and the next change takes it back before it
//! begins. One change is made at a time: whoever makes one holds the lock.

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

/// What taking back may take, however little time was left for the change itself.
const UNDO_TIME: Duration = Duration::from_secs(30);

/// A change that is being made.
pub struct Transaction<'a> {
    host: &'a Host,
    steps: Vec<UndoStep>,
    journal: Journal,
    _lock: Lock,
}

impl<'a> Transaction<'a> {
    /// Makes a change: what `make` does is kept when it succeeds, and taken back when it does not.
    ///
    /// # Errors
    /// What `make` says, or others were changing the host beyond the deadline.
    pub fn run<T>(
        host: &'a Host,
        deadline: Deadline,
        make: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        prepare(host)?;
        let lock = lock::transaction(host, deadline)?;
        let mut journal = Journal::of(host);
        recover(host, &mut journal)?;
        let mut transaction = Self { host, steps: Vec::new(), journal, _lock: lock };
        match make(&mut transaction).and_then(|made| transaction.keep().map(|()| made)) {
            Ok(made) => Ok(made),
            Err(problem) => {
                if let Err(undoing) = undo(host, &transaction.steps, &mut transaction.journal) {
                    error!(
                        "A failed operation could not be taken back ({}); the next one tries again",
                        undoing.message()
                    );
                }
                Err(problem)
            }
        }
    }

    /// The host that is changed.
    pub fn host(&self) -> &'a Host {
        self.host
    }

    /// A user is about to be made.
    ///
    /// # Errors
    /// It cannot be noted.
    pub fn will_make_user(&mut self, username: &Username) -> Result<(), Problem> {
        self.note(UndoStep::User { username: username.clone() })
    }

    /// A directory that is not there is about to be made, and with it all that it will have.
    ///
    /// # Errors
    /// It cannot be noted.
    pub fn will_make_directory(&mut self, path: &Path) -> Result<(), Problem> {
        self.note(UndoStep::Directory { path: path.to_owned() })
    }

    /// Makes a directory unless it is there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn directory(&mut self, path: &Path, mode: u32, group: Option<u32>) -> Result<(), Problem> {
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
            return Ok(());
        }
        self.will_make_directory(path)?;
        make_directory(path, mode, group).map_err(|error| Problem::at(path, error))
    }

    /// Writes a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, path: &Path, bytes: &[u8], rights: FileMode) -> Result<(), Problem> {
        self.note_file(path)?;
        files::replace(path, bytes, rights).map_err(|error| Problem::at(path, error))
    }

    /// Puts a link to `target` in the place of whatever is there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn link(&mut self, path: &Path, target: &Path) -> Result<(), Problem> {
        self.note_file(path)?;
        replace_link(path, target).map_err(|error| Problem::at(path, error))
    }

    /// Deletes a file or link, if it is there.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub fn remove(&mut self, path: &Path) -> Result<(), Problem> {
        self.note_file(path)?;
        remove_file(path).map_err(|error| Problem::at(path, error))
    }

    /// What was done so far stays, whatever comes next: that may be the end of what it would take to go back.
    ///
    /// # Errors
    /// It cannot be noted.
    pub fn keep(&mut self) -> Result<(), Problem> {
        self.steps.clear();
        forget(&mut self.journal)
    }

    fn note_file(&mut self, path: &Path) -> Result<(), Problem> {
        let before = before(path).map_err(|error| Problem::at(path, error))?;
        self.note(UndoStep::File { path: path.to_owned(), before })
    }

    fn note(&mut self, step: UndoStep) -> Result<(), Problem> {
        self.journal.add(&step).map_err(|error| Problem::at(self.journal.path(), error))?;
        self.steps.push(step);
        Ok(())
    }
}

/// Our directories, who may do what with them, and whether the Agent looks into them.
const DIRECTORIES: [(&str, u32, bool); 7] = [
    (layout::STATE, 0o755, false),
    (layout::PUBLISHED, 0o750, true),
    (layout::ACCOUNTS, 0o750, true),
    // The web server reads the challenges in it.
    (layout::WEBROOT, 0o755, false),
    (layout::UPLOADED, 0o700, false),
    ("/var/log/opterius", 0o755, false),
    // Each account passes through to its own logs, and none sees the others' names.
    (layout::LOGS, 0o711, false),
];

/// Makes the directories of ours that are not there.
fn prepare(host: &Host) -> Result<(), Problem> {
    let missing = DIRECTORIES.iter().filter(|(path, ..)| !host.path(path).is_dir());
    for (path, mode, for_agent) in missing {
        let path = host.path(path);
        let register = if *for_agent { Register::read(host)? } else { Register::default() };
        let group = register.group(layout::AGENT_GROUP).map(|group| group.gid);
        fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(|error| Problem::at(&path, error))?;
        match make_directory(&path, *mode, group) {
            // Another helper was faster.
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

/// Takes back what a helper has left that did not come to its end.
fn recover(host: &Host, journal: &mut Journal) -> Result<(), Problem> {
    let steps = journal.read().map_err(|error| {
        let shown = journal.path().display();
        Problem::failed(&format!("{shown} is damaged; move it away once you have looked at what it names"), error)
    })?;
    if steps.is_empty() {
        return forget(journal);
    }
    warn!("An operation was cut off; taking back its {} steps", steps.len());
    undo(host, &steps, journal)
}

/// Takes steps back, the last first: files, then what serves them, and users at last, because a server with files of a
/// user who is gone would not start.
fn undo(host: &Host, steps: &[UndoStep], journal: &mut Journal) -> Result<(), Problem> {
    let deadline = Deadline::within(UNDO_TIME);
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
        // Not tested before: what nginx does not take it leaves, and a test that has hung once would hang again.
        nginx::reload(host, deadline);
    }
    for step in steps.iter().rev() {
        match step {
            UndoStep::User { username } => user::remove(host, username, deadline)?,
            UndoStep::Directory { path } => tree::remove(path, deadline)?,
            UndoStep::File { .. } => {}
        }
    }
    forget(journal)
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

fn forget(journal: &mut Journal) -> Result<(), Problem> {
    journal.forget().map_err(|error| Problem::at(journal.path(), error))
}
