//! A stream becomes a tree, in a directory that the account's processes can change meanwhile: no link is followed in it, not
//! one of theirs and not one from the archive.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps, fchmod, futimens, linkat, mkdirat, openat, openat2,
    symlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::files::archive::entry_path::EntryPath;
use crate::files::archive::summary::{Summary, name_shown};
use crate::files::archive::tar::{Entry, Kind, TarReader};
use crate::files::archive::{Limits, too_late};
use crate::files::home::{DIRECTORY, obstacle};
use crate::tree;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;

/// How many times as large as the archive its files may be.
const MAX_RATIO: u64 = 200;

/// How large they may be, however small the archive.
const ALWAYS_ALLOWED: u64 = 64 * 1024 * 1024;

/// How many bytes the files of an archive of this size may have.
pub fn allowance(archive: u64) -> u64 {
    archive.saturating_mul(MAX_RATIO).clamp(ALWAYS_ALLOWED, Limits::ARCHIVE.bytes)
}

/// What is made of a stream.
pub struct Rules {
    /// How much.
    pub limits: Limits,
    /// The permissions that files and directories may have.
    pub mode: u32,
    /// Whether files and directories have exactly these, also without those of the owner or with more than our umask leaves.
    pub keeps_modes: bool,
    /// Whether links that lead out of the archive are made.
    pub keeps_links: bool,
    /// Where an entry is made.
    pub place: Box<Placing>,
}

/// Where an entry of this name is made; none if it is not.
pub type Placing = dyn Fn(&[u8]) -> Option<Vec<u8>>;

impl Rules {
    /// Those for an archive of this many bytes, which can come from anybody.
    pub fn of_archive(size: u64) -> Self {
        let limits = Limits { bytes: allowance(size), ..Limits::ARCHIVE };
        Self {
            limits,
            mode: 0o755,
            keeps_modes: false,
            keeps_links: false,
            place: Box::new(|name| Some(name.to_vec())),
        }
    }
}

/// Makes everything in the stream below `top`, which is empty.
///
/// # Errors
/// A limit is exceeded, an entry would be outside of the directory, the stream is broken, the disk is full, or the deadline has
/// passed. What is there already stays.
pub fn unpack(top: &OwnedFd, stream: impl Read, rules: Rules, deadline: Deadline) -> Result<Summary, Problem> {
    let summary = Summary::within(rules.limits);
    let mut unpacking = Unpacking { top, summary, rules, deadline };
    let mut reader = TarReader::new(stream);
    while let Some(entry) = reader.next_entry().map_err(|error| unreadable(&error))? {
        if deadline.is_over() {
            return Err(too_late());
        }
        let refused = |why: &str| {
            let sentence = format!("The archive was not unpacked: “{}” {why}.", name_shown(&entry.name));
            Problem::Conflict(sentence)
        };
        let Some(name) = (unpacking.rules.place)(&entry.name) else { continue };
        let Some(path) = EntryPath::parse(&name).map_err(refused)? else { continue };
        unpacking.make(&path, entry, &mut reader)?;
    }
    Ok(unpacking.summary)
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::Conflict(match error.kind() {
        ErrorKind::UnexpectedEof => "The archive is damaged or incomplete, and was not unpacked.".to_owned(),
        ErrorKind::Unsupported => {
            "The archive has a sparse file, a form of which is not read here, and was not unpacked. Make it without “--sparse”, or use \
             SFTP or a shell."
                .to_owned()
        }
        _ => "The archive cannot be read, and was not unpacked.".to_owned(),
    })
}

struct Unpacking<'a> {
    top: &'a OwnedFd,
    summary: Summary,
    rules: Rules,
    deadline: Deadline,
}

