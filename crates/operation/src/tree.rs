//! Safe deletion of a directory tree with hostile content: through descriptors, without following links or entering mounts,
//! and with descriptors for only two levels, however deep the tree is. What cannot be deleted costs itself alone.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Statx, StatxAttributes, StatxFlags, openat, openat2,
    renameat, statx, unlinkat,
};
use rustix::io::Errno;

use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;

/// Deletes the directory at `path` with everything in it; does nothing if it does not exist. Only root must be able to
/// write to its parent directory. Several processes can delete the same directory concurrently.
///
/// # Errors
/// Part of it cannot be deleted: a file system is mounted in it, a file is immutable, the deadline has passed (repeating the
/// call continues the deletion), or a system call failed. Everything else in it is deleted.
pub fn remove(path: &Path, deadline: Deadline) -> Result<(), Problem> {
    let name = CString::new(path.as_os_str().as_bytes());
    let name = name.map_err(|_| Problem::failed(&path.display().to_string(), Errno::INVAL))?;
    remove_at(CWD, &name, deadline).map_err(|error| problem(path, error))
}

/// Deletes `name` in an open directory, with everything in it.
///
/// # Errors
/// Those of [`remove`], as the first error of the system.
pub fn remove_at(parent: impl AsFd, name: &CStr, deadline: Deadline) -> Result<(), Errno> {
    let top = match openat(&parent, name, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        // A link or a file: delete it.
        Err(Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => return gone(unlinkat(&parent, name, AtFlags::empty())),
        opened => opened?,
    };
    loop {
        match empty(&top, deadline).and_then(|()| unlinkat(&parent, name, AtFlags::REMOVEDIR)) {
            // Something was added meanwhile, or a concurrent deletion has just moved something up into it.
            Err(Errno::NOTEMPTY) if !deadline.is_over() => {}
            Err(Errno::NOTEMPTY) => return Err(Errno::TIMEDOUT),
            removed => return gone(removed),
        }
    }
}

/// A concurrent deletion may have been faster.
fn gone(result: Result<(), Errno>) -> Result<(), Errno> {
    if result == Err(Errno::NOENT) { Ok(()) } else { result }
}

/// Why part of a tree was not deleted, and the command that fixes it.
fn problem(path: &Path, error: Errno) -> Problem {
    let shown = path.display();
    match error {
        Errno::BUSY | Errno::XDEV => Problem::Conflict(format!(
            "A file system is mounted at or below {shown}, and its files were not deleted. Unmount it (findmnt -R shows it: \
             umount -R {shown}), then run: rm -rf --one-file-system {shown}"
        )),
        Errno::PERM => Problem::Conflict(format!(
            "{shown} contains a file with the attribute i or a, which cannot be deleted. Run: chattr -R -f -ia {shown}; rm -rf \
             --one-file-system {shown}"
        )),
        Errno::TIMEDOUT => Problem::TimedOut(format!(
            "{shown} has more files than can be deleted within the time limit. The next deletion of an account continues; to \
             delete it now, run: rm -rf --one-file-system {shown}"
        )),
        error => Problem::failed(&shown.to_string(), error),
    }
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Empties the top directory. Subdirectories of its directories are first moved up into it, so that there are never more
/// than two levels. Returns the first error, once everything else is deleted.
fn empty(top: &OwnedFd, deadline: Deadline) -> Result<(), Errno> {
    let mut round = Round { deadline, moved: 0, made_progress: true, obstacle: None };
    while round.made_progress {
        round.made_progress = false;
        round.obstacle = None;
        let names = names(top)?;
        for name in names {
            match round.delete(top, &name) {
                Err(Errno::TIMEDOUT) => return Err(Errno::TIMEDOUT),
                Err(error) => round.obstacle = round.obstacle.or(Some(error)),
                Ok(()) => {}
            }
        }
    }
    round.obstacle.map_or(Ok(()), Err)
}

/// One pass over the top directory.
struct Round {
    deadline: Deadline,
    moved: u64,
    made_progress: bool,
    obstacle: Option<Errno>,
}

impl Round {
    /// Deletes a file, or a directory and the files in it.
    fn delete(&mut self, top: &OwnedFd, name: &CStr) -> Result<(), Errno> {
        if self.unlink_file(top, name)? {
            return Ok(());
        }
        let Some(directory) = open_below(top, name)? else { return Ok(()) };
        let mut obstacle = None;
        for inner in match names(&directory) {
            Err(Errno::NOENT) => return Ok(()),
            read => read?,
        } {
            let deleted = self
                .unlink_file(&directory, &inner)
                .and_then(|is_file| if is_file { Ok(()) } else { self.move_up(&directory, &inner, top) });
            match deleted {
                Err(Errno::TIMEDOUT) => return Err(Errno::TIMEDOUT),
                Err(error) => obstacle = obstacle.or(Some(error)),
                Ok(()) => {}
            }
        }
        match unlinkat(top, name, AtFlags::REMOVEDIR) {
            Ok(()) => self.made_progress = true,
            // Something was added meanwhile, or there were more names than one listing returns: the next round handles it.
            Err(Errno::NOENT | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            Err(error) => obstacle = obstacle.or(Some(error)),
        }
        obstacle.map_or(Ok(()), Err)
    }

    /// Deletes a file; false if it is a directory.
    fn unlink_file(&mut self, directory: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
        if self.deadline.is_over() {
            return Err(Errno::TIMEDOUT);
        }
        match unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) => {
                self.made_progress = true;
                Ok(true)
            }
            Err(Errno::NOENT) => Ok(true),
            Err(Errno::ISDIR) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn move_up(&mut self, from: &OwnedFd, name: &CStr, top: &OwnedFd) -> Result<(), Errno> {
        loop {
            self.moved = self.moved.wrapping_add(1);
            let Ok(fresh) = CString::new(format!(".opterius-deleted-{}", self.moved)) else { return Err(Errno::INVAL) };
            match renameat(from.as_fd(), name, top, &fresh) {
                Ok(()) => {
                    self.made_progress = true;
                    return Ok(());
                }
                Err(Errno::NOENT) => return Ok(()),
                // The name exists.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR | Errno::ISDIR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Names in a directory, up to a limit that bounds the memory; none if it is empty.
///
/// # Errors
/// The directory cannot be read.
pub fn names(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    const MAX_NAMES: usize = 10_000;
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
        if names.len() == MAX_NAMES {
            break;
        }
    }
    Ok(names)
}

/// The metadata of `name` in an open directory, as far as the kernel knows it: the program behind a file system that a tenant
/// has mounted there is not asked, because it need not answer. Of a mount point, they tell nothing but
/// [`is_mount_point`].
///
/// # Errors
/// There is no such file.
pub fn metadata_at(directory: impl AsFd, name: &CStr) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    statx(directory, name, flags, StatxFlags::BASIC_STATS)
}

/// Whether a file system is mounted there.
pub fn is_mount_point(metadata: &Statx) -> bool {
    metadata.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

/// Whether it is a regular file.
pub fn is_file(metadata: &Statx) -> bool {
    FileType::from_raw_mode(metadata.stx_mode.into()) == FileType::RegularFile
}

/// Whether it is a directory.
pub fn is_directory(metadata: &Statx) -> bool {
    FileType::from_raw_mode(metadata.stx_mode.into()) == FileType::Directory
}

/// Opens a directory, unless it is a mount point, even of the same file system. None if it is no directory any more.
///
/// # Errors
/// It is a mount point, or cannot be opened.
pub fn open_below(top: &OwnedFd, name: &CStr) -> Result<Option<OwnedFd>, Errno> {
    let within = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    match openat2(top, name, DIRECTORY, Mode::empty(), within) {
        Ok(directory) => Ok(Some(directory)),
        // It was replaced by something else: the next round handles it.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::AGAIN) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("opterius-tree-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn soon() -> Deadline {
        Deadline::within(Duration::from_secs(60))
    }

    #[test]
    fn a_tree_can_be_deleted_concurrently() {
        let scratch = Scratch::new("together");
        for round in 0..40 {
            let top = scratch.0.join(format!("top-{round}"));
            for number in 0..20 {
                let deep = top.join(format!("{number}/a/b/c"));
                fs::create_dir_all(&deep).unwrap();
                fs::write(deep.join("file"), "").unwrap();
            }
            let delete = || remove(&top, soon()).map_err(|problem| problem.message());
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(delete)).collect();
                for thread in threads {
                    assert_eq!(thread.join().unwrap(), Ok(()));
                }
            });
            assert!(!top.exists());
        }
    }

    #[test]
    fn a_tree_is_deleted_and_nothing_outside_of_it() {
        let scratch = Scratch::new("whole");
        let (tree, outside) = (scratch.0.join("tree"), scratch.0.join("outside"));
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::create_dir_all(tree.join("a/.opterius-deleted-1/x")).unwrap();
        fs::create_dir_all(tree.join(".opterius-deleted-1/full")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "kept").unwrap();
        fs::write(tree.join("a/b/file"), "").unwrap();
        fs::hard_link(outside.join("file"), tree.join("hard")).unwrap();
        symlink(&outside, tree.join("link")).unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        symlink("..", tree.join("a/b/up")).unwrap();
        remove(&tree, soon()).unwrap();
        assert!(!tree.exists());
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "kept");
        remove(&tree, soon()).unwrap();
    }

    #[test]
    fn a_link_instead_of_the_tree_is_deleted_and_not_followed() {
        let scratch = Scratch::new("link");
        fs::create_dir(scratch.0.join("outside")).unwrap();
        symlink(scratch.0.join("outside"), scratch.0.join("tree")).unwrap();
        remove(&scratch.0.join("tree"), soon()).unwrap();
        assert!(scratch.0.join("outside").is_dir() && fs::symlink_metadata(scratch.0.join("tree")).is_err());
    }

    #[test]
    fn mount_points_are_seen_without_entering_them() {
        let look = |name: &CStr| metadata_at(CWD, name).unwrap();
        assert!(is_mount_point(&look(c"/proc")) && !is_mount_point(&look(c"/proc/self")));
        assert!(is_directory(&look(c"/etc")) && is_file(&look(c"/etc/passwd")) && !is_file(&look(c"/etc")));
    }

    #[test]
    fn depth_takes_no_descriptors() {
        let scratch = Scratch::new("deep");
        let tree = scratch.0.join("tree");
        fs::create_dir(&tree).unwrap();
        let mut directory = openat(CWD, &tree, DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..5000 {
            rustix::fs::mkdirat(&directory, c"d", Mode::RWXU).unwrap();
            directory = openat(&directory, c"d", DIRECTORY, Mode::empty()).unwrap();
        }
        drop(directory);
        remove(&tree, soon()).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn the_next_call_continues_after_a_timeout() {
        let scratch = Scratch::new("late");
        let tree = scratch.0.join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("file"), "").unwrap();
        assert!(matches!(remove(&tree, Deadline::within(Duration::ZERO)), Err(Problem::TimedOut(_))));
        remove(&tree, soon()).unwrap();
        assert!(!tree.exists());
    }
}
