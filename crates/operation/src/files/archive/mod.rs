//! Archives of files in homes. Debian's programs only turn one stream of bytes into another: they run as a user that has
//! nothing, see no file but the archive, and make none. What becomes a file is decided here, entry by entry, with the account's
//! privileges, while the stream arrives: so limits are those of what is there, not of what an archive claims.
//!
//! * [`pack`], [`unpack`] — a tree as a stream, and a stream as a tree
//! * [`merge`] — a tree in the place of another
//! * [`placement`] — where a stream becomes a tree, and how that takes its place
//! * [`source`], [`converter`] — the file of an archive, and the programs
//! * [`tar`], [`pax`], [`entry_path`], [`summary`] — the stream, the names in it, and what became of them

pub mod converter;
pub mod entry_path;
pub mod merge;
pub mod pack;
pub mod pax;
pub mod placement;
pub mod source;
pub mod summary;
pub mod tar;
pub mod unpack;

use opterius_host::problem::Problem;

/// What an archive may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most files, directories and links.
    pub entries: u64,
    /// The most bytes of files.
    pub bytes: u64,
}

impl Limits {
    /// Those of an archive in a home.
    pub const ARCHIVE: Self = Self { entries: 100_000, bytes: 4 * 1024 * 1024 * 1024 };

    /// The error for too many entries.
    pub fn too_many(self) -> Problem {
        let most = self.entries;
        Problem::Conflict(format!("An archive may have at most {most} files and directories, and this one has more."))
    }
}

/// The most directories in each other: each takes a descriptor.
pub const MAX_DEPTH: usize = 256;

/// The error after the deadline.
pub fn too_late() -> Problem {
    let sentence = "The archive takes longer than the time limit, and nothing was changed. Use SFTP or a shell for it.";
    Problem::TimedOut(sentence.to_owned())
}
