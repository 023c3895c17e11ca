//! Restoring files from a backup. They are unpacked into a hidden directory of the home first, with the account's own
//! privileges: what is in the way or does not fit is found before anything is replaced. Then each takes its place.

use std::fs::File;
use std::io::BufReader;
use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstatvfs, mkdirat, openat};
use rustix::io::Errno;

use crate::backups::contents::{BUFFER, HOME, LIMITS};
use crate::backups::directory::{BackupDirectory, InUse};
use crate::backups::manifest::Manifest;
use crate::files::archive::merge::{Merged, merge};
use crate::files::archive::summary::Summary;
use crate::files::archive::unpack::{self, Rules};
use crate::files::archive::{converter, placement};
use crate::files::home::{DIRECTORY, Home, obstacle};
use crate::files::owner::{Owner, SHORT};
use crate::transaction::lock::{self, Lock};
use crate::tree;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::backup::BackupName;
use opterius_host::request::values::Username;

/// The hidden directory.
const HIDDEN: &std::ffi::CStr = c".opterius-restore";

/// Which files of a backup are restored.
#[derive(Clone, Debug)]
pub enum Selection {
    /// All.
    All,
    /// These, and what is below them: paths relative to the home.
    Some(Vec<String>),
}

/// An open backup, and the locks of its restoration.
pub struct Opened<'a> {
    /// The account.
    pub owner: Owner<'a>,
    /// The account's directory of backups.
    pub directory: BackupDirectory,
    /// What is known about the backup.
    pub manifest: Manifest,
    /// The backup, whose checksum is right.
    pub archive: File,
    _in_use: InUse,
    _slot: Lock,
}

/// Opens a backup for its restoration.
///
/// # Errors
/// There is no such account or backup, it is damaged, or too many backups and restorations are going on.
pub fn open<'a>(
    host: &'a Host,
    username: &Username,
    filename: &BackupName,
    deadline: Deadline,
) -> Result<Opened<'a>, Problem> {
    let owner = Owner::of(host, username)?;
    let directory = BackupDirectory::of(host, username)?;
    let manifest = Manifest::read(&directory, filename)?;
    let (in_use, slot) = (directory.take()?, lock::backup(host)?);
    let archive = manifest.verified(&directory, filename, deadline)?;
    Ok(Opened { owner, directory, manifest, archive, _in_use: in_use, _slot: slot })
}

/// Restores files from an open backup with this manifest.
///
/// # Errors
/// The disk or a quota does not hold them, the backup is damaged, or the time is too short. What is in its place already stays.
pub fn files(
    owner: &Owner<'_>,
    archive: File,
    manifest: &Manifest,
    selection: Selection,
    overwrite: bool,
    deadline: Deadline,
) -> Result<Merged, Problem> {
    let (is_whole, size) = (matches!(selection, Selection::All), manifest.content_size);
    let top = owner.run(deadline.sooner(SHORT), move |home| {
        if is_whole {
            check_space(home, size)?;
        }
        hidden(home, deadline)
    })?;
    let unpacked = unpack(owner, archive, &top, selection, deadline);
    // There is always time to remove what was unpacked.
    let soon = Deadline::within(SHORT);
    let restored = unpacked.and_then(|summary| {
        // The entries of a backup begin with that of the home itself, which is not made.
        let found = summary.entries.saturating_add(summary.skipped).saturating_add(1);
        let missing = if is_whole { manifest.entries.saturating_sub(found) } else { 0 };
        let from = top.try_clone().map_err(|error| Problem::failed("the restoration", error))?;
        let merge = move |home: &Home| merge(&from, &home.top()?, overwrite, deadline.max(soon));
        owner.run(deadline.max(soon), merge).map(|merged| Merged { missing, ..merged })
    });
    let removed = owner.run(soon, move |home| {
        tree::remove_at(home.top()?, HIDDEN, soon).map_err(|error| obstacle(&HIDDEN.to_string_lossy(), error))
    });
    restored.and_then(|merged| removed.map(|()| merged))
}

/// The empty hidden directory, which no other restoration has.
fn hidden(home: &Home, deadline: Deadline) -> Result<OwnedFd, Problem> {
    let failed = |error| obstacle(&HIDDEN.to_string_lossy(), error);
    let top = home.top()?;
    match mkdirat(&top, HIDDEN, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(failed(error)),
    }
    let directory = openat(&top, HIDDEN, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map_err(failed)?;
    flock(&directory, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Problem::Conflict("Another restoration of this account is going on. Wait until it has ended.".to_owned())
    })?;
    for name in placement::names(&directory, LIMITS).map_err(failed)? {
        tree::remove_at(&directory, &name, deadline).map_err(failed)?;
    }
    Ok(directory)
}

fn check_space(home: &Home, size: u64) -> Result<(), Problem> {
    let status = fstatvfs(home.top()?).map_err(|error| obstacle("The home", error))?;
    let available = status.f_bavail.saturating_mul(status.f_frsize);
    if size <= available {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes / (1024 * 1024);
    Err(Problem::InsufficientStorage(format!(
        "The backup needs {} MB on the disk of the home, beside what is there, and {} MB are free. Free some space, or restore single \
         files.",
        megabytes(size),
        megabytes(available)
    )))
}

fn unpack(
    owner: &Owner<'_>,
    archive: File,
    top: &OwnedFd,
    selection: Selection,
    deadline: Deadline,
) -> Result<Summary, Problem> {
    let failed = |error| Problem::failed("the restoration", error);
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let tool = converter::gunzip(archive.into(), writer.into())?;
    let top = top.try_clone().map_err(failed)?;
    let (ended, unpacked) = converter::beside(tool, deadline, || {
        owner.run(deadline, move |_| {
            let place = Box::new(move |name: &[u8]| selection.place(name));
            let rules = Rules { limits: LIMITS, mode: 0o777, keeps_modes: true, keeps_links: true, place };
            unpack::unpack(&top, BufReader::with_capacity(BUFFER, reader), rules, deadline)
        })
    });
    let summary = unpacked?;
    if ended?.is_success() {
        return Ok(summary);
    }
    Err(Problem::Conflict("The backup is damaged, and nothing was restored.".to_owned()))
}

impl Selection {
    /// Where an entry of the backup is in the home; none if it is not restored.
    fn place(&self, name: &[u8]) -> Option<Vec<u8>> {
        let below = name.strip_prefix(HOME.as_bytes())?.strip_prefix(b"/")?;
        let is_selected = |path: &String| {
            let rest = below.strip_prefix(path.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        let selected = match self {
            Self::All => true,
            Self::Some(paths) => paths.iter().any(is_selected),
        };
        selected.then(|| below.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_whole_names() {
        let some = Selection::Some(vec!["site/a".to_owned(), "b".to_owned()]);
        let place = |name: &str| some.place(name.as_bytes()).map(|path| String::from_utf8(path).unwrap());
        for (name, expected) in [
            ("home/site/a", Some("site/a")),
            ("home/site/a/", Some("site/a/")),
            ("home/site/a/c", Some("site/a/c")),
            ("home/b", Some("b")),
            ("home/site/ab", None),
            ("home/site/", None),
            ("home/c", None),
            ("home/", None),
            ("databases/b", None),
            ("homes/b", None),
        ] {
            assert_eq!(place(name).as_deref(), expected, "{name}");
        }
        assert_eq!(Selection::All.place(b"home/x"), Some(b"x".to_vec()));
        assert_eq!(Selection::All.place(b"databases/x"), None);
    }
}
