//! A tree takes its place in another one, file by file. Nothing is deleted but what a file replaces.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, RenameFlags, fchmod, mkdirat, renameat, renameat_with};
use rustix::io::Errno;

use crate::files::archive::placement::names;
use crate::files::archive::summary::name_shown;
use crate::files::archive::{Limits, MAX_DEPTH, too_late};
use crate::files::home::obstacle;
use crate::tree;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;

/// What took its place.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Files and links.
    pub restored: u64,
    /// Files and links that did not.
    pub skipped: u64,
    /// The first of them, and why.
    pub first_skipped: Option<String>,
    /// Entries that the backup should have, and has not.
    pub missing: u64,
}

impl Merged {
    fn skip(&mut self, path: &[u8], why: &str) {
        self.skipped = self.skipped.saturating_add(1);
        self.first_skipped.get_or_insert_with(|| format!("“{}” {why}", name_shown(path)));
    }

    /// Warnings for the answer.
    pub fn warnings(&self) -> Vec<String> {
        let first = self.first_skipped.iter();
        let skipped = first.map(|first| format!("Not restored: {} files; the first of them, {first}.", self.skipped));
        let missing = (self.missing > 0).then(|| {
            format!(
                "The backup is incomplete: {} files and directories that it should have are not in it. The rest was restored.",
                self.missing
            )
        });
        skipped.chain(missing).collect()
    }
}

/// Moves everything in `from` to where it belongs in `to`. A file replaces a file or a link, if `overwrite` says so, and nothing
/// takes the place of a directory.
///
/// # Errors
/// A directory cannot be read, the disk is full, or the deadline has passed. What was moved stays, and a repeat continues.
pub fn merge(from: &OwnedFd, to: &OwnedFd, overwrite: bool, deadline: Deadline) -> Result<Merged, Problem> {
    let mut merging = Merging { merged: Merged::default(), overwrite, deadline };
    merging.directory(from, to, &mut Vec::new(), 0)?;
    Ok(merging.merged)
}

struct Merging {
    merged: Merged,
    overwrite: bool,
    deadline: Deadline,
}

