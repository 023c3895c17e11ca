//! Bounded reads and atomic replacement of files.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Permissions of a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode {
    /// The mode, regardless of the umask.
    pub mode: u32,
    /// The group, if not the process's own.
    pub group: Option<u32>,
}

impl FileMode {
    /// This mode with the process's own group.
    pub const fn mode(mode: u32) -> Self {
        Self { mode, group: None }
    }
}

/// Reads a regular file of at most `limit` bytes. Pipes and devices are refused: they could block or fill the memory.
///
/// # Errors
/// The file cannot be read, is not a regular file, or is too large.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(io::Error::other(format!("it is larger than {} KiB", limit / 1024)));
    }
    Ok(bytes)
}

/// Replaces a file atomically: at any moment, and after any crash, a reader sees either the complete old file or the
/// complete new one.
///
/// No other user must be able to create links in the directory.
///
/// # Errors
/// The file cannot be written; the old file is then unchanged.
pub fn replace(path: &Path, bytes: &[u8], mode: FileMode) -> io::Result<()> {
    replace_through(path, &temporary_path(path), bytes, mode)
}

/// Like [`replace`], through a temporary file with this path in the same directory, which is replaced if it exists.
///
/// # Errors
/// Those of [`replace`].
pub fn replace_through(path: &Path, temporary: &Path, bytes: &[u8], mode: FileMode) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let replaced = write_new(temporary, bytes, mode).and_then(|()| fs::rename(temporary, path));
    if replaced.is_err() {
        let _ = fs::remove_file(temporary);
    }
    replaced?;
    File::open(directory)?.sync_all()
}

/// Where [`replace`] writes the new file. The name is fixed, so that the next write replaces a file left by a killed process
/// instead of adding another.
pub fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn write_new(path: &Path, bytes: &[u8], mode: FileMode) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode.mode).open(path)?;
    if mode.group.is_some() {
        fchown(&file, None, mode.group)?;
    }
    file.set_permissions(Permissions::from_mode(mode.mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}
