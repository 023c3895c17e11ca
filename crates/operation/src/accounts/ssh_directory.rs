//! An account's `~/.ssh`, read and written with the account's own privileges, through descriptors below its home. The tenant can
//! put anything there, and change it at any moment.

use std::ffi::CStr;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, fstat, fsync, linkat, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::accounts::home;
use crate::users::run_as_user::run_as_user;
use opterius_base::deadline::Deadline;
use opterius_base::secret::Secret;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::users::register::User;

/// Largest file that is read, in bytes: more than 10,000 keys.
const MAX_SIZE: u64 = 1024 * 1024;

const DIRECTORY: &CStr = c".ssh";
const AUTHORIZED_KEYS: &CStr = c"authorized_keys";

/// A file that sshd also reads by default. Nothing is added to it.
const FURTHER_KEYS: &CStr = c"authorized_keys2";

/// Where new files are written first, so that readers never see part of one.
const TEMPORARY: &CStr = c".opterius-new";

/// The contents of authorized_keys and authorized_keys2; empty if there is none.
///
/// # Errors
/// The account has something else in its place, or it cannot be read.
pub fn read(host: &Host, user: &User, deadline: Deadline) -> Result<Vec<u8>, Problem> {
    in_directory(host, user, deadline, move |home, uid| match open(home, uid)? {
        Some(directory) => {
            let [first, second] = [read_file(&directory, AUTHORIZED_KEYS)?, read_file(&directory, FURTHER_KEYS)?];
            Ok([first.as_slice(), b"\n", &second].concat())
        }
        None => Ok(Vec::new()),
    })
}

/// Changes authorized_keys with `edit`, which gets its content, and returns the new one if there is a change. A private key is
/// written first, unless its file has it already. Returns the result of `edit`, and creates what is missing.
///
/// # Errors
/// The account has something else in a place, there is another private key, or a file cannot be written.
pub fn change<T: Send + 'static>(
    host: &Host,
    user: &User,
    private_key: Option<(&'static CStr, Secret)>,
    deadline: Deadline,
    edit: impl FnOnce(&[u8]) -> (Option<Vec<u8>>, T) + Send + 'static,
) -> Result<T, Problem> {
    in_directory(host, user, deadline, move |home, uid| {
        let before = match open(home, uid)? {
            Some(directory) => read_file(&directory, AUTHORIZED_KEYS)?,
            None => Vec::new(),
        };
        let (after, result) = edit(&before);
        if after.as_ref().is_some_and(|after| u64::try_from(after.len()).is_ok_and(|length| length > MAX_SIZE)) {
            return Err(Obstacle::TooLarge(AUTHORIZED_KEYS));
        }
        if after.is_none() && private_key.is_none() {
            return Ok(result);
        }
        let directory = open_or_make(home, uid)?;
        if let Some((name, key)) = private_key {
            write_once(&directory, name, key.expose().as_bytes())?;
        }
        if let Some(after) = after {
            replace_and_look(&directory, AUTHORIZED_KEYS, &after)?;
        }
        Ok(result)
    })
}

/// Leaves out of authorized_keys and authorized_keys2 what `edit` leaves out. Returns whether there was something.
///
/// # Errors
/// Those of [`change`].
pub fn reduce(
    host: &Host,
    user: &User,
    deadline: Deadline,
    edit: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
) -> Result<bool, Problem> {
    in_directory(host, user, deadline, move |home, uid| {
        let Some(directory) = open(home, uid)? else { return Ok(false) };
        let mut is_reduced = false;
        for name in [AUTHORIZED_KEYS, FURTHER_KEYS] {
            let before = read_file(&directory, name)?;
            let after = edit(&before);
            if after != before {
                replace_and_look(&directory, name, &after)?;
                is_reduced = true;
            }
        }
        Ok(is_reduced)
    })
}