impl Merging {
    fn directory(&mut self, from: &OwnedFd, to: &OwnedFd, path: &mut Vec<u8>, depth: usize) -> Result<(), Problem> {
        let names = names(from, Limits { entries: u64::MAX, ..Limits::ARCHIVE })
            .map_err(|error| obstacle(&name_shown(path), error))?;
        for name in names {
            if self.deadline.is_over() {
                return Err(too_late());
            }
            let above = path.len();
            path.extend_from_slice(name.to_bytes());
            self.entry(from, to, &name, path, depth)?;
            path.truncate(above);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        name: &CStr,
        path: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Problem> {
        let Ok(new) = tree::metadata_at(from, name) else { return Ok(()) };
        if tree::is_directory(&new) {
            let mode = Mode::from_raw_mode(u32::from(new.stx_mode) & 0o777);
            return self.subdirectory(from, to, name, mode, path, depth);
        }
        let moved = match tree::metadata_at(to, name).ok() {
            None => renameat_with(from, name, to, name, RenameFlags::NOREPLACE),
            Some(existing) if tree::is_directory(&existing) => {
                self.merged.skip(path, "is a file in the backup, and a directory is there");
                return Ok(());
            }
            Some(_) if self.overwrite => renameat(from, name, to, name),
            Some(_) => Err(Errno::EXIST),
        };
        match moved {
            Ok(()) => self.merged.restored = self.merged.restored.saturating_add(1),
            Err(Errno::EXIST) => self.merged.skip(path, "exists already"),
            Err(error) => return self.refused(path, error),
        }
        Ok(())
    }

    /// A directory with everything in it.
    fn subdirectory(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        name: &CStr,
        mode: Mode,
        path: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), Problem> {
        let mut is_new = false;
        match tree::metadata_at(to, name).ok() {
            None => match mkdirat(to, name, mode) {
                Ok(()) => is_new = true,
                Err(Errno::EXIST) => {}
                Err(error) => return self.refused(path, error),
            },
            Some(existing) if !tree::is_directory(&existing) => {
                self.merged.skip(path, "is a directory in the backup, and something else is there");
                return Ok(());
            }
            Some(_) => {}
        }
        let opened = (tree::open_below(from, name), tree::open_below(to, name));
        let (Ok(Some(from)), Ok(Some(to))) = opened else {
            self.merged.skip(path, "cannot be entered, or is another file system");
            return Ok(());
        };
        if is_new {
            // The umask has had a part in it.
            fchmod(&to, mode).map_err(|error| obstacle(&name_shown(path), error))?;
        }
        if depth >= MAX_DEPTH {
            self.merged.skip(path, "is in too many directories");
            return Ok(());
        }
        path.push(b'/');
        self.directory(&from, &to, path, depth.saturating_add(1))
    }

    /// What the account itself may not change is left out; anything else ends the work.
    fn refused(&mut self, path: &[u8], error: Errno) -> Result<(), Problem> {
        match error {
            Errno::ACCESS | Errno::PERM | Errno::XDEV | Errno::ISDIR | Errno::NOTDIR | Errno::BUSY => {
                self.merged.skip(path, "cannot be replaced by the account");
                Ok(())
            }
            error => Err(obstacle(&name_shown(path), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::home::DIRECTORY;
    use crate::testing::{Tree, soon};
    use rustix::fs::{CWD, openat};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn merged(tree: &Tree, overwrite: bool) -> Merged {
        let open = |path: &str| openat(CWD, tree.host.path(path), DIRECTORY, Mode::empty()).unwrap();
        merge(&open("/from"), &open("/to"), overwrite, soon()).unwrap()
    }

    fn trees() -> Tree {
        let tree = Tree::new();
        for (path, text) in
            [("same", "new"), ("site/missing/file", "new"), ("site/a", "new"), ("link", "new"), ("directory", "new")]
        {
            tree.write(&format!("/from/{path}"), text);
        }
        for (path, text) in
            [("same", "old"), ("site/a", "old"), ("site/extra", "old"), ("directory/b", "old"), ("elsewhere", "old")]
        {
            tree.write(&format!("/to/{path}"), text);
        }
        tree.write("/from/through/file", "new");
        tree.directory("/outside");
        symlink(tree.host.path("/to/elsewhere"), tree.host.path("/to/link")).unwrap();
        symlink(tree.host.path("/outside"), tree.host.path("/to/through")).unwrap();
        fs::set_permissions(tree.host.path("/from/site/missing"), fs::Permissions::from_mode(0o750)).unwrap();
        tree
    }

    fn read(tree: &Tree, path: &str) -> String {
        fs::read_to_string(tree.host.path(path)).unwrap()
    }

    #[test]
    fn files_are_replaced_and_nothing_else_is_touched() {
        let tree = trees();
        let merged = merged(&tree, true);
        assert_eq!((merged.restored, merged.skipped), (4, 2), "{merged:?}");
        for path in ["same", "site/missing/file", "site/a", "link"] {
            assert_eq!(read(&tree, &format!("/to/{path}")), "new", "{path}");
        }
        assert!(fs::symlink_metadata(tree.host.path("/to/link")).unwrap().is_file());
        for path in ["site/extra", "directory/b", "elsewhere"] {
            assert_eq!(read(&tree, &format!("/to/{path}")), "old", "{path}");
        }
        assert!(fs::read_dir(tree.host.path("/outside")).unwrap().next().is_none(), "a link was followed");
        let mode = fs::metadata(tree.host.path("/to/site/missing")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o750);
    }

    #[test]
    fn existing_files_stay_if_that_was_asked_for() {
        let tree = trees();
        let merged = merged(&tree, false);
        assert_eq!((merged.restored, merged.skipped), (1, 5), "{merged:?}");
        assert_eq!(
            (read(&tree, "/to/same"), read(&tree, "/to/site/missing/file")),
            ("old".to_owned(), "new".to_owned())
        );
        assert!(merged.warnings()[0].starts_with("Not restored: 5 files; the first of them, “directory” is a file"));
    }
}
