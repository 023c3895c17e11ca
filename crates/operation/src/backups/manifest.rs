//! What is known about a backup, in a file beside it. Without it, a backup is not complete and not used.

use std::fs::File;
use std::io::Read;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::backups::directory::BackupDirectory;
use opterius_base::clock::Timestamp;
use opterius_base::deadline::Deadline;
use opterius_base::files;
use opterius_base::hex::hex;
use opterius_host::problem::Problem;
use opterius_host::request::backup::BackupName;

/// The largest manifest that is read, in bytes.
const MAX: u64 = 4 * 1024 * 1024;

/// What is known about a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// When the backup began.
    pub created_at: Timestamp,
    /// The size of its file, in bytes.
    pub size: u64,
    /// The SHA-256 of its file.
    pub sha256: String,
    /// The size of everything in it, in bytes.
    pub content_size: u64,
    /// Files, directories and links in it.
    pub entries: u64,
    /// Files that could not be read, or that are no files.
    pub skipped: u64,
    /// The databases in it.
    #[serde(default)]
    pub databases: Vec<StoredDatabase>,
}

/// A database in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDatabase {
    /// `mariadb` or `postgresql`.
    pub engine: String,
    /// Its name.
    pub name: String,
}

impl Manifest {
    /// The manifest of a backup.
    ///
    /// # Errors
    /// There is no such backup, or its manifest is missing or damaged.
    pub fn read(directory: &BackupDirectory, name: &BackupName) -> Result<Self, Problem> {
        directory.find(name)?;
        let manifest = files::read(&directory.manifest(name), MAX);
        manifest.and_then(|bytes| serde_json::from_slice(&bytes).map_err(Into::into)).map_err(|error| {
            Problem::Conflict(format!(
                "The manifest of the backup “{name}” is missing or damaged ({error}), so that it cannot be checked. It is not used."
            ))
        })
    }

    /// Opens a backup whose checksum is right.
    ///
    /// # Errors
    /// It is damaged, or cannot be read in time.
    pub fn verified(
        &self,
        directory: &BackupDirectory,
        name: &BackupName,
        deadline: Deadline,
    ) -> Result<File, Problem> {
        let path = directory.archive(name);
        let failed = |error| Problem::at(&path, error);
        let mut file = File::open(&path).map_err(failed)?;
        if checksum(&mut file, deadline)?.ok_or_else(|| too_slow(name))? != (self.size, self.sha256.clone()) {
            return Err(Problem::Conflict(format!(
                "The backup “{name}” is damaged: its checksum is not the one that was stored with it. Nothing was restored."
            )));
        }
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).map_err(|error| failed(error.into()))?;
        Ok(file)
    }
}

fn too_slow(name: &BackupName) -> Problem {
    Problem::TimedOut(format!("The backup “{name}” is too large to be checked within the time limit."))
}

/// The size and the SHA-256 of a file; none if reading it takes too long.
///
/// # Errors
/// It cannot be read.
pub fn checksum(file: &mut File, deadline: Deadline) -> Result<Option<(u64, String)>, Problem> {
    let (mut context, mut size, mut buffer) = (Context::new(&SHA256), 0_u64, vec![0; 256 * 1024]);
    loop {
        if deadline.is_over() {
            return Ok(None);
        }
        let count = file.read(&mut buffer).map_err(|error| Problem::failed("the backup", error))?;
        if count == 0 {
            return Ok(Some((size, hex(context.finish().as_ref()))));
        }
        context.update(buffer.get(..count).unwrap_or_default());
        size = size.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}
