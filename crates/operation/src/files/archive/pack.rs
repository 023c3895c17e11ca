//! A tree becomes a stream, while the account's processes can change it: no link is followed, no other file system entered, and
//! each file has as many bytes as its header says.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags, Statx, fstat, openat, readlinkat};
use rustix::io::Errno;

use crate::files::archive::entry_path::{EntryPath, LONGEST};
use crate::files::archive::placement::names;
use crate::files::archive::summary::{Summary, name_shown};
use crate::files::archive::tar::{Entry, Kind, header, padding, trailer};
use crate::files::archive::{Limits, MAX_DEPTH, too_late};
use crate::files::home::{Place, obstacle};
use crate::tree;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;

/// Writes what is at `place`, with everything in it, under its own name.
///
/// # Errors
/// A limit is exceeded, the deadline has passed, or the stream cannot be written to.
pub fn pack(place: &Place, stream: impl Write, deadline: Deadline) -> Result<Summary, Problem> {
    let mut packing = Packing { stream, summary: Summary::within(Limits::ARCHIVE), pending: 0, deadline };
    let first = packing.add(&place.directory, &place.name, b"", 0)?;
    packing.finish(first)
}

/// Writes a directory with everything in it, under this name, as a further part of an archive that ends with it.
///
/// # Errors
/// Those of [`pack`].
pub fn pack_directory(
    directory: OwnedFd,
    name: &[u8],
    stream: impl Write,
    limits: Limits,
    deadline: Deadline,
) -> Result<Summary, Problem> {
    let mut packing = Packing { stream, summary: Summary::within(limits), pending: 0, deadline };
    let metadata =
        tree::metadata_at(&directory, c".").map_err(|error| obstacle(&String::from_utf8_lossy(name), error))?;
    let first = packing.add_directory(directory, name.to_vec(), &metadata)?;
    packing.finish(Some(first))
}

/// A directory whose entries are being written.
struct Level {
    directory: OwnedFd,
    /// Its name in the archive, with a slash at the end.
    path: Vec<u8>,
    /// Names that remain, in reverse order.
    names: Vec<CString>,
}

struct Packing<W> {
    stream: W,
    summary: Summary,
    /// Names that remain on all levels.
    pending: u64,
    deadline: Deadline,
}

impl<W: Write> Packing<W> {
    /// Writes what is in the first directory, and then the end of the archive.
    fn finish(mut self, first: Option<Level>) -> Result<Summary, Problem> {
        let mut levels: Vec<Level> = first.into_iter().collect();
        loop {
            let depth = levels.len();
            let Some(level) = levels.last_mut() else { break };
            match level.names.pop() {
                None => drop(levels.pop()),
                Some(name) => {
                    self.pending = self.pending.saturating_sub(1);
                    let below = self.add(&level.directory, &name, &level.path, depth)?;
                    levels.extend(below);
                }
            }
        }
        self.write(&trailer())?;
        self.stream.flush().map_err(unwritten)?;
        Ok(self.summary)
    }

    /// Writes an entry; of a directory, returns what is in it.
    fn add(&mut self, directory: &OwnedFd, name: &CStr, above: &[u8], depth: usize) -> Result<Option<Level>, Problem> {
        if self.deadline.is_over() {
            return Err(too_late());
        }
        let path = [above, name.to_bytes()].concat();
        // Deleted meanwhile.
        let Ok(metadata) = tree::metadata_at(directory, name) else { return Ok(None) };
        let why = match FileType::from_raw_mode(metadata.stx_mode.into()) {
            _ if !can_be_unpacked(&path) => "has a path that is too long for an archive",
            _ if tree::is_mount_point(&metadata) => "is another file system",
            FileType::Directory if depth >= MAX_DEPTH => "is in too many directories",
            FileType::Directory => match tree::open_below(directory, name) {
                Ok(Some(opened)) => return self.add_directory(opened, path, &metadata).map(Some),
                Ok(None) => return Ok(None),
                Err(_) => "cannot be read by the account",
            },
            FileType::RegularFile => match open_file(directory, name) {
                Ok((file, size)) => return self.add_file(file, size, &path, &metadata).map(|()| None),
                Err(_) => "cannot be read by the account",
            },
            FileType::Symlink => match readlinkat(directory, name, Vec::new()) {
                Ok(target) => {
                    return self.add_header(&path, Kind::Link(target.into_bytes()), &metadata).map(|()| None);
                }
                Err(_) => return Ok(None),
            },
            _ => "is a device, a FIFO or a socket",
        };
        self.summary.skip(&path, why).map(|()| None)
    }

    fn add_directory(&mut self, directory: OwnedFd, mut path: Vec<u8>, metadata: &Statx) -> Result<Level, Problem> {
        path.push(b'/');
        self.add_header(&path, Kind::Directory, metadata)?;
        let limits = self.summary.limits;
        let mut names = names(&directory, limits).map_err(|error| match error {
            Errno::OVERFLOW => limits.too_many(),
            error => obstacle(&name_shown(&path), error),
        })?;
        names.reverse();
        self.pending = self.pending.saturating_add(u64::try_from(names.len()).unwrap_or(u64::MAX));
        if self.pending.saturating_add(self.summary.entries) > limits.entries {
            return Err(limits.too_many());
        }
        Ok(Level { directory, path, names })
    }

    /// Writes a file. If it shrinks meanwhile, zeros take the place of what is missing.
    fn add_file(&mut self, file: File, size: u64, path: &[u8], metadata: &Statx) -> Result<(), Problem> {
        if !self.summary.add_bytes(size) {
            let most = self.summary.limits.bytes;
            let sentence = format!("An archive may have at most {most} bytes of files. Use SFTP or a shell for more.");
            return Err(Problem::Conflict(sentence));
        }
        self.add_header(path, Kind::File(size), metadata)?;
        let mut content = file.take(size).chain(io::repeat(0)).take(size.saturating_add(padding(size)));
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if self.deadline.is_over() {
                return Err(too_late());
            }
            let read = content.read(&mut buffer);
            match read.map_err(|error| obstacle(&name_shown(path), errno(&error)))? {
                0 => return Ok(()),
                read => self.write(buffer.get(..read).unwrap_or_default())?,
            }
        }
    }

    fn add_header(&mut self, path: &[u8], kind: Kind, metadata: &Statx) -> Result<(), Problem> {
        self.summary.count()?;
        let mode = u32::from(metadata.stx_mode) & 0o777;
        let modified = u64::try_from(metadata.stx_mtime.tv_sec).unwrap_or(0);
        self.write(&header(&Entry { name: path.to_vec(), kind, mode, modified }))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.stream.write_all(bytes).map_err(unwritten)
    }
}

/// Whether our own reader accepts a path, also with the slash of a directory: one that it refuses would spoil the whole archive.
fn can_be_unpacked(path: &[u8]) -> bool {
    path.len() < LONGEST && EntryPath::parse(path).is_ok()
}

/// Opens a regular file, and returns its size.
fn open_file(directory: &OwnedFd, name: &CStr) -> Result<(File, u64), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty())?;
    let status = fstat(&file)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(Errno::NXIO);
    }
    Ok((File::from(file), u64::try_from(status.st_size).unwrap_or(0)))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// The reader has ended; what it says is the better reason.
fn unwritten(error: io::Error) -> Problem {
    Problem::failed("the archive", error)
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
