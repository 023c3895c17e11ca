//! The content of a path, in the journal: what to restore, and a digest of what was written, which tells our file from one
//! that an administrator has put there since.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::transaction::making;
use opterius_base::files::{self, FileMode};
use opterius_base::hex::hex;

/// Largest file that is kept, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// The content of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    /// Nothing is there.
    Missing,
    /// A file.
    File {
        /// Its content.
        base64: String,
        /// Its mode.
        mode: u32,
        /// Its gid.
        group: u32,
    },
    /// A link.
    Link {
        /// Its target.
        target: PathBuf,
    },
}

impl Content {
    /// What is at `path`.
    ///
    /// # Errors
    /// It cannot be read, or is neither a file nor a link.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Missing),
            found => found?,
        };
        if found.is_symlink() {
            return Ok(Self::Link { target: fs::read_link(path)? });
        }
        let base64 = STANDARD.encode(files::read(path, MAX_FILE)?);
        Ok(Self::File { base64, mode: found.mode() & 0o7777, group: found.gid() })
    }

    /// A digest of it. The mode does not count: it can be changed without changing what is served.
    pub(super) fn digest(&self) -> io::Result<String> {
        Ok(match self {
            Self::Missing => MISSING.to_owned(),
            Self::Link { target } => link_digest(target),
            Self::File { base64, .. } => file_digest(&STANDARD.decode(base64).map_err(io::Error::other)?),
        })
    }

    /// Puts it at `path`.
    pub(super) fn restore(&self, path: &Path, temporary: Option<&Path>) -> io::Result<()> {
        let fresh = making::temporary_beside(path)?;
        let temporary = temporary.unwrap_or(&fresh);
        making::remove_file(temporary)?;
        match self {
            Self::Missing => making::remove_file(path),
            Self::Link { target } => making::link(path, target, temporary),
            Self::File { base64, mode, group } => {
                let bytes = STANDARD.decode(base64).map_err(io::Error::other)?;
                files::replace_through(path, temporary, &bytes, FileMode { mode: *mode, group: Some(*group) })
            }
        }
    }
}

/// The digest of a path where nothing is.
pub(super) const MISSING: &str = "missing";

/// The digest of a file with this content.
pub(super) fn file_digest(bytes: &[u8]) -> String {
    format!("file {}", hex(digest(&SHA256, bytes).as_ref()))
}

/// The digest of a link to `target`.
pub(super) fn link_digest(target: &Path) -> String {
    format!("link {}", target.display())
}
