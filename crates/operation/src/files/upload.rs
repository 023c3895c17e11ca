//! The file of an upload. It has no name while the Agent writes to it, so an interrupted upload leaves nothing behind.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fchmod, fstat, fsync, linkat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::files::home::{Home, LOOK, Place};
use crate::files::replacement::{NEW_FILE, permissions_of_existing, temporary_name};
use crate::tree;
use opterius_host::problem::Problem;
use opterius_host::request::home_path::HomePath;

/// Opens a file without a name in the directory of `path`, and this directory.
///
/// # Errors
/// Something other than a regular file is there, or the directory cannot be written to.
pub fn open(home: &Home, path: &HomePath) -> Result<[OwnedFd; 2], Problem> {
    let place = home.place(path)?;
    permissions_of_existing(&place)?;
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = openat(&place.directory, ".", flags, Mode::RUSR | Mode::WUSR);
    let file = file.map_err(|error| match error {
        // Of the file system, or of a kernel that does not know the flag.
        Errno::OPNOTSUPP | Errno::ISDIR => Problem::Conflict(format!(
            "{} is on a file system that cannot hold a file without a name, which an upload needs. Use SFTP for this file.",
            place.shown
        )),
        error => place.obstacle(error),
    })?;
    // The Agent has no use for the directory but to pass it on, and cannot read it.
    let directory = openat(&place.directory, ".", LOOK, Mode::empty()).map_err(|error| place.obstacle(error))?;
    Ok([file, directory])
}

/// What an upload has become.
pub struct Uploaded {
    /// The file's size in bytes.
    pub size: u64,
    /// Whether no file had this name.
    pub is_new: bool,
}

/// Gives the file its name, in place of a file that has it. `directory` is what [`open`] opened beside the file: each process of
/// this program has its own mounts, and the kernel links no file from one mount to another.
///
/// # Errors
/// It is not a file that [`open`] has opened for this account, or something else has appeared at `path`.
pub fn finish(home: &Home, path: &HomePath, file: &OwnedFd, directory: OwnedFd) -> Result<Uploaded, Problem> {
    let place = home.place(path)?;
    let identity = |directory: &OwnedFd| fstat(directory).map(|status| (status.st_dev, status.st_ino));
    if identity(&place.directory) != identity(&directory) {
        return Err(Problem::Conflict(format!(
            "{} is in another directory now than when the upload began.",
            place.shown
        )));
    }
    let Place { directory: same, name, shown } = place;
    let place = Place { directory, name, shown };
    let replaces = permissions_of_existing(&place)?;
    let failed = |error| place.obstacle(error);
    let status = fstat(file).map_err(failed)?;
    let is_file = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
    if !is_file || status.st_nlink != 0 || status.st_uid != geteuid().as_raw() {
        return Err(Problem::failed(&place.shown, "the uploaded file is not one that was opened for this account"));
    }
    fchmod(file, Mode::from_raw_mode(replaces.unwrap_or(NEW_FILE))).map_err(failed)?;
    match replaces {
        None => link(file, &place, &place.name),
        Some(_) => replace(file, &place),
    }
    .map_err(failed)?;
    // Not every file system can do this for directories.
    let _ = fsync(&same);
    let is_there = tree::metadata_at(&place.directory, &place.name).is_ok_and(|now| now.stx_ino == status.st_ino);
    if !is_there {
        return Err(failed(Errno::AGAIN));
    }
    Ok(Uploaded { size: u64::try_from(status.st_size).unwrap_or(0), is_new: replaces.is_none() })
}

