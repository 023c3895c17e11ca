//! Safe deletion of a directory tree with hostile content: through descriptors, without following links or entering mounts,
//! and with descriptors for only two levels, however deep the tree is.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, openat, openat2, renameat, unlinkat};
use rustix::io::Errno;

use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;

/// Deletes the directory at `path` with everything in it; does nothing if it does not exist. Only root must be able to
/// write to its parent directory. Several processes can delete the same directory concurrently.
///
/// # Errors
/// A file system is mounted in it, the deadline has passed (repeating the call continues the deletion), or a system call
/// failed.
pub fn remove(path: &Path, deadline: Deadline) -> Result<(), Problem> {
    let failed = |error: Errno| {
        let shown = path.display();
        match error {
            Errno::BUSY | Errno::XDEV => Problem::Conflict(format!(
                "A file system is mounted below {shown}, and its files were not deleted. Unmount it (findmnt -R shows it) \
                 and repeat the operation."
            )),
            Errno::TIMEDOUT => Problem::TimedOut(format!(
                "{shown} has too many files to delete within the time limit. Repeat the operation to continue."
            )),
            error => Problem::failed(&shown.to_string(), error),
        }
    };
    let top = match openat(CWD, path, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        // A link or a file: delete it.
        Err(Errno::NOTDIR | Errno::LOOP) => return unlinkat(CWD, path, AtFlags::empty()).map_err(failed),
        opened => opened.map_err(failed)?,
    };
    loop {
        match empty(&top, deadline).and_then(|()| unlinkat(CWD, path, AtFlags::REMOVEDIR)) {
            // A concurrent deletion has finished, or has just moved something up into it.
            Err(Errno::NOENT) => return Ok(()),
            Err(Errno::NOTEMPTY) if !deadline.is_over() => {}
            removed => return removed.map_err(failed),
        }
    }
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Empties the top directory. Subdirectories of its directories are first moved up into it, so that there are never more
/// than two levels.
fn empty(top: &OwnedFd, deadline: Deadline) -> Result<(), Errno> {
    let mut moved: u64 = 0;
    loop {
        let mut found_any = false;
        for name in names(top)? {
            found_any = true;
            if unlink_file(top, &name, deadline)? {
                continue;
            }
            let Some(directory) = open_below(top, &name)? else { continue };
            let inner_names = match names(&directory) {
                Err(Errno::NOENT) => continue,
                read => read?,
            };
            for inner in inner_names {
                if !unlink_file(&directory, &inner, deadline)? {
                    moved = move_up(&directory, &inner, top, moved)?;
                }
            }
            match unlinkat(top, &name, AtFlags::REMOVEDIR) {
                // Something was added meanwhile, or there were more names than one listing returns: repeat.
                Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                Err(error) => return Err(error),
            }
        }
        if !found_any {
            return Ok(());
        }
    }
}

/// Names in a directory, up to a limit that bounds the memory; none if it is empty.
fn names(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
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

/// Deletes a file; false if it is a directory.
fn unlink_file(directory: &OwnedFd, name: &CStr, deadline: Deadline) -> Result<bool, Errno> {
    if deadline.is_over() {
        return Err(Errno::TIMEDOUT);
    }
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a directory, unless it is a mount point, even of the same file system.
fn open_below(top: &OwnedFd, name: &CStr) -> Result<Option<OwnedFd>, Errno> {
    let within = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    match openat2(top, name, DIRECTORY, Mode::empty(), within) {
        Ok(directory) => Ok(Some(directory)),
        // It was replaced by something else: the next round handles it.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error),
    }
}

fn move_up(from: &OwnedFd, name: &CStr, top: &OwnedFd, mut moved: u64) -> Result<u64, Errno> {
    loop {
        moved = moved.wrapping_add(1);
        let Ok(fresh) = CString::new(format!(".opterius-deleted-{moved}")) else { return Err(Errno::INVAL) };
        match renameat(from.as_fd(), name, top, &fresh) {
            Ok(()) | Err(Errno::NOENT) => return Ok(moved),
            // The name exists.
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR | Errno::ISDIR) => {}
            Err(error) => return Err(error),
        }
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