impl Unpacking<'_> {
    fn make(&mut self, path: &EntryPath, entry: Entry, content: &mut impl Read) -> Result<(), Problem> {
        let Entry { name, kind, mode, modified } = entry;
        let failed = |error| failure(&name, error);
        let mode = mode & self.rules.mode;
        match kind {
            Kind::Other => return self.summary.skip(&name, "is a device or a FIFO"),
            Kind::Link(target) if !self.rules.keeps_links && !path.may_link_to(&target) => {
                return self.summary.skip(&name, "is a link out of the archive");
            }
            Kind::Directory => {
                let parent = self.parent(path).map_err(failed)?;
                // Without these, nothing could be made in it.
                let mode = mode | 0o700;
                let is_new = make_directory(&parent, path, mode).map_err(failed)?;
                if is_new && self.rules.keeps_modes {
                    let made = openat(&parent, path.name(), DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
                    made.and_then(|made| fchmod(made, Mode::from_raw_mode(mode))).map_err(failed)?;
                }
            }
            Kind::Link(target) => {
                let parent = self.parent(path).map_err(failed)?;
                make_anew(&parent, path, || symlinkat(&*target, &parent, path.name())).map_err(failed)?;
            }
            Kind::HardLink(target) => {
                let original = EntryPath::parse(&target).ok().flatten().ok_or_else(|| failed(Errno::XDEV))?;
                let from = open_parents(self.top, original.parents(), false).map_err(failed)?;
                if !tree::metadata_at(&from, original.name()).is_ok_and(|it| tree::is_file(&it)) {
                    return Err(failed(Errno::XDEV));
                }
                let parent = self.parent(path).map_err(failed)?;
                let link = || linkat(&from, original.name(), &parent, path.name(), AtFlags::empty());
                make_anew(&parent, path, link).map_err(failed)?;
            }
            Kind::File(_) => {
                let parent = self.parent(path).map_err(failed)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let create = || openat(&parent, path.name(), flags, Mode::RUSR | Mode::WUSR);
                let file = make_anew(&parent, path, create).map_err(failed)?;
                let mode = if self.rules.keeps_modes { mode } else { mode | 0o600 };
                self.fill(File::from(file), &name, mode, modified, content)?;
            }
        }
        self.summary.count()
    }

    /// Opens the directory of an entry, and makes it if the archive has no entry for it.
    fn parent(&self, path: &EntryPath) -> Result<OwnedFd, Errno> {
        open_parents(self.top, path.parents(), true)
    }

    fn fill(
        &mut self,
        mut file: File,
        name: &[u8],
        mode: u32,
        modified: u64,
        content: &mut impl Read,
    ) -> Result<(), Problem> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = content.read(&mut buffer).map_err(|error| unreadable(&error))?;
            if read == 0 {
                // A time that the file system cannot store is left out.
                let _ = futimens(&file, &times(modified));
                return fchmod(&file, Mode::from_raw_mode(mode)).map_err(|error| failure(name, error));
            }
            if !self.summary.add_bytes(u64::try_from(read).unwrap_or(u64::MAX)) {
                return Err(Problem::Conflict(format!(
                    "The archive was not unpacked: its files have more than {} bytes, which is more than an archive of its size \
                     may contain here. Use SFTP or a shell for it.",
                    self.rules.limits.bytes
                )));
            }
            if self.deadline.is_over() {
                return Err(too_late());
            }
            let written = file.write_all(buffer.get(..read).unwrap_or_default());
            written.map_err(|error| failure(name, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        }
    }
}

fn times(modified: u64) -> Timestamps {
    let at = Timespec { tv_sec: i64::try_from(modified).unwrap_or(0), tv_nsec: 0 };
    Timestamps { last_access: at, last_modification: at }
}

/// What prevents an entry from being made.
fn failure(name: &[u8], error: Errno) -> Problem {
    let name = name_shown(name);
    match error {
        Errno::LOOP | Errno::NOTDIR | Errno::XDEV | Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY => {
            Problem::Conflict(format!(
                "The archive was not unpacked: “{name}” is below, or in the place of, another entry that is a link or a file, or is \
             another name of something that the archive does not contain."
            ))
        }
        error => obstacle(&format!("“{name}” from the archive"), error),
    }
}

/// Makes something, in the place of an earlier entry of the same name if there is one.
fn make_anew<T>(parent: &OwnedFd, path: &EntryPath, make: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    match make() {
        Err(Errno::EXIST) => {
            unlinkat(parent, path.name(), AtFlags::empty())?;
            make()
        }
        made => made,
    }
}

/// Makes a directory, unless it is there. Returns whether it is new.
fn make_directory(parent: &OwnedFd, path: &EntryPath, mode: u32) -> Result<bool, Errno> {
    match mkdirat(parent, path.name(), Mode::from_raw_mode(mode)) {
        Err(Errno::EXIST) if tree::metadata_at(parent, path.name()).is_ok_and(|it| tree::is_directory(&it)) => {
            Ok(false)
        }
        made => made.map(|()| true),
    }
}

/// Opens a directory below `top`, without following links.
fn open_parents(top: &OwnedFd, parents: &[CString], may_make: bool) -> Result<OwnedFd, Errno> {
    let within =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let open = |from: &OwnedFd, path: &[u8]| openat2(from, path, DIRECTORY, Mode::empty(), within);
    let names: Vec<&[u8]> = parents.iter().map(|name| name.to_bytes()).collect();
    let whole = if names.is_empty() { b".".to_vec() } else { names.join(&b'/') };
    match open(top, &whole) {
        Err(Errno::NOENT) if may_make => {}
        opened => return opened,
    }
    let mut directory = open(top, b".")?;
    for name in parents {
        match mkdirat(&directory, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => directory = open(&directory, name.to_bytes())?,
            Err(error) => return Err(error),
        }
    }
    Ok(directory)
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
