//! A file that is written completely before it gets its name: a reader sees the old content or the new one, and what was there
//! stays if the disk is full or the process is killed.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use ring::digest::{SHA256, digest};
use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, RenameFlags, fchmod, flock, fstat, fsync, openat, renameat, renameat_with,
    unlinkat,
};
use rustix::io::Errno;

use crate::files::home::Place;
use crate::tree;
use opterius_base::hex::hex;
use opterius_host::problem::Problem;

/// The mode of a new file.
pub const NEW_FILE: u32 = 0o644;

/// How often a temporary file is created again if another request removes it.
const ATTEMPTS: u32 = 20;

/// A file that is not complete yet. It is deleted unless it is completed.
pub struct Replacement {
    place: Place,
    temporary: CString,
    file: File,
    /// The permissions of the file that it replaces, if there is one.
    replaces: Option<u32>,
}

impl Replacement {
    /// Begins a file that will be at `place`. Only a regular file that the account itself could write to is replaced.
    ///
    /// # Errors
    /// Something else is there, the directory cannot be written to, or another request is writing the same file.
    pub fn begin(place: Place) -> Result<Self, Problem> {
        let replaces = permissions_of_existing(&place)?;
        let temporary = temporary_name("write", &place.name).map_err(|error| place.obstacle(error))?;
        for _ in 0..ATTEMPTS {
            match create(&place.directory, &temporary) {
                Ok(Some(file)) => return Ok(Self { place, temporary, file, replaces }),
                Ok(None) => {}
                Err(Errno::EXIST) => remove_abandoned(&place, &temporary)?,
                Err(error) => return Err(place.obstacle(error)),
            }
        }
        Err(place.obstacle(Errno::AGAIN))
    }

    /// Appends to the file.
    ///
    /// # Errors
    /// The disk is full, or a quota used up.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.place.obstacle(Errno::from_io_error(&error).unwrap_or(Errno::IO)))
    }

    /// The file, for a program that writes to it.
    ///
    /// # Errors
    /// There are no more descriptors.
    pub fn descriptor(&self) -> Result<OwnedFd, Problem> {
        let file = self.file.try_clone().map_err(|error| Problem::failed(&self.place.shown, error))?;
        Ok(file.into())
    }

    /// Puts the file in its place, and returns whether it is new there.
    ///
    /// # Errors
    /// Something else has appeared there, or the content cannot be stored.
    pub fn complete(self) -> Result<bool, Problem> {
        self.put_in_place().map_err(|error| self.place.obstacle(error))?;
        Ok(self.replaces.is_none())
    }

    fn put_in_place(&self) -> Result<(), Errno> {
        let (directory, name) = (&self.place.directory, self.place.name.as_c_str());
        fchmod(&self.file, Mode::from_raw_mode(self.replaces.unwrap_or(NEW_FILE)))?;
        fsync(&self.file)?;
        match self.replaces {
            Some(_) => renameat(directory, &self.temporary, directory, name)?,
            None => renameat_with(directory, &self.temporary, directory, name, RenameFlags::NOREPLACE)?,
        }
        // Not every file system can do this for directories.
        let _ = fsync(directory);
        let is_there = tree::metadata_at(directory, name)?.stx_ino == fstat(&self.file)?.st_ino;
        if is_there { Ok(()) } else { Err(Errno::AGAIN) }
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Once it is complete, nothing has this name, or the file of the next request, which is locked.
        if is_at(&self.file, &self.place.directory, &self.temporary) {
            let _ = unlinkat(&self.place.directory, &self.temporary, AtFlags::empty());
        }
    }
}

/// The permissions of the file that is there, if there is one.
///
/// # Errors
/// Something else is there, or the account itself could not write to the file.
pub fn permissions_of_existing(place: &Place) -> Result<Option<u32>, Problem> {
    let Some(found) = place.look()? else { return Ok(None) };
    if !found.is_file() {
        return Err(Problem::Conflict(format!(
            "{} exists already, and is not a regular file but a link, a directory or something else. It is not replaced.",
            place.shown
        )));
    }
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(&place.directory, &place.name, flags, Mode::empty()).map_err(|error| place.obstacle(error))?;
    Ok(Some(found.status.st_mode & 0o777))
}

/// The name of the temporary file or directory for `name`: always the same, so that a repeat finds what a killed operation
/// has left. It is hidden, and never too long.
///
/// # Errors
/// Never: the name has no zero character.
pub fn temporary_name(purpose: &str, name: &CStr) -> Result<CString, Errno> {
    let hash = hex(digest(&SHA256, name.to_bytes()).as_ref());
    let short: String = hash.chars().take(16).collect();
    CString::new(format!(".opterius-{purpose}-{short}")).map_err(|_| Errno::INVAL)
}

