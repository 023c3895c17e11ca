//! The file of an archive that is unpacked: its format, which its name says and its content must begin like, and for a zip archive
//! a copy that no process of the account's can change.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags, SeekFrom, openat};
use rustix::io::Errno;

use crate::files::archive::{self, Limits};
use crate::files::home::obstacle;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;

/// Bytes that are copied between two looks at the time.
const COPIED_AT_ONCE: u64 = 16 * 1024 * 1024;

/// What an archive is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A zip archive.
    Zip,
    /// A tar archive, compressed with gzip.
    TarGz,
}

/// How the names of archives end.
const FORMATS: [(&str, Format); 3] = [(".zip", Format::Zip), (".tar.gz", Format::TarGz), (".tgz", Format::TarGz)];

impl Format {
    /// The format that a name says; none if it is not an archive's.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        FORMATS.into_iter().find_map(|(end, format)| name.ends_with(end).then_some(format))
    }

    /// How the content begins; of a zip archive, also if it is empty.
    const fn beginnings(self) -> &'static [&'static [u8]] {
        match self {
            Self::Zip => &[b"PK\x03\x04", b"PK\x05\x06"],
            Self::TarGz => &[b"\x1f\x8b"],
        }
    }
}

/// An archive that is unpacked.
pub struct Source {
    /// The open file, at its beginning.
    pub file: File,
    /// Its path, for messages.
    pub shown: String,
    /// What its name says.
    pub format: Format,
    /// Its size in bytes.
    pub size: u64,
}

impl Source {
    /// Checks that the file begins as its name says.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self) -> Result<(), Problem> {
        let begins = |with: &&[u8]| {
            let mut first = vec![0; with.len()];
            self.file.read_exact_at(&mut first, 0).is_ok() && first == *with
        };
        if self.format.beginnings().iter().any(begins) {
            return Ok(());
        }
        Err(Problem::Conflict(format!("{} is no archive of the kind that its name says.", self.shown)))
    }

    /// A checked copy in a file without a name in this directory. No process of the account's can change it, so that the program
    /// reads what was checked.
    ///
    /// # Errors
    /// It is too large, the file system has no space or no files without a name, the deadline has passed, or the copy does not
    /// begin as the name says.
    pub fn copied(self, directory: &OwnedFd, deadline: Deadline) -> Result<Self, Problem> {
        let failed = |error: Errno| obstacle(&self.shown, error);
        let most = Limits::ARCHIVE.bytes;
        if self.size > most {
            let sentence = format!("{} has more than {most} bytes. Use SFTP or a shell for it.", self.shown);
            return Err(Problem::Conflict(sentence));
        }
        let mut copy = without_name(directory, &self.shown)?;
        let mut left = self.size;
        while left > 0 {
            if deadline.is_over() {
                return Err(archive::too_late());
            }
            let copied = io::copy(&mut (&self.file).take(left.min(COPIED_AT_ONCE)), &mut copy);
            match copied.map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))? {
                0 => break,
                copied => left = left.saturating_sub(copied),
            }
        }
        rustix::fs::seek(&copy, SeekFrom::Start(0)).map_err(failed)?;
        let source = Self { file: copy, ..self };
        source.check()?;
        Ok(source)
    }
}

fn without_name(directory: &OwnedFd, shown: &str) -> Result<File, Problem> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(directory, c".", flags, Mode::RUSR | Mode::WUSR).map_err(|error| match error {
        // Of the file system, or of a kernel that does not know the flag.
        Errno::OPNOTSUPP | Errno::ISDIR => Problem::Conflict(format!(
            "{shown} is on a file system that cannot hold a file without a name, which a zip archive needs. Use SFTP or a shell \
             for it."
        )),
        error => obstacle(shown, error),
    });
    file.map(File::from)
}
