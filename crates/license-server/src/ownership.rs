//! What root makes in an installation belongs to whom the installation belongs to: else `serve`, which runs as that user,
//! could not use it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::geteuid;

/// Gives a new file to the owner of `model`, where we may.
///
/// # Errors
/// The system does not do it.
pub(super) fn give_to_owner_of(model: &Path, file: &File) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let model = fs::metadata(model)?;
    fchown(file, Some(model.uid()), Some(model.gid()))
}

/// Opens a small file of the installation's own for writing, such as one to lock, and makes it where it is not there.
///
/// Its directory may belong to another user than the one that opens it, root for example: what that user has put there to
/// lead elsewhere, or to keep us waiting, is not followed.
///
/// # Errors
/// The system does not do it, or something else is there.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(file) => {
            path.parent().map_or(Ok(()), |directory| give_to_owner_of(directory, &file))?;
            Ok(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
            let file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_file() && metadata.nlink() == 1 {
                Ok(file)
            } else {
                Err(io::Error::new(ErrorKind::InvalidInput, "is not a file of the license server; remove it"))
            }
        }
        Err(error) => Err(error),
    }
}
