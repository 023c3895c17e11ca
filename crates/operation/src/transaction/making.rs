//! Making files, links and directories: each complete under a temporary name before it gets its own.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use opterius_base::hex::hex;

/// The start of every temporary name. A web server's `include *` does not match it.
const TEMPORARY: &str = ".opterius-new-";

/// Owner and mode of a new directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The mode, regardless of the umask.
    pub mode: u32,
    /// The owner, if not root.
    pub owner: Option<u32>,
    /// The group, if not root's.
    pub group: Option<u32>,
}

impl Ownership {
    /// Root's, with this mode.
    pub const fn root(mode: u32) -> Self {
        Self { mode, owner: None, group: None }
    }
}

/// A name in the same directory that nothing else has, so that what has it was made by this process.
pub(super) fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let mut token = [0; 8];
    SystemRandom::new().fill(&mut token).map_err(|_| io::Error::other("the system has no random numbers"))?;
    Ok(path.with_file_name(format!("{TEMPORARY}{}", hex(&token))))
}

/// Makes a directory.
pub(super) fn directory(path: &Path, Ownership { mode, owner, group }: Ownership) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)?;
    chown(path, owner, group)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Gives a directory its name, unless something has it.
pub(super) fn name_directory(temporary: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
        // This file system does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) if fs::symlink_metadata(path).is_err() => fs::rename(temporary, path)?,
        renamed => renamed?,
    }
    sync_parent(path)
}

/// Makes a link, or replaces one or a file.
pub(super) fn link(path: &Path, target: &Path, temporary: &Path) -> io::Result<()> {
    symlink(target, temporary)?;
    fs::rename(temporary, path)?;
    sync_parent(path)
}

/// Deletes a file or link if it exists.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