/// Creates a file and locks it. None if another request took it for an abandoned one before it was locked.
fn create(directory: &OwnedFd, name: &CStr) -> Result<Option<File>, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?);
    let is_locked = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    Ok(Some(file).filter(|file| is_locked && is_at(file, directory, name)))
}

fn is_at(file: &File, directory: &OwnedFd, name: &CStr) -> bool {
    let inode = fstat(file).map(|status| status.st_ino);
    tree::metadata_at(directory, name).is_ok_and(|now| Ok(now.stx_ino) == inode)
}

/// Removes a temporary file that no process has locked: the one that made it was killed.
fn remove_abandoned(place: &Place, name: &CStr) -> Result<(), Problem> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = openat(&place.directory, name, flags, Mode::empty());
    if let Ok(file) = &opened
        && flock(file, FlockOperation::NonBlockingLockExclusive).is_err()
    {
        return Err(Problem::Conflict(format!("{} is being written by another request. Try again.", place.shown)));
    }
    match unlinkat(&place.directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(place.obstacle(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::home::Home;
    use crate::testing::{Tree, user};
    use opterius_host::request::home_path::HomePath;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn begin(tree: &Tree, path: &str) -> Result<Replacement, Problem> {
        let home = Home::at(&tree.host.home("alice")).unwrap();
        Replacement::begin(home.place(&HomePath::parse("path", path, &user("alice")).unwrap())?)
    }

    fn write(tree: &Tree, path: &str, content: &str) -> Result<bool, Problem> {
        let mut replacement = begin(tree, path)?;
        replacement.write(content.as_bytes())?;
        replacement.complete()
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_gets_its_name_when_it_is_complete_and_keeps_its_mode() {
        let tree = Tree::new();
        let home = tree.directory("/home/alice");
        assert!(write(&tree, "new", "one").unwrap());
        let mode = || fs::metadata(home.join("new")).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(), 0o644);
        fs::set_permissions(home.join("new"), fs::Permissions::from_mode(0o4600)).unwrap();
        fs::hard_link(home.join("new"), home.join("other")).unwrap();
        assert!(!write(&tree, "new", "two").unwrap());
        assert_eq!((mode(), fs::read_to_string(home.join("new")).unwrap().as_str()), (0o600, "two"));
        assert_eq!(fs::read_to_string(home.join("other")).unwrap(), "one", "another name of the old file keeps it");
        let mut dropped = begin(&tree, "new").unwrap();
        dropped.write(b"three").unwrap();
        drop(dropped);
        assert_eq!(fs::read_to_string(home.join("new")).unwrap(), "two");
        assert_eq!(names(&home), ["new", "other"]);
    }

    #[test]
    fn what_a_killed_operation_left_is_replaced_and_what_another_one_writes_is_not() {
        let tree = Tree::new();
        let home = tree.directory("/home/alice");
        let temporary = home.join(temporary_name("write", c"file").unwrap().into_string().unwrap());
        fs::write(&temporary, "half").unwrap();
        assert!(write(&tree, "file", "whole").unwrap());
        symlink("/etc/passwd", &temporary).unwrap();
        assert!(!write(&tree, "file", "whole").unwrap());
        let mut first = begin(&tree, "file").unwrap();
        assert!(matches!(begin(&tree, "file"), Err(Problem::Conflict(_))));
        first.write(b"first").unwrap();
        first.complete().unwrap();
        assert_eq!(fs::read_to_string(home.join("file")).unwrap(), "first");
        assert_eq!(names(&home), ["file"]);
    }

    #[test]
    fn only_a_regular_file_is_replaced_and_nothing_that_appeared_meanwhile() {
        let tree = Tree::new();
        let home = tree.directory("/home/alice");
        tree.directory("/home/alice/directory");
        let outside = tree.write("/home/bob/secret", "secret");
        symlink(&outside, home.join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, home.join("fifo"), rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        for path in ["directory", "link", "fifo", "", "link/x"] {
            assert!(matches!(write(&tree, path, "x"), Err(Problem::Conflict(_))), "{path}");
        }
        assert!(matches!(write(&tree, "missing/x", "x"), Err(Problem::NotFound(_))));
        let mut late = begin(&tree, "late").unwrap();
        late.write(b"late").unwrap();
        tree.write("/home/alice/late", "early");
        assert!(matches!(late.complete(), Err(Problem::Conflict(_))));
        assert_eq!(fs::read_to_string(home.join("late")).unwrap(), "early");
        assert_eq!(fs::read_to_string(outside).unwrap(), "secret");
        assert_eq!(names(&home), ["directory", "fifo", "late", "link"]);
    }
}
