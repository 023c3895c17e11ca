//! What root makes in an installation belongs to whom the installation belongs to: else `serve`, which runs as that user,
//! could not use it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

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
