//! What is in a backup: a tar archive, compressed with gzip, with the directories `databases/` and then `home/`.

use std::fs::File;
use std::io::{self, BufWriter, PipeWriter, Write};
use std::os::fd::OwnedFd;

use rustix::fs::fstatvfs;
use rustix::io::Errno;

use crate::backups::directory::beside_reserve;
use crate::files::archive::Limits;

/// The directory with the files of the home.
pub const HOME: &str = "home";

/// The directory with dumps of databases, `ENGINE/NAME`.
pub const DATABASES: &str = "databases";

/// What a backup may contain.
pub const LIMITS: Limits = Limits { entries: 2_000_000, bytes: 1 << 42 };

/// Size of the buffers between the tree and the stream.
pub const BUFFER: usize = 64 * 1024;

/// Bytes between two looks at the disk.
pub const LOOK_INTERVAL: u64 = 16 * 1024 * 1024;

/// The stream to the program that compresses it. It fails before the disk is full: the backups' disk is the server's own, as a rule.
pub struct Outgoing {
    stream: BufWriter<PipeWriter>,
    /// The file that the program writes to.
    archive: OwnedFd,
    until_look: u64,
}

impl Outgoing {
    /// A stream to a program that writes to this file.
    ///
    /// # Errors
    /// The process has run out of file descriptors.
    pub fn new(stream: PipeWriter, archive: &File) -> io::Result<Self> {
        let archive = archive.try_clone()?.into();
        Ok(Self { stream: BufWriter::with_capacity(BUFFER, stream), archive, until_look: 0 })
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes)?;
        let Some(left) = self.until_look.checked_sub(u64::try_from(written).unwrap_or(u64::MAX)) else {
            if beside_reserve(&fstatvfs(&self.archive)?).is_none() {
                return Err(Errno::NOSPC.into());
            }
            self.until_look = LOOK_INTERVAL;
            return Ok(written);
        };
        self.until_look = left;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
