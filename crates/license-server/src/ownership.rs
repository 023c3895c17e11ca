//! Files that root creates in an installation get the installation's owner; otherwise `serve`, which runs as that user,
//! could not use them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::geteuid;

/// Changes the owner of a new file to the owner of `model`, if this process runs as root.
///
/// # Errors
/// A system call failed.
pub(super) fn give_to_owner_of(model: &Path, file: &File) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let model = fs::metadata(model)?;
    fchown(file, Some(model.uid()), Some(model.gid()))
}

/// Creates a file for its owner alone.
///
/// # Errors
/// It exists, or a system call failed.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    path.parent().map_or(Ok(()), |directory| give_to_owner_of(directory, &file))?;
    Ok(file)
}

/// Opens a lock file of the installation for writing; creates it if it does not exist.
///
/// This process can be root while the directory belongs to another user, so symbolic links, hard links and FIFOs that this
/// user has planted are rejected.
///
/// # Errors
/// A system call failed, or the path is not a regular file with one link.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    match create_private(path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
            let file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_file() && metadata.nlink() == 1 {
                Ok(file)
            } else {
                Err(io::Error::new(ErrorKind::InvalidInput, "is not a lock file of the license server; remove it"))
            }
        }
        Err(error) => Err(error),
    }
}
