//! The directory of an account's backups.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, StatVfs, flock, statvfs};

use crate::tree;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::backup::BackupName;
use opterius_host::request::values::Username;

/// How the names of unfinished files begin.
const PARTIAL: &str = ".partial-";

/// What stays free on the disk of the backups, in bytes and in parts of the disk: databases and logs need it.
const RESERVE: u64 = 256 * 1024 * 1024;
const RESERVED_PART: u64 = 20;

/// An account's directory of backups.
pub struct BackupDirectory {
    path: PathBuf,
}

/// The right to make or restore backups of one account, until it is dropped.
pub struct InUse(#[allow(dead_code, reason = "closing the file releases the lock")] File);

impl BackupDirectory {
    /// The directory of this account, which may not exist.
    ///
    /// # Errors
    /// It exists, but other users than root could have created it.
    pub fn of(host: &Host, username: &Username) -> Result<Self, Problem> {
        let path = host.path(layout::BACKUPS).join(username.as_str());
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.is_dir() || found.uid() != 0 || found.mode() & 0o077 != 0 => {
                let shown = path.display();
                Err(Problem::Conflict(format!(
                    "{shown} is not a directory that only root can enter, so it is not used for backups. Move it away, or run: \
                     chown root: {shown} && chmod 700 {shown}"
                )))
            }
            _ => Ok(Self { path }),
        }
    }

    /// Creates the directory unless it exists.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn make(&self) -> Result<(), Problem> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(|error| Problem::at(&self.path, error))
    }

    /// Takes it for one backup or restoration, and removes what a killed one has left.
    ///
    /// # Errors
    /// Another one is going on.
    pub fn take(&self) -> Result<InUse, Problem> {
        let failed = |error| Problem::at(&self.path, error);
        let directory = File::open(&self.path).map_err(failed)?;
        if flock(&directory, FlockOperation::NonBlockingLockExclusive).is_err() {
            let sentence = "A backup or a restoration of this account is going on. Wait until it has ended.";
            return Err(Problem::Conflict(sentence.to_owned()));
        }
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_orphan = || {
                let archive = name.strip_suffix(MANIFEST_END);
                archive.is_some_and(|archive| BackupName::parse(archive).is_some() && !self.path.join(archive).exists())
            };
            if name.starts_with(PARTIAL) || is_orphan() {
                fs::remove_file(self.path.join(name)).map_err(failed)?;
            }
        }
        Ok(InUse(directory))
    }

    /// The path of a backup.
    pub fn archive(&self, name: &BackupName) -> PathBuf {
        self.path.join(name.to_string())
    }

    /// The path of a backup's manifest.
    pub fn manifest(&self, name: &BackupName) -> PathBuf {
        self.path.join(format!("{name}{MANIFEST_END}"))
    }

    /// The path of an unfinished file.
    pub fn partial(&self, name: &str) -> PathBuf {
        self.path.join(format!("{PARTIAL}{name}"))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The backups in it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn names(&self) -> Result<Vec<BackupName>, Problem> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| Problem::at(&self.path, error))?,
        };
        Ok(entries.flatten().filter_map(|entry| BackupName::parse(entry.file_name().to_str()?)).collect())
    }

    /// Checks that a backup exists.
    ///
    /// # Errors
    /// It does not.
    pub fn find(&self, name: &BackupName) -> Result<(), Problem> {
        if self.archive(name).is_file() {
            return Ok(());
        }
        Err(Problem::NotFound(format!("There is no backup “{name}”.")))
    }

    /// Checks that `bytes` more fit on the disk beside what must stay free.
    ///
    /// # Errors
    /// They do not.
    pub fn check_space(&self, bytes: u64) -> Result<(), Problem> {
        let status = statvfs(&self.path).map_err(|error| Problem::at(&self.path, error.into()))?;
        let available = match beside_reserve(&status) {
            Some(available) if bytes <= available => return Ok(()),
            available => available.unwrap_or(0),
        };
        let megabytes = |bytes: u64| bytes / (1024 * 1024);
        Err(Problem::InsufficientStorage(format!(
            "The disk with {} has {} MB left for backups, and more than {} MB are needed. Delete old backups, then repeat the operation.",
            self.path.display(),
            megabytes(available),
            megabytes(bytes)
        )))
    }
}

/// What is free on the disk of the backups beside what must stay free; none if that is not.
pub fn beside_reserve(status: &StatVfs) -> Option<u64> {
    let size = |blocks: u64| blocks.saturating_mul(status.f_frsize);
    size(status.f_bavail).checked_sub(RESERVE.max(size(status.f_blocks) / RESERVED_PART))
}

/// How the names of manifests end, behind the name of the backup.
const MANIFEST_END: &str = ".json";

/// The directories of all accounts that have one.
///
/// # Errors
/// The directory of backups cannot be read.
pub fn all(host: &Host) -> Result<Vec<BackupDirectory>, Problem> {
    let path = host.path(layout::BACKUPS);
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| Problem::at(&path, error))?,
    };
    let accounts = entries.flatten().filter_map(|entry| {
        let username = Username::parse("username", entry.file_name().to_str()?).ok()?;
        BackupDirectory::of(host, &username).ok()
    });
    Ok(accounts.collect())
}

/// Deletes all backups of an account. Returns a warning if that is not possible.
pub fn forget(host: &Host, username: &Username, deadline: Deadline) -> Option<String> {
    let directory = match BackupDirectory::of(host, username) {
        Ok(directory) if directory.path.exists() => directory,
        Ok(_) => return None,
        Err(problem) => return Some(problem.message()),
    };
    let deleted = tree::remove(&directory.path, deadline);
    deleted.err().map(|problem| format!("Backups of “{username}” are left. {}", problem.message()))
}
