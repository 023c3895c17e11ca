//! The home of an account, and how files in it are opened.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2};
use rustix::io::Errno;

use crate::tree;
use opterius_base::text::one_line;
use opterius_host::problem::Problem;
use opterius_host::request::home_path::HomePath;

/// How often a path is opened again if something in it is moved meanwhile.
const ATTEMPTS: u32 = 100;

/// Longest path in an error message, in characters.
const MAX_SHOWN: usize = 200;

/// How a directory is opened to be read or changed.
pub const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// How something is opened to find out what it is, without an effect on it.
pub const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// An open home.
pub struct Home(OwnedFd);

impl Home {
    /// The home that is open as `descriptor`.
    pub fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// The home at `path`.
    #[cfg(test)]
    pub(crate) fn at(path: &std::path::Path) -> Result<Self, Errno> {
        rustix::fs::openat(rustix::fs::CWD, path, DIRECTORY, Mode::empty()).map(Self)
    }

    /// The home itself.
    ///
    /// # Errors
    /// The process has run out of file descriptors.
    pub fn top(&self) -> Result<OwnedFd, Problem> {
        self.open(b"", DIRECTORY).map_err(|error| obstacle("The home", error))
    }

    /// Opens `below`, relative to the home. Links are followed as long as they stay in the home, and no other file system is
    /// entered: a program of the tenant's may be behind it.
    ///
    /// # Errors
    /// Those of openat2(2): XDEV if the path leads out of the home or into another file system.
    pub fn open(&self, below: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let below = if below.is_empty() { b"." } else { below };
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        for _ in 0..ATTEMPTS {
            match openat2(&self.0, below, flags, Mode::empty(), within) {
                // Something was renamed while the kernel looked.
                Err(Errno::AGAIN) => {}
                opened => return opened,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Where `path` is, which need not exist.
    ///
    /// # Errors
    /// It is the home itself, or its directory cannot be opened.
    pub fn place(&self, path: &HomePath) -> Result<Place, Problem> {
        let Some((parent, name)) = path.parent_and_name() else {
            return Err(Problem::Conflict(format!("{path} is the account's home, which cannot be changed here.")));
        };
        let shown = shown(path);
        let directory = self.open(parent.as_bytes(), DIRECTORY);
        let directory = directory.map_err(|error| obstacle(&self::shown(path.absolute(parent)), error))?;
        let name = CString::new(name).map_err(|_| obstacle(&shown, Errno::INVAL))?;
        Ok(Place { directory, name, shown })
    }
}

/// A name in an open directory.
pub struct Place {
    /// The directory.
    pub directory: OwnedFd,
    /// The name.
    pub name: CString,
    /// The whole path, for messages.
    pub shown: String,
}

impl Place {
    /// Opens what is there without following a link, and without an effect on it. None if there is nothing.
    ///
    /// # Errors
    /// It is a mount point, or cannot be opened.
    pub fn look(&self) -> Result<Option<Found>, Problem> {
        let failed = |error| obstacle(&self.shown, error);
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let flags = LOOK | OFlags::NOFOLLOW;
        let descriptor = match openat2(&self.directory, self.name.as_c_str(), flags, Mode::empty(), within) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let status = fstat(&descriptor).map_err(failed)?;
        Ok(Some(Found { descriptor, status }))
    }

    /// The same, for what must be there.
    ///
    /// # Errors
    /// It is not, or those of [`Self::look`].
    pub fn find(&self) -> Result<Found, Problem> {
        self.look()?.ok_or_else(|| obstacle(&self.shown, Errno::NOENT))
    }

    /// The error of a system call with it.
    pub fn obstacle(&self, error: Errno) -> Problem {
        obstacle(&self.shown, error)
    }
}

/// What is at a place.
pub struct Found {
    /// A descriptor that only names it.
    pub descriptor: OwnedFd,
    /// Its metadata.
    pub status: Stat,
}

impl Found {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.status.st_mode) == FileType::Directory
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        FileType::from_raw_mode(self.status.st_mode) == FileType::RegularFile
    }

    /// Whether this is still what has the name.
    pub fn is_at(&self, directory: &OwnedFd, name: &CStr) -> bool {
        tree::metadata_at(directory, name).is_ok_and(|now| now.stx_ino == self.status.st_ino)
    }
}

/// A path for messages, in one line.
pub fn shown(path: impl std::fmt::Display) -> String {
    one_line(&path.to_string(), MAX_SHOWN)
}

/// What a system call says about the file at `path`, in words. What the tenant can correct is a conflict.
pub fn obstacle(path: &str, error: Errno) -> Problem {
    let sentence = match error {
        Errno::NOENT => return Problem::NotFound(format!("{path} does not exist.")),
        Errno::TIMEDOUT => {
            return Problem::TimedOut(format!("{path} took too long. Repeat the operation to continue it."));
        }
        Errno::NOTDIR => "is, or is below, a file where a directory is required",
        Errno::ISDIR => "is a directory",
        Errno::EXIST => "exists already",
        Errno::LOOP => "leads through a link that does not end in the account's home",
        Errno::XDEV => {
            "leads through a link out of the account's home, or to another file system. Neither is accessed here; use SFTP"
        }
        Errno::ACCESS | Errno::PERM => {
            "cannot be accessed by the account itself. Correct the permissions, the owner or the attributes first"
        }
        Errno::BUSY => "is in use, or another file system is mounted there",
        Errno::TXTBSY => "is a program that runs at the moment. End it first",
        Errno::NXIO => "is not a file with content",
        Errno::AGAIN | Errno::NOTEMPTY => "is being changed by a program at the moment. Try again",
        Errno::OVERFLOW | Errno::MLINK => "has more entries or links than are possible here. Use SFTP",
        Errno::NOTCONN | Errno::STALE => "is on a file system that does not answer",
        Errno::NAMETOOLONG => "is too long",
        error => return Problem::failed(path, error),
    };
    Problem::Conflict(format!("{path} {sentence}."))
}