/// A name cannot be taken from another file, so that the file first gets a temporary one.
fn replace(file: &OwnedFd, place: &Place) -> Result<(), Errno> {
    let temporary = temporary_name("upload", &place.name)?;
    match unlinkat(&place.directory, &temporary, AtFlags::empty()) {
        // What a killed operation has left.
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    link(file, place, &temporary)?;
    let renamed = renameat(&place.directory, &temporary, &place.directory, &place.name);
    renamed.inspect_err(|_| _ = unlinkat(&place.directory, &temporary, AtFlags::empty()))
}

fn link(file: &OwnedFd, place: &Place, name: &CStr) -> Result<(), Errno> {
    // The only way that needs no privileges (open(2), O_TMPFILE).
    let open_file = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, open_file, &place.directory, name, AtFlags::SYMLINK_FOLLOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, user};
    use std::fs::{self, File};
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn path(text: &str) -> HomePath {
        HomePath::parse("path", text, &user("alice")).unwrap()
    }

    fn home(tree: &Tree) -> Home {
        Home::at(&tree.host.home("alice")).unwrap()
    }

    fn written(tree: &Tree, to: &str, content: &str) -> [OwnedFd; 2] {
        let [file, directory] = open(&home(tree), &path(to)).unwrap();
        let mut file = File::from(file);
        file.write_all(content.as_bytes()).unwrap();
        [file.into(), directory]
    }

    fn finish(tree: &Tree, to: &str, opened: &[OwnedFd; 2]) -> Result<Uploaded, Problem> {
        let [file, directory] = opened;
        super::finish(&home(tree), &path(to), file, directory.try_clone().unwrap())
    }

    fn names(tree: &Tree) -> Vec<String> {
        let entries = fs::read_dir(tree.host.home("alice")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_no_name_until_it_is_finished() {
        let tree = Tree::new();
        let directory = tree.directory("/home/alice");
        let file = written(&tree, "new", "one");
        assert_eq!(names(&tree), [""; 0]);
        let uploaded = finish(&tree, "new", &file).unwrap();
        assert_eq!((uploaded.size, uploaded.is_new), (3, true));
        assert_eq!(fs::read_to_string(directory.join("new")).unwrap(), "one");
        assert_eq!(fs::metadata(directory.join("new")).unwrap().permissions().mode() & 0o7777, 0o644);
        assert!(finish(&tree, "again", &file).is_err(), "it has a name");
        assert_eq!(names(&tree), ["new"]);
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_whatever_a_killed_operation_left() {
        let tree = Tree::new();
        let directory = tree.directory("/home/alice");
        let old = tree.write("/home/alice/old", "old");
        fs::set_permissions(&old, fs::Permissions::from_mode(0o600)).unwrap();
        let left = directory.join(temporary_name("upload", c"old").unwrap().into_string().unwrap());
        fs::write(&left, "half").unwrap();
        let uploaded = finish(&tree, "old", &written(&tree, "old", "longer")).unwrap();
        assert_eq!((uploaded.size, uploaded.is_new), (6, false));
        assert_eq!(fs::read_to_string(&old).unwrap(), "longer");
        assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(names(&tree), ["old"]);
    }

    #[test]
    fn only_a_file_that_was_opened_for_an_upload_gets_a_name() {
        let tree = Tree::new();
        tree.directory("/home/alice");
        tree.directory("/home/alice/directory");
        let foreign = tree.write("/home/bob/secret", "secret");
        for file in [File::open(foreign).unwrap(), File::open("/dev/null").unwrap()] {
            let [_, directory] = open(&home(&tree), &path("new")).unwrap();
            assert!(matches!(finish(&tree, "new", &[file.into(), directory]), Err(Problem::Failed(_))));
        }
        for to in ["directory", "", "missing/new"] {
            assert!(open(&home(&tree), &path(to)).is_err(), "{to}");
        }
        let file = written(&tree, "new", "mine");
        assert!(matches!(finish(&tree, "directory/new", &file), Err(Problem::Conflict(_))), "another directory");
        tree.write("/home/alice/new", "appeared");
        assert!(finish(&tree, "new", &file).is_ok_and(|uploaded| !uploaded.is_new));
        assert_eq!(names(&tree), ["directory", "new"]);
    }
}
