//! The service manager of an account's user, `user@UID.service`. Where sshd uses pam_systemd, every session starts it, also one of
//! SFTP, and it runs the units that the tenant has put into its home. So systemd must not start that of an account without a
//! login shell: a link to /dev/null in the place of its unit masks it, see systemctl(1).

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::accounts::linger;
use crate::systemctl;
use crate::transaction::Transaction;
use crate::users::shell;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::layout::{SFTP_GROUP, UNITS};
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;
use opterius_host::users::account::Account;
use opterius_host::users::register::{Register, User};

/// What a mask leads to.
const NOTHING: &str = "/dev/null";

/// How often systemd is asked to follow: reading units again, and ending what a login has started meanwhile.
const ROUNDS: usize = 4;

fn unit(user: &User) -> String {
    format!("user@{}.service", user.uid)
}

fn path(host: &Host, user: &User) -> PathBuf {
    host.path(UNITS).join(unit(user))
}

/// Whether there is a mask. Anything else in its place is an administrator's.
pub fn is_masked(host: &Host, user: &User) -> bool {
    fs::read_link(path(host, user)).is_ok_and(|target| target == Path::new(NOTHING))
}

/// Whether a mask can be made: there are units, and an administrator has made none for this user.
fn can_be_masked(host: &Host, user: &User) -> bool {
    let path = path(host, user);
    path.parent().is_some_and(Path::is_dir) && fs::symlink_metadata(path).is_err()
}

/// Masks the manager of an account without a login shell.
///
/// # Errors
/// The link cannot be made.
pub fn mask(transaction: &mut Transaction<'_>, user: &User) -> Result<(), Problem> {
    let host = transaction.host();
    if can_be_masked(host, user) { transaction.link(&path(host, user), Path::new(NOTHING)) } else { Ok(()) }
}

/// Removes the mask of an account that gets a login shell.
///
/// # Errors
/// The link cannot be removed.
pub fn unmask(transaction: &mut Transaction<'_>, user: &User) -> Result<(), Problem> {
    let host = transaction.host();
    if is_masked(host, user) { transaction.remove(&path(host, user)) } else { Ok(()) }
}

/// Removes the mask of a user that is being deleted.
///
/// # Errors
/// The link cannot be removed.
pub fn forget(host: &Host, user: &User) -> Result<(), Problem> {
    if !is_masked(host, user) {
        return Ok(());
    }
    let path = path(host, user);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Problem::at(&path, error)),
        _ => Ok(()),
    }
}

/// Masks the managers of all accounts without a login shell, and ends those that run. Leaves accounts alone that have no login
/// shell for another reason than the Agent's, and whose services an administrator lets run without a session. Returns
/// warnings.
///
/// # Errors
/// An account cannot be read, or a link cannot be made.
pub fn mask_all(host: &Host, register: &Register, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let mut warnings = Vec::new();
    for user in register.accounts().iter().filter_map(|name| register.user(name)) {
        if !can_be_masked(host, user) || !is_without_shell(host, register, user)? {
            continue;
        }
        let path = path(host, user);
        symlink(NOTHING, &path).map_err(|error| Problem::at(&path, error))?;
        // Without this directory of its sessions, it does not run.
        if host.path("/run/user").join(user.uid.to_string()).exists() {
            warnings.extend(follow(host, user, deadline));
        }
    }
    Ok(warnings)
}

fn is_without_shell(host: &Host, register: &Register, user: &User) -> Result<bool, Problem> {
    if register.group(SFTP_GROUP).is_some_and(|group| group.members.contains(&user.name)) {
        return Ok(true);
    }
    let username = Username::parse("username", &user.name)?;
    let suspended = Account::read(host, &username)?.suspended;
    let has_lingered = suspended.as_ref().is_some_and(|suspended| suspended.linger);
    let current = suspended.map_or_else(|| user.shell.clone(), |suspended| suspended.shell);
    Ok(!shell::is_login(&current) && !has_lingered && !linger::is_enabled(host, &username))
}

/// Makes systemd follow the link or its absence: ends a manager that is masked, and has systemd read units again if a session
/// keeps it from noticing. Returns a warning if systemd does not follow.
pub fn follow(host: &Host, user: &User, deadline: Deadline) -> Option<String> {
    let is_masked = is_masked(host, user);
    let is_administrators = !is_masked && fs::symlink_metadata(path(host, user)).is_ok();
    if !host.has_systemd() || is_administrators {
        return None;
    }
    let unit = unit(user);
    let cause = match (0..ROUNDS).find_map(|_| step(&unit, is_masked, deadline).transpose()) {
        Some(Ok(())) => return None,
        Some(Err(problem)) => problem.message(),
        None => "Sessions keep it as it is.".to_owned(),
    };
    let state = if is_masked { "still runs, or can be started" } else { "cannot be started yet" };
    Some(format!("The service manager of “{}” {state}: {cause} Look with: systemctl status {unit}", user.name))
}

/// Starts the manager of a user whose services run without a session: the login manager only does so at boot. It starts with
/// the next session in any case.
pub fn start(host: &Host, user: &User, deadline: Deadline) {
    if host.has_systemd() {
        let _ = systemctl::run(["start", "--no-block", &unit(user)], deadline);
    }
}

/// One attempt; something if systemd follows.
fn step(unit: &str, is_masked: bool, deadline: Deadline) -> Result<Option<()>, Problem> {
    let shown = systemctl::succeed(["show", "--property=LoadState,ActiveState", unit], deadline)?.stdout;
    let has = |line: &str| shown.lines().any(|shown| shown == line);
    if is_masked && !has("ActiveState=inactive") {
        // One of these fails, depending on its state.
        for arguments in [&["kill", "--signal=KILL", unit][..], &["stop", unit], &["reset-failed", unit]] {
            let _ = systemctl::run(arguments, deadline);
        }
        return Ok(None);
    }
    if has("LoadState=masked") == is_masked {
        return Ok(Some(()));
    }
    systemctl::reload_files(deadline).map(|()| None)
}
