//! Where an archive is unpacked: in a hidden directory beside it, which only then takes its place, name by name. Nothing that is
//! there already is replaced. If the helper is killed meanwhile, the next request for the same archive continues.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    FlockOperation, Mode, OFlags, RawDir, RenameFlags, Stat, flock, fstat, mkdirat, openat, renameat, renameat_with,
};
use rustix::io::Errno;

use crate::files::archive::Limits;
use crate::files::archive::summary::name_shown;
use crate::files::home::{DIRECTORY, Place};
use crate::files::replacement::temporary_name;
use crate::tree;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;

/// The directory into which the archive is unpacked.
const UNFINISHED: &CStr = c"unfinished";

/// How often the hidden directory is opened again if another request removes it.
const ATTEMPTS: u32 = 20;

/// The most existing names in an error message.
const MAX_NAMES: usize = 5;

/// The place of an archive, with the hidden directory. No other request has it.
pub struct Placement {
    place: Place,
    hidden: CString,
    directory: OwnedFd,
    /// The name of the complete tree, which says of which archive it is.
    complete: CString,
}

impl Placement {
    /// Makes the hidden directory for the archive at `place`, or takes the one that a killed helper has left.
    ///
    /// # Errors
    /// Another request has it, or the account may not write to the archive's directory.
    pub fn begin(place: Place, archive: &Stat) -> Result<Self, Problem> {
        let failed = |error| place.obstacle(error);
        let hidden = temporary_name("unpack", &place.name).map_err(failed)?;
        let complete = format!("complete-{}-{}-{}", archive.st_ino, archive.st_size, archive.st_mtime);
        let complete = CString::new(complete).map_err(|_| place.obstacle(Errno::INVAL))?;
        for _ in 0..ATTEMPTS {
            match mkdirat(&place.directory, &hidden, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(place.obstacle(error)),
            }
            let directory = match openat(&place.directory, &hidden, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
                Err(Errno::NOENT) => continue,
                opened => opened.map_err(|error| place.obstacle(error))?,
            };
            if flock(&directory, FlockOperation::NonBlockingLockExclusive).is_err() {
                let sentence = format!("{} is being unpacked by another request.", place.shown);
                return Err(Problem::Conflict(sentence));
            }
            let inode = fstat(&directory).map(|status| status.st_ino);
            if tree::metadata_at(&place.directory, &hidden).is_ok_and(|now| Ok(now.stx_ino) == inode) {
                return Ok(Self { place, hidden, directory, complete });
            }
        }
        Err(place.obstacle(Errno::AGAIN))
    }

    /// Whether the whole tree is there already, and only has to take its place.
    pub fn is_complete(&self) -> bool {
        tree::metadata_at(&self.directory, &self.complete).is_ok()
    }

    /// The empty directory into which the archive is unpacked.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn empty(&self, deadline: Deadline) -> Result<OwnedFd, Problem> {
        let make = || {
            for name in names(&self.directory, Limits::ARCHIVE)? {
                tree::remove_at(&self.directory, &name, deadline)?;
            }
            mkdirat(&self.directory, UNFINISHED, Mode::RWXU)?;
            openat(&self.directory, UNFINISHED, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
        };
        make().map_err(|error| self.place.obstacle(error))
    }

    /// Says that everything is unpacked.
    ///
    /// # Errors
    /// The directory was removed.
    pub fn seal(&self) -> Result<(), Problem> {
        let renamed = renameat(&self.directory, UNFINISHED, &self.directory, &self.complete);
        renamed.map_err(|error| self.place.obstacle(error))
    }

