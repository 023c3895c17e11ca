//! Disk usage of a directory tree.
//!
//! The tree belongs to a tenant who can change it during the walk. The walk uses descriptors, so that no link and no mount
//! leads elsewhere, and only two of them, however deep the tree is: it returns through `..`, and checks that this is the
//! directory that it came from.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, RawDir, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;

use crate::tree;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;

/// Memory limit for the names of directories that remain to be visited, in bytes.
const MAX_PENDING: usize = 64 * 1024 * 1024;

/// Estimated memory overhead of a name or a level, in bytes.
const OVERHEAD: usize = 40;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// The disk usage of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Allocated bytes on disk.
    pub bytes: u64,
    /// Files, directories and everything else with an inode.
    pub inodes: u64,
}

/// Measures the directory `name` in `parent`, which must be trusted. A missing directory uses nothing.
///
/// # Errors
/// It cannot be read, measuring timed out, or a directory was moved meanwhile.
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

/// Why a tree could not be measured.
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
            Self::TooLarge => {
                Problem::TimedOut(format!("{shown} has too many files to be measured within the time limit."))
            }
            Self::Moved => Problem::Failed(format!(
                "{shown} could not be measured because a directory in it was moved meanwhile. Try again."
            )),
            Self::System(error) => Problem::failed(&shown.to_string(), error),
        }
    }
}

fn walk(top: OwnedFd, deadline: Deadline) -> Result<Usage, Obstacle> {
    let device = fstat(&top)?.st_dev;
    let mut walk = Walk { usage: Usage::default(), device, held: 0, deadline };
    let mut levels: Vec<Level> = walk.visit(&top)?.into_iter().collect();
    let mut here = top;
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.directories.pop() {
            let Some(below) = enter(&here, &name) else { continue };
            if let Some(level) = walk.visit(&below)? {
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

/// Opens a subdirectory, unless it has been replaced by something else or is a mount point.
fn enter(here: &OwnedFd, name: &CString) -> Option<OwnedFd> {
    match openat2(here, name.as_c_str(), DIRECTORY, Mode::empty(), ResolveFlags::NO_XDEV) {
        // The kernel or a sandbox does not provide the call. Most mounts are still detected by their device number.
        Err(Errno::NOSYS) => openat(here, name.as_c_str(), DIRECTORY, Mode::empty()).ok(),
        result => result.ok(),
    }
}

/// A directory on the path from the top to the current one.
struct Level {
    inode: u64,
    /// Subdirectories that remain to be visited.
    directories: Vec<CString>,
    held: usize,
}

impl Level {
    /// Reopens this directory from one of its subdirectories.
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
    /// Counts a directory and its entries, and returns its subdirectories; none if it is on another device.
    fn visit(&mut self, directory: &OwnedFd) -> Result<Option<Level>, Obstacle> {
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
            // Deleted meanwhile.
            let Ok(status) = tree::metadata_at(directory, name) else { continue };
            if tree::is_mount_point(&status) {
                continue;
            }
            if tree::is_directory(&status) {
                level.held = level.held.saturating_add(name.count_bytes()).saturating_add(OVERHEAD);
                level.directories.push(name.to_owned());
            } else {
                // Do not compare the device: on an overlay file system, it is the one of the layer.
                self.count(i64::try_from(status.stx_blocks).unwrap_or(0));
            }
        }
        self.held = self.held.saturating_add(level.held);
        if self.held > MAX_PENDING { Err(Obstacle::TooLarge) } else { Ok(Some(level)) }
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
