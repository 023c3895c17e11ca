//! Files that are read within bounds, and replaced whole.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Who may do what with a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode {
    /// The mode; the umask does not count.
    pub mode: u32,
    /// The group, where it is not the process's own.
    pub group: Option<u32>,
}

impl FileMode {
    /// This mode, with the process's own group.
    pub const fn mode(mode: u32) -> Self {
        Self { mode, group: None }
    }
}

/// Reads a regular file of at most `most` bytes: a pipe or a device must not keep us waiting, nor fill the memory.
///
/// # Errors
/// What the operating system said, or what it is instead.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
        return Err(io::Error::other(format!("it is larger than {} KiB", most / 1024)));
    }
    Ok(bytes)
}

/// Replaces a file: whoever reads it, at any moment and after any crash, sees the old one or the new one, whole.
///
/// The directory must be one in which nobody else can put links.
///
/// # Errors
/// What the operating system said; the old file is then as it was.
pub fn replace(path: &Path, bytes: &[u8], rights: FileMode) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = temporary_path(path);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let replaced = write_new(&temporary, bytes, rights).and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    replaced?;
    File::open(directory)?.sync_all()
}

/// One fixed name: what a killed process left is replaced by the next write and never piles up.
fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn write_new(path: &Path, bytes: &[u8], rights: FileMode) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(rights.mode).open(path)?;
    if rights.group.is_some() {
        fchown(&file, None, rights.group)?;
    }
    file.set_permissions(Permissions::from_mode(rights.mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}
