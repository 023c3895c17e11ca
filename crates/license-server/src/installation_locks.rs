//! The locks of an installation. Each is a file that stays; the lock ends with the process that holds it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::installation_error::InstallationError;
use crate::ownership::open_private;
use crate::store;

/// The lock files of an installation.
pub struct InstallationLocks {
    /// Locked by the server.
    pub server: PathBuf,
    /// Locked by the deliverer of webhooks.
    pub deliverer: PathBuf,
    /// Locked by all that use the database, and exclusively to replace it.
    pub database: PathBuf,
}

impl InstallationLocks {
    /// Locks the installation against a second server, which would have its own rate limits and counters.
    ///
    /// # Errors
    /// Another server holds the lock, or the file cannot be locked.
    pub fn lock_server(&self) -> Result<File, InstallationError> {
        lock_alone(&self.server, "license server")
    }

    /// Locks the installation against a second deliverer, which would send every event once more.
    ///
    /// # Errors
    /// Another deliverer holds the lock, or the file cannot be locked.
    pub fn lock_deliverer(&self) -> Result<File, InstallationError> {
        lock_alone(&self.deliverer, "deliverer")
    }

    /// Keeps the database from being replaced.
    ///
    /// # Errors
    /// It is being replaced, or the file cannot be locked.
    pub fn lock_use(&self) -> Result<File, InstallationError> {
        let path = &self.database;
        let file = open(path)?;
        if is_locked(&file, path, FlockOperation::NonBlockingLockShared)? {
            return Ok(file);
        }
        let sentence = "the database is being restored or moved. Try again once that is done".to_owned();
        Err(InstallationError::Refused(sentence))
    }

    /// Locks the database to replace it.
    ///
    /// # Errors
    /// The server or a command uses the database, or a file cannot be locked.
    pub fn lock_replacement(&self) -> Result<[File; 2], InstallationError> {
        let (server, database) = (open(&self.server)?, open(&self.database)?);
        if !is_locked(&server, &self.server, FlockOperation::NonBlockingLockExclusive)? {
            return Err(InstallationError::Refused(format!(
                "the license server is running (process {}). Stop it first: systemctl stop opterius-license-server. Nothing \
                 was changed",
                holder(&self.server)
            )));
        }
        if !is_locked(&database, &self.database, FlockOperation::NonBlockingLockExclusive)? {
            return Err(InstallationError::Refused(format!(
                "another command is using the database. To see which, run: fuser -v {}. Nothing was changed",
                self.database.display()
            )));
        }
        Ok([server, database])
    }
}

/// Locks the file for this process, which is the only one of its kind, and writes its number into it.
fn lock_alone(path: &Path, what: &str) -> Result<File, InstallationError> {
    let mut file = open(path)?;
    if !is_locked(&file, path, FlockOperation::NonBlockingLockExclusive)? {
        return Err(InstallationError::Refused(format!(
            "{}: another {what} is already running on this installation (process {}). Nothing was changed",
            path.display(),
            holder(path)
        )));
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|error| failed(path, &error))?;
    Ok(file)
}

fn open(path: &Path) -> Result<File, InstallationError> {
    open_private(path).map_err(|error| failed(path, &error))
}

/// The process that the server's lock file names.
fn holder(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn is_locked(file: &File, path: &Path, operation: FlockOperation) -> Result<bool, InstallationError> {
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(failed(path, &error.into())),
    }
}

fn failed(path: &Path, error: &io::Error) -> InstallationError {
    let sentence = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => store::Error::Permission(path.to_owned()).into(),
        _ => InstallationError::Refused(sentence),
    }
}