    /// Moves everything beside the archive, and removes the hidden directory, also with what a program of the account's has put
    /// into it. Returns how many names were moved.
    ///
    /// # Errors
    /// A name exists there already: then nothing is moved.
    pub fn take_place(&self, deadline: Deadline) -> Result<u64, Problem> {
        let failed = |error| self.place.obstacle(error);
        let from = openat(&self.directory, &self.complete, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
        let from = from.map_err(failed)?;
        let names = names(&from, Limits::ARCHIVE).map_err(failed)?;
        let to = &self.place.directory;
        let existing: Vec<&CString> = names.iter().filter(|name| tree::metadata_at(to, name).is_ok()).collect();
        if !existing.is_empty() {
            return Err(exist(&existing));
        }
        for (at, name) in names.iter().enumerate() {
            if let Err(error) = renameat_with(&from, name, to, name, RenameFlags::NOREPLACE) {
                for moved in names.iter().take(at) {
                    let _ = renameat_with(to, moved, &from, moved, RenameFlags::NOREPLACE);
                }
                return Err(if error == Errno::EXIST { exist(&[name]) } else { self.place.obstacle(error) });
            }
        }
        self.discard(deadline)?;
        Ok(u64::try_from(names.len()).unwrap_or(u64::MAX))
    }

    /// Removes the hidden directory with everything in it.
    ///
    /// # Errors
    /// It takes too long, or cannot be removed.
    pub fn discard(&self, deadline: Deadline) -> Result<(), Problem> {
        tree::remove_at(&self.place.directory, &self.hidden, deadline).map_err(|error| self.place.obstacle(error))
    }
}

fn exist(names: &[&CString]) -> Problem {
    let first: Vec<String> =
        names.iter().take(MAX_NAMES).map(|name| format!("“{}”", name_shown(name.to_bytes()))).collect();
    let more = if names.len() > MAX_NAMES { " and others" } else { "" };
    Problem::Conflict(format!(
        "The archive was not unpacked, because nothing is replaced: {}{more} exist already beside it. Rename or delete them, or \
         move the archive to a new directory first.",
        first.join(", ")
    ))
}

/// All names in a directory that holds part of an archive, in order.
///
/// # Errors
/// It cannot be read, or has more names than an archive.
pub fn names(directory: &OwnedFd, limits: Limits) -> Result<Vec<CString>, Errno> {
    // A descriptor of its own, which starts at the beginning.
    let directory = openat(directory, c".", DIRECTORY, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); 32 * 1024];
    let mut entries = RawDir::new(directory.as_fd(), &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        if u64::try_from(names.len()).is_ok_and(|count| count == limits.entries) {
            return Err(Errno::OVERFLOW);
        }
        names.push(entry.file_name().to_owned());
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::home::Home;
    use crate::testing::{Tree, soon, user};
    use opterius_host::request::home_path::HomePath;
    use std::fs;

    #[test]
    fn a_program_that_fills_the_hidden_directory_neither_stops_an_archive_nor_is_blamed_on_the_server() {
        let tree = Tree::new();
        tree.write("/home/app.zip", "");
        let home = Home::at(&tree.host.path("/home")).unwrap();
        let place = || home.place(&HomePath::parse("path", "/home/alice/app.zip", &user("alice")).unwrap()).unwrap();
        let archive = place().find().unwrap().status;
        let hidden = tree.host.path("/home").join(temporary_name("unpack", c"app.zip").unwrap().to_str().unwrap());
        let names = || {
            let entries = fs::read_dir(tree.host.path("/home")).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };

        let placement = Placement::begin(place(), &archive).unwrap();
        placement.empty(soon()).unwrap();
        fs::write(hidden.join("unfinished/file"), "").unwrap();
        placement.seal().unwrap();
        fs::write(hidden.join("planted"), "").unwrap();
        assert_eq!(placement.take_place(soon()).unwrap(), 1);
        assert_eq!(names(), ["app.zip", "file"]);

        // It has the name of the complete tree.
        let placement = Placement::begin(place(), &archive).unwrap();
        placement.empty(soon()).unwrap();
        fs::create_dir_all(hidden.join(placement.complete.to_str().unwrap()).join("planted")).unwrap();
        let refused = placement.seal().unwrap_err();
        assert!(matches!(&refused, Problem::Conflict(it) if it.contains("changed by a program")), "{refused:?}");
        placement.discard(soon()).unwrap();
        assert_eq!(names(), ["app.zip", "file"]);
    }
}