/// What prevents a change.
enum Obstacle {
    /// Something that is neither missing nor a file or directory of the account.
    InTheWay(&'static CStr),
    /// Something of another user.
    Foreign(&'static CStr, u32),
    TooLarge(&'static CStr),
    /// Another private key.
    Exists(&'static CStr),
    /// A process of the account wrote it at the same time.
    Changed,
    Failed(&'static CStr, Errno),
}

fn in_directory<T: Send + 'static>(
    host: &Host,
    user: &User,
    deadline: Deadline,
    work: impl FnOnce(&OwnedFd, u32) -> Result<T, Obstacle> + Send + 'static,
) -> Result<T, Problem> {
    let (home, uid) = (home::open(host, user)?, user.uid);
    let what = format!("/home/{}/.ssh", user.name);
    let done = run_as_user(user, &what, deadline.sooner(home::IN_HOME_TIME), move || work(&home, uid))?;
    done.map_err(|obstacle| obstacle.problem(&what))
}

impl Obstacle {
    fn problem(self, directory: &str) -> Problem {
        let shown = |name: &CStr| match name.to_string_lossy() {
            name if name == DIRECTORY.to_string_lossy() => directory.to_owned(),
            name => format!("{directory}/{name}"),
        };
        Problem::Conflict(match self {
            Self::InTheWay(name) => {
                let kind = if name == DIRECTORY { "directory" } else { "file" };
                format!(
                    "{} is a link or something else than a {kind}. Move it away, then repeat the operation.",
                    shown(name)
                )
            }
            Self::Foreign(name, uid) => {
                format!(
                    "{} belongs to user {uid}. Correct its owner with chown, then repeat the operation.",
                    shown(name)
                )
            }
            Self::TooLarge(name) => {
                format!("{} would be larger than {} KiB. Remove lines from it.", shown(name), MAX_SIZE / 1024)
            }
            Self::Exists(name) => format!(
                "{} exists and has another key, which stays. Move it away, or import without the private key.",
                shown(name)
            ),
            Self::Changed => "The account has changed the file at the same time. Repeat the operation.".to_owned(),
            Self::Failed(name, Errno::AGAIN | Errno::TXTBSY) => {
                format!("A program of the account's holds {}. End it, then repeat the operation.", shown(name))
            }
            Self::Failed(name, Errno::ACCESS | Errno::PERM) => format!(
                "The account itself may not read or write {}. Correct its mode or attributes, then repeat the operation.",
                shown(name)
            ),
            Self::Failed(name, error) => return Problem::failed(&shown(name), error),
        })
    }
}

fn failed(name: &'static CStr) -> impl Fn(Errno) -> Obstacle {
    move |error| match error {
        Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => Obstacle::InTheWay(name),
        error => Obstacle::Failed(name, error),
    }
}

const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens the directory, if it exists.
fn open(home: &OwnedFd, uid: u32) -> Result<Option<OwnedFd>, Obstacle> {
    let directory = match openat(home, DIRECTORY, READ | OFlags::DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        opened => opened.map_err(failed(DIRECTORY))?,
    };
    let owner = fstat(&directory).map_err(failed(DIRECTORY))?.st_uid;
    if owner == uid { Ok(Some(directory)) } else { Err(Obstacle::Foreign(DIRECTORY, owner)) }
}

/// Opens the directory, and gives it the mode that sshd wants; makes it if it is missing.
fn open_or_make(home: &OwnedFd, uid: u32) -> Result<OwnedFd, Obstacle> {
    match mkdirat(home, DIRECTORY, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(failed(DIRECTORY)(error)),
    }
    let directory = open(home, uid)?.ok_or(Obstacle::Changed)?;
    fchmod(&directory, Mode::RWXU).map_err(failed(DIRECTORY))?;
    Ok(directory)
}

/// The content of a regular file; empty if it is missing.
fn read_file(directory: &OwnedFd, name: &'static CStr) -> Result<Vec<u8>, Obstacle> {
    let file = match openat(directory, name, READ, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Vec::new()),
        opened => opened.map_err(failed(name))?,
    };
    if FileType::from_raw_mode(fstat(&file).map_err(failed(name))?.st_mode) != FileType::RegularFile {
        return Err(Obstacle::InTheWay(name));
    }
    let mut bytes = Vec::new();
    let read = std::fs::File::from(file).take(MAX_SIZE.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| failed(name)(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_SIZE) {
        Err(Obstacle::TooLarge(name))
    } else {
        Ok(bytes)
    }
}

/// Writes a new file under the temporary name, for its owner only.
fn write_temporary(directory: &OwnedFd, bytes: &[u8]) -> Result<(), Obstacle> {
    match unlinkat(directory, TEMPORARY, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(failed(TEMPORARY)(error)),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let file = openat(directory, TEMPORARY, flags, mode).map_err(failed(TEMPORARY))?;
    let mut rest = bytes;
    let mut write = || -> Result<(), Errno> {
        fchmod(&file, mode)?;
        while !rest.is_empty() {
            let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, rest))?;
            rest = rest.get(written..).unwrap_or_default();
        }
        fsync(&file)
    };
    write().map_err(failed(TEMPORARY)).inspect_err(|_| _ = unlinkat(directory, TEMPORARY, AtFlags::empty()))
}

/// Replaces a file, unless a process of the account replaces it, too.
fn replace_and_look(directory: &OwnedFd, name: &'static CStr, bytes: &[u8]) -> Result<(), Obstacle> {
    replace(directory, name, bytes)?;
    if read_file(directory, name)? == bytes { Ok(()) } else { Err(Obstacle::Changed) }
}

/// Replaces a file atomically.
fn replace(directory: &OwnedFd, name: &'static CStr, bytes: &[u8]) -> Result<(), Obstacle> {
    write_temporary(directory, bytes)?;
    renameat(directory, TEMPORARY, directory, name)
        .map_err(failed(name))
        .inspect_err(|_| _ = unlinkat(directory, TEMPORARY, AtFlags::empty()))?;
    fsync(directory).map_err(failed(DIRECTORY))
}

/// Writes a file that must not exist, unless it has this content already.
fn write_once(directory: &OwnedFd, name: &'static CStr, bytes: &[u8]) -> Result<(), Obstacle> {
    write_temporary(directory, bytes)?;
    let linked = linkat(directory, TEMPORARY, directory, name, AtFlags::empty());
    let _ = unlinkat(directory, TEMPORARY, AtFlags::empty());
    match linked {
        Err(Errno::EXIST) if read_file(directory, name)? == bytes => Ok(()),
        Err(Errno::EXIST) => Err(Obstacle::Exists(name)),
        linked => linked.and_then(|()| fsync(directory)).map_err(failed(name)),
    }
}
