//! The identity of a directory, so that a rollback removes what was made and nothing that has its name meanwhile.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// The file with the kernel's identifier of the current boot.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// What identifies a directory, whatever its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    /// When it was created, in nanoseconds since 1970, where the file system knows. A file system can give the inode of a
    /// deleted directory to the next one.
    born: Option<u64>,
    /// The boot in which it was made: devices can have other numbers in the next.
    boot: String,
}

impl Identity {
    /// The identity of the directory at `path`.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&fs::symlink_metadata(path)?))
    }

    /// Whether the directory at `path` is this one.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && self.is_same(&Self::from(&found)))
    }

    fn is_same(&self, other: &Self) -> bool {
        let same_device = self.device == other.device || (self.boot != other.boot && self.born.is_some());
        same_device && (self.inode, self.born) == (other.inode, other.born)
    }
}

impl From<&Metadata> for Identity {
    fn from(found: &Metadata) -> Self {
        let born = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Self {
            device: found.dev(),
            inode: found.ino(),
            born: born.and_then(|since| u64::try_from(since.as_nanos()).ok()),
            boot: fs::read_to_string(BOOT).unwrap_or_default().trim().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inode_alone_does_not_identify_a_directory() {
        let one = Identity { device: 7, inode: 12, born: Some(5), boot: "a".to_owned() };
        let table = [
            (one.clone(), true),
            (Identity { device: 8, boot: "b".to_owned(), ..one.clone() }, true),
            (Identity { device: 8, ..one.clone() }, false),
            (Identity { inode: 13, ..one.clone() }, false),
            (Identity { born: Some(6), ..one.clone() }, false),
            (Identity { device: 8, born: None, boot: "b".to_owned(), ..one.clone() }, false),
        ];
        for (other, expected) in table {
            assert_eq!(one.is_same(&other), expected, "{other:?}");
        }
    }
}
