//! How much room a directory takes, with all that is below it.
//!
//! The tree belongs to a tenant who may change it meanwhile. It is walked by descriptors, so that no link and no mount leads
//! elsewhere, with two of them however deep it is: up again goes the way of `..`, and only where that is the
//! directory that we came from.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, fstat, openat, openat2, statat};
use rustix::io::Errno;

use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;

/// What is held at most of names that are still to be looked at, in bytes.
const HELD: usize = 64 * 1024 * 1024;

/// What a name or a level takes in memory besides its letters, in bytes.
const OVERHEAD: usize = 40;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// The size of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Files, directories and all else that has an inode.
    pub inodes: u64,
}

/// Measures the directory `name` in `parent`, which is ours; one that is not there takes no room.
///
/// # Errors
/// It cannot be read, took too long, or was moved meanwhile.
pub fn measure(parent: &Path, name: &str, deadline: Deadline) -> Result<Usage, Problem> {
    let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
    let top =
        openat(CWD, parent, flags, Mode::empty()).and_then(|parent| openat(parent, name, DIRECTORY, Mode::empty()));
    match top {
        Err(Errno::NOENT) => Ok(Usage::default()),
        Err(error) => Err(Obstacle::System(error)),
        Ok(top) => walk(top, deadline),
    }
    .map_err(|obstacle| obstacle.problem(&parent.join(name)))
}

/// Why a tree was not measured.
enum Obstacle {
    TooLarge,
    Moved,
    System(Errno),
}

impl From<Errno> for Obstacle {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

impl Obstacle {
    fn problem(self, path: &Path) -> Problem {
        let shown = path.display();
        match self {
            Self::TooLarge => Problem::TimedOut(format!(
                "{shown} has too many files to be measured within the time that there is for it."
            )),
            Self::Moved => Problem::Failed(format!(
                "{shown} could not be measured, because a directory in it was moved meanwhile. Try again."
            )),
            Self::System(error) => Problem::failed(&shown.to_string(), error),
        }
    }
}

fn walk(top: OwnedFd, deadline: Deadline) -> Result<Usage, Obstacle> {
    let device = fstat(&top)?.st_dev;
    let mut walk = Walk { usage: Usage::default(), device, held: 0, deadline };
    let mut levels: Vec<Level> = walk.look(&top)?.into_iter().collect();
    let mut here = top;
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.directories.pop() {
            let Some(below) = enter(&here, &name) else { continue };
            if let Some(level) = walk.look(&below)? {
                levels.push(level);
                here = below;
            }
        } else {
            walk.held = walk.held.saturating_sub(level.held);
            levels.pop();
            if let Some(above) = levels.last() {
                here = above.return_from(&here)?;
            }
        }
    }
    Ok(walk.usage)
}

/// Opens a directory below another one, unless it is something else by now or something is mounted on it.
fn enter(here: &OwnedFd, name: &CString) -> Option<OwnedFd> {
    match openat2(here, name.as_c_str(), DIRECTORY, Mode::empty(), ResolveFlags::NO_XDEV) {
        // A kernel or a sandbox without the call; the number of the device then tells most mounts.
        Err(Errno::NOSYS) => openat(here, name.as_c_str(), DIRECTORY, Mode::empty()).ok(),
        result => result.ok(),
    }
}

/// A directory on the way down.
struct Level {
    inode: u64,
    /// What is still to be looked at in it.
    directories: Vec<CString>,
    held: usize,
}

impl Level {
    /// This directory again, from one that was found in it.
    fn return_from(&self, below: &OwnedFd) -> Result<OwnedFd, Obstacle> {
        let above = openat(below, c"..", DIRECTORY, Mode::empty())?;
        if fstat(&above)?.st_ino == self.inode { Ok(above) } else { Err(Obstacle::Moved) }
    }
}

struct Walk {
    usage: Usage,
    device: u64,
    held: usize,
    deadline: Deadline,
}

impl Walk {
    /// Counts a directory and what is in it, and takes down what there is below; none on another device.
    fn look(&mut self, directory: &OwnedFd) -> Result<Option<Level>, Obstacle> {
        let status = fstat(directory)?;
        if status.st_dev != self.device {
            return Ok(None);
        }
        self.count(status.st_blocks);
        let mut level = Level { inode: status.st_ino, directories: Vec::new(), held: OVERHEAD };
        let mut buffer = [MaybeUninit::uninit(); 32 * 1024];
        let mut entries = RawDir::new(directory.as_fd(), &mut buffer);
        while let Some(entry) = entries.next() {
            if self.deadline.is_over() {
                return Err(Obstacle::TooLarge);
            }
            let Ok(entry) = entry else { break };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
            // What is gone by now takes no room.
            let Ok(status) = statat(directory, name, flags) else { continue };
            if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
                level.held = level.held.saturating_add(name.count_bytes()).saturating_add(OVERHEAD);
                level.directories.push(name.to_owned());
            } else {
                // Whatever device it names: on an overlay that is the one of the layer.
                self.count(status.st_blocks);
            }
        }
        self.held = self.held.saturating_add(level.held);
        if self.held > HELD { Err(Obstacle::TooLarge) } else { Ok(Some(level)) }
    }

    fn count(&mut self, blocks: i64) {
        let bytes = u64::try_from(blocks).unwrap_or(0).saturating_mul(512);
        self.usage.bytes = self.usage.bytes.saturating_add(bytes);
        self.usage.inodes = self.usage.inodes.saturating_add(1);
    }
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
