//! Home directories. Root creates the home itself, in a directory that only root can write to; everything below it is
//! created with the account's own privileges, because the tenant controls what is there.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, mkdirat, openat, statat, symlinkat, unlinkat};
use rustix::io::Errno;

use crate::transaction::{Ownership, Transaction};
use crate::users::run_as_user;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::users::register::User;

/// The first page of a new site.
const PAGE: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>A new site</title>\n\
                    <p>This is a new site. To publish your own pages, replace this file.</p>\n</html>\n";

/// Time limit for work in a home: a file system that a tenant has mounted there can be slow or hang, and other operations
/// wait meanwhile.
pub const IN_HOME_TIME: Duration = Duration::from_secs(10);

/// Creates the home of a new account. Besides the account, only the web server can traverse it.
///
/// # Errors
/// The path already exists, or the home cannot be created.
pub fn create(transaction: &mut Transaction<'_>, user: &User, web_group: u32) -> Result<(), Problem> {
    let host = transaction.host();
    let home = host.home(&user.name);
    if fs::symlink_metadata(&home).is_ok() {
        return Err(Problem::Conflict(format!(
            "{} already exists but belongs to no account. Move it away, or choose another username.",
            home.display()
        )));
    }
    transaction.directory(&host.path("/home"), Ownership::root(0o755))?;
    transaction.make_directory(&home, Ownership { mode: 0o710, owner: Some(user.uid), group: Some(web_group) })
}

/// Creates a site's directories in the home: its document root, a directory for temporary files, and a link to its logs.
///
/// # Errors
/// An existing file of the tenant is in the way, or the file system is full or damaged.
pub fn create_site_directories(
    host: &Host,
    user: &User,
    document_root: &str,
    logs: &Path,
    deadline: Deadline,
) -> Result<(), Problem> {
    let home = open(host, user)?;
    let (root, logs) = (PathBuf::from(document_root), logs.to_owned());
    let what = format!("/home/{}/{document_root}", user.name);
    let created =
        run_as_user::run_as_user(user, &what, deadline.sooner(IN_HOME_TIME), move || in_home(&home, &root, &logs))?;
    created.map_err(|obstacle| obstacle.problem(&what))
}

/// What prevents the creation of a directory or file in a home.
struct Obstacle {
    /// Its path below the home.
    path: PathBuf,
    error: Errno,
}

impl Obstacle {
    /// What the tenant can put in the way is a conflict, which the tenant can also remove; anything else is a failure of the
    /// host.
    fn problem(self, what: &str) -> Problem {
        let shown = self.path.display();
        match self.error {
            Errno::LOOP | Errno::NOTDIR | Errno::EXIST | Errno::ISDIR => Problem::Conflict(format!(
                "{what} cannot be created: {shown} is or contains a link or a file where a directory is required. Move it \
                 away, then repeat the operation."
            )),
            Errno::ACCESS | Errno::PERM => Problem::Conflict(format!(
                "{what} cannot be created: the account itself may not write to {shown}. Correct its mode or attributes, then \
                 repeat the operation."
            )),
            // A file system that the tenant has mounted there.
            error @ (Errno::NOTCONN | Errno::STALE) => Problem::Conflict(format!(
                "{what} cannot be created: {shown}: {error}. Unmount the file system there, then repeat the operation."
            )),
            error => Problem::failed(&format!("{what} cannot be created: {shown}"), error),
        }
    }
}

fn in_the_way(path: &Path) -> impl Fn(Errno) -> Obstacle {
    move |error| Obstacle { path: path.to_owned(), error }
}

/// Opens the home of an account, as root, in a directory that only root can write to.
///
/// # Errors
/// There is no such directory, or it does not belong to the account.
pub fn open(host: &Host, user: &User) -> Result<OwnedFd, Problem> {
    let path = host.home(&user.name);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let home = openat(CWD, &path, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => Problem::Conflict(format!(
            "{} is not a directory, or is gone, so the account has no home. Restore it, then repeat the operation.",
            path.display()
        )),
        error => Problem::at(&path, error.into()),
    })?;
    let owner = fstat(&home).map_err(|error| Problem::at(&path, error.into()))?.st_uid;
    if owner == user.uid {
        return Ok(home);
    }
    let sentence = format!(
        "{0} is owned by user {owner} instead of “{1}”. To fix it, run: chown {2} {0}",
        path.display(),
        user.name,
        user.uid
    );
    Err(Problem::Conflict(sentence))
}

/// Runs with the account's privileges, and accesses nothing but the home.
fn in_home(home: &OwnedFd, root: &Path, logs: &Path) -> Result<(), Obstacle> {
    let directory = make_directories(home, root)?;
    let site = root.parent().filter(|parent| !parent.as_os_str().is_empty());
    let site = site.map_or_else(
        || openat(home, ".", DIRECTORY, Mode::empty()).map_err(in_the_way(root)),
        |site| make_directories(home, site),
    )?;
    match mkdirat(&site, "tmp", Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(in_the_way(Path::new("tmp"))(error)),
    }
    // Leave an existing file or link alone: it is the tenant's.
    match symlinkat(logs, &site, "logs") {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(in_the_way(Path::new("logs"))(error)),
    }
    match welcome(&directory) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(in_the_way(&root.join(FIRST_PAGE))(error)),
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The file name of the first page.
const FIRST_PAGE: &str = "index.html";

/// Creates a directory and its missing parents without following links, and returns it.
fn make_directories(home: impl AsFd, path: &Path) -> Result<OwnedFd, Obstacle> {
    let mut directory = openat(home, ".", DIRECTORY, Mode::empty()).map_err(in_the_way(path))?;
    for part in path {
        match mkdirat(&directory, part, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(in_the_way(path)(error)),
        }
        directory = openat(&directory, part, DIRECTORY, Mode::empty()).map_err(in_the_way(path))?;
    }
    Ok(directory)
}

/// Writes a first page unless the document root has one.
fn welcome(directory: &OwnedFd) -> Result<(), Errno> {
    let has = |name: &str| statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    if has(FIRST_PAGE) || has("index.php") {
        return Ok(());
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, FIRST_PAGE, flags, Mode::from_raw_mode(0o644))?;
    let written = rustix::io::write(&file, PAGE.as_bytes());
    // On a full disk, the file was created but is empty, and a repeat would keep it.
    written.map(drop).inspect_err(|_| _ = unlinkat(directory, FIRST_PAGE, AtFlags::empty()))
}
