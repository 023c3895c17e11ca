//! Archives of files in homes. Debian's programs only turn one stream of bytes into another: they run as a user that has
//! nothing, see no file but the archive, and make none. What becomes a file is decided here, entry by entry, with the account's
//! privileges, while the stream arrives: so limits are those of what is there, not of what an archive claims.
//!
//! * [`pack`], [`unpack`] — a tree as a stream, and a stream as a tree
//! * [`placement`] — where a stream becomes a tree, and how that takes its place
//! * [`converter`] — the programs
//! * [`tar`], [`entry_path`], [`summary`] — the stream, the names in it, and what became of them

pub mod converter;
pub mod entry_path;
pub mod pack;
pub mod placement;
pub mod summary;
pub mod tar;
pub mod unpack;

use opterius_host::problem::Problem;

/// The most files, directories and links of an archive.
pub const MAX_ENTRIES: u64 = 100_000;

/// The most bytes of an archive's files.
pub const MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// The error after the deadline.
pub fn too_late() -> Problem {
    let sentence = "The archive takes longer than the time limit, and nothing was changed. Use SFTP or a shell for it.";
    Problem::TimedOut(sentence.to_owned())
}
