//! Who may get in: suspending an account, giving it back, and its password.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::transaction::Changes;
use crate::users::user::Shadow;
use crate::users::{eviction, user};
use crate::web::foreign;
use crate::web::site::{self, Site};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_base::files::Rights;
use opterius_base::secret::Secret;
use opterius_host::host::Host;
use opterius_host::layout::AGENT_GROUP;
use opterius_host::problem::Problem;
use opterius_host::request::fields::Username;
use opterius_host::users::account::{self, Account, Suspended};
use opterius_host::users::register::{Register, User};

/// Suspends an account: its sites answer 503, nobody logs in, and nothing of it runs.
///
/// # Errors
/// There is no such account, nginx refused, or a process cannot be killed. A repeat completes it.
pub fn suspend(host: &Host, username: &Username, deadline: Deadline) -> Result<Value, Problem> {
    Changes::run(host, deadline, |changes| {
        let register = Register::read(host)?;
        let user = register.account(username)?.clone();
        refuse_users_of_the_system(&user)?;
        let account = Account::read(host, username)?;
        if account.suspended.is_none() {
            let shadow = user::shadow(host, username)?;
            let suspended = Suspended {
                at: SystemClock.wall(),
                shell: user.shell.clone(),
                password_locked: shadow.locked,
                expires: shadow.expires,
            };
            write(changes, &Account { suspended: Some(suspended), ..account }, &register)?;
        }
        let mut warnings = foreign::suspend(changes, &user, deadline)?;
        warnings.extend(site::apply(changes, &Site::all_of(host, username), deadline)?);
        // From here on nothing is taken back: an account that is half shut out is shut out further by a repeat. It is
        // still one change: whoever gives it back at the same time comes after, and no two tools want one register.
        changes.keep()?;
        user::shut_out(host, username, deadline)?;
        set_crontab_aside(host, username)?;
        eviction::evict(host, &user, deadline)?;
        Ok(json!({"username": username, "suspended": true, "warnings": warnings}))
    })
}

/// Gives an account back what it had.
///
/// # Errors
/// There is no such account, or nginx refused. A repeat completes it.
pub fn unsuspend(host: &Host, username: &Username, deadline: Deadline) -> Result<Value, Problem> {
    Changes::run(host, deadline, |changes| {
        let register = Register::read(host)?;
        let user = register.account(username)?.clone();
        let account = Account::read(host, username)?;
        let Some(suspended) = account.suspended.clone() else {
            return Ok(json!({"username": username, "suspended": false, "warnings": []}));
        };
        write(changes, &Account { suspended: None, ..account }, &register)?;
        let mut warnings = foreign::unsuspend(changes, &user, deadline)?;
        warnings.extend(site::apply(changes, &Site::all_of(host, username), deadline)?);
        let was = Shadow { locked: suspended.password_locked, expires: suspended.expires };
        user::let_in(host, username, &suspended.shell, &was, deadline)?;
        put_crontab_back(host, username)?;
        Ok(json!({"username": username, "suspended": false, "warnings": warnings}))
    })
}

/// Sets a password. A suspended account gets it when it is given back.
///
/// # Errors
/// There is no such account, or chpasswd refused.
pub fn password(host: &Host, username: &Username, password: &Secret, deadline: Deadline) -> Result<Value, Problem> {
    Changes::run(host, deadline, |changes| {
        let register = Register::read(host)?;
        refuse_users_of_the_system(register.account(username)?)?;
        let account = Account::read(host, username)?;
        if let Some(suspended) = account.suspended.clone() {
            let suspended = Some(Suspended { password_locked: false, ..suspended });
            write(changes, &Account { suspended, ..account }, &register)?;
            user::set_password(host, username, password, deadline)?;
            user::lock_password(host, username, deadline)?;
        } else {
            user::set_password(host, username, password, deadline)?;
        }
        Ok(json!({ "username": username }))
    })
}

/// Refuses what somebody has put into the group of accounts that is none.
///
/// # Errors
/// The user is one of the system itself.
pub fn refuse_users_of_the_system(user: &User) -> Result<(), Problem> {
    if user.uid >= opterius_host::users::register::FIRST_UID {
        return Ok(());
    }
    let group = opterius_host::layout::ACCOUNTS_GROUP;
    let name = &user.name;
    Err(Problem::Conflict(format!(
        "“{name}” is a user of the system itself. Take it out of the group: gpasswd -d {name} {group}"
    )))
}

fn write(changes: &mut Changes<'_>, account: &Account, register: &Register) -> Result<(), Problem> {
    let rights = Rights { mode: 0o640, group: register.group(AGENT_GROUP).map(|group| group.gid) };
    changes.write(&account::path(changes.host(), &account.username), &account.to_bytes(), rights)
}

/// The crontab of an account, where cron looks for it.
pub fn crontab(host: &Host, username: &Username) -> PathBuf {
    host.path("/var/spool/cron/crontabs").join(username.as_str())
}

/// Where the crontab of a suspended account is.
pub fn crontab_aside(host: &Host, username: &Username) -> PathBuf {
    host.path("/var/spool/cron/opterius-suspended").join(username.as_str())
}

fn set_crontab_aside(host: &Host, username: &Username) -> Result<(), Problem> {
    let aside = crontab_aside(host, username);
    let directory = aside.parent().unwrap_or(&aside);
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Problem::at(directory, error)),
        _ => {}
    }
    rename_if_there(crontab(host, username), aside)
}

fn put_crontab_back(host: &Host, username: &Username) -> Result<(), Problem> {
    rename_if_there(crontab_aside(host, username), crontab(host, username))
}

fn rename_if_there(from: PathBuf, to: PathBuf) -> Result<(), Problem> {
    match fs::rename(&from, &to) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Problem::at(&from, error)),
        _ => Ok(()),
    }
}
