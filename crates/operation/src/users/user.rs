//! System users, created and changed with shadow-utils.

use std::fs;

use crate::users::{end_processes, name_service, numbers, reserved, shadow_lock};
use opterius_base::deadline::Deadline;
use opterius_base::secret::Secret;
use opterius_host::host::Host;
use opterius_host::layout::{ACCOUNTS_GROUP, SFTP_GROUP};
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;
use opterius_host::sites::unmanaged_sites;
use opterius_host::tool::Tool;
use opterius_host::users::administrators;
use opterius_host::users::register::{FIRST_UID, Register, User};

/// The shell of a new or suspended account.
pub const NO_SHELL: &str = "/usr/sbin/nologin";

/// The mark of a user whom the Agent created, in the last part of the comment field of passwd(5), which only root can change
/// (chfn(1)). The name in the first part, which mail programs show, stays empty.
const CREATED: &str = ",,,,opterius-agent";

/// The relevant fields of shadow(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Whether the password is locked.
    pub locked: bool,
    /// The user's expiry date, in days since 1970-01-01.
    pub expires: Option<i64>,
}

/// Checks that a new account can have this name.
///
/// # Errors
/// The name is reserved, a user or group with this name exists, or it would have administrators' privileges.
pub fn check_new(host: &Host, username: &Username, register: &Register, deadline: Deadline) -> Result<(), Problem> {
    let name = username.as_str();
    if reserved::is_reserved(name) {
        return Err(Problem::invalid("username", "is reserved for a system service; choose another"));
    }
    let taken = |what: &str| {
        Err(Problem::Conflict(format!(
            "This server has a {what} “{name}” that is not an account. Choose another username."
        )))
    };
    if register.user(name).is_some() || name_service::has_user(host, name, deadline)? {
        return taken("user");
    }
    if register.group(name).is_some() || name_service::has_group(host, name, deadline)? {
        return taken("group");
    }
    match administrators::reason_for_new(host, register, name)? {
        None => Ok(()),
        Some(reason) => Err(Problem::Conflict(format!("“{name}” {reason}. Choose another username."))),
    }
}

/// Refuses users who are not customers: system users, in case one was added to the group of accounts, and users who became
/// administrators, or share a group, after they were adopted.
///
/// # Errors
/// The user is such a user, or the rules of sudo cannot be read.
pub fn refuse_foreign_user(host: &Host, register: &Register, user: &User) -> Result<(), Problem> {
    if user.uid >= FIRST_UID {
        let obstacle = unmanaged_sites::obstacle(host, register, user)?;
        return obstacle.map_or(Ok(()), |obstacle| Err(Problem::Conflict(obstacle)));
    }
    let group = ACCOUNTS_GROUP;
    let name = &user.name;
    Err(Problem::Conflict(format!(
        "“{name}” is a system user. Remove it from the group of accounts: gpasswd -d {name} {group}"
    )))
}

/// Chooses the uid of a new account, and creates the group of accounts if it is missing.
///
/// # Errors
/// groupadd failed, or the choice cannot be stored.
pub fn choose_uid(host: &Host, register: &Register, deadline: Deadline) -> Result<u32, Problem> {
    ensure_group(host, ACCOUNTS_GROUP, register, deadline)?;
    ensure_group(host, SFTP_GROUP, register, deadline)?;
    numbers::next(host, register, deadline)
}

/// Creates the user of a new account, without a password, in its own group and in the group of accounts.
///
/// # Errors
/// useradd failed.
pub fn create(host: &Host, username: &Username, uid: u32, deadline: Deadline) -> Result<User, Problem> {
    let tool = shadow_utility(host, "useradd")?
        .args(["--no-create-home", "--user-group", "--no-log-init", "--shell", NO_SHELL])
        .args(["--groups", &format!("{ACCOUNTS_GROUP},{SFTP_GROUP}")])
        .args(["--comment", CREATED])
        .args(["--uid", &uid.to_string(), "--home-dir", &format!("/home/{username}")])
        // Make the gid equal to the uid.
        .args(["--key", &format!("GID_MIN={}", numbers::first(host)), "--key", &format!("GID_MAX={uid}")])
        // No subordinate ids: their processes and files would outlive the account, or come to the next one.
        .args(["--key", "SUB_UID_COUNT=0", "--key", "SUB_GID_COUNT=0"])
        .args(["--", username.as_str()]);
    shadow_lock::succeed(host, tool, deadline)?;
    Register::read(host)?.account(username).cloned()
}

/// Adds an existing user to the group of accounts.
///
/// # Errors
/// usermod failed.
pub fn join(host: &Host, username: &Username, register: &Register, deadline: Deadline) -> Result<(), Problem> {
    ensure_group(host, ACCOUNTS_GROUP, register, deadline)?;
    let arguments = ["--append", "--groups", ACCOUNTS_GROUP, "--", username.as_str()];
    let tool = shadow_utility(host, "usermod")?.args(arguments);
    shadow_lock::succeed(host, tool, deadline).map(drop)
}

/// Creates a group of ours unless it exists.
///
/// # Errors
/// groupadd failed.
pub fn ensure_group(host: &Host, name: &str, register: &Register, deadline: Deadline) -> Result<(), Problem> {
    if register.group(name).is_some() {
        return Ok(());
    }
    let tool = shadow_utility(host, "groupadd")?.args(["--system", name]);
    shadow_lock::succeed(host, tool, deadline).map(drop)
}

/// Whether the user with this name is one that the Agent created with this uid; none if there is no such user.
///
/// # Errors
/// The users cannot be read.
pub fn is_created_here(host: &Host, username: &Username, uid: u32) -> Result<Option<bool>, Problem> {
    Ok(passwd_fields(host, username)?.map(|fields| {
        let field = |number: usize| fields.get(number).map_or(&[][..], Vec::as_slice);
        field(2) == uid.to_string().as_bytes() && field(4) == CREATED.as_bytes()
    }))
}

/// The uid of the user with this name, if there is one.
///
/// # Errors
/// The users cannot be read.
pub fn uid_of(host: &Host, username: &Username) -> Result<Option<u32>, Problem> {
    let fields = passwd_fields(host, username)?;
    Ok(fields.and_then(|fields| str::from_utf8(fields.get(2)?).ok()?.parse().ok()))
}

/// A user's fields of passwd(5), as bytes: tenants can write anything into some of them.
fn passwd_fields(host: &Host, username: &Username) -> Result<Option<Vec<Vec<u8>>>, Problem> {
    let path = host.path("/etc/passwd");
    let bytes = fs::read(&path).map_err(|error| Problem::at(&path, error))?;
    let lines = bytes.split(|byte| *byte == b'\n');
    let fields = |line: &[u8]| line.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect::<Vec<_>>();
    Ok(lines.map(fields).find(|fields| fields.first().is_some_and(|name| name == username.as_str().as_bytes())))
}

/// Deletes a user and its group, if they exist. The home stays: see [`crate::tree`].
///
/// # Errors
/// userdel or groupdel failed.
pub fn remove(host: &Host, username: &Username, deadline: Deadline) -> Result<(), Problem> {
    let register = Register::read(host)?;
    if let Some(user) = register.user(username.as_str()) {
        end_processes::end_all(host, user, deadline)?;
        shadow_lock::succeed(host, shadow_utility(host, "userdel")?.args(["--", username.as_str()]), deadline)?;
    }
    if Register::read(host)?.group(username.as_str()).is_some() {
        shadow_lock::succeed(host, shadow_utility(host, "groupdel")?.args(["--", username.as_str()]), deadline)?;
    }
    Ok(())
}

/// Disables a user's login: locks the password, removes the shell, and expires the user.
///
/// # Errors
/// usermod failed.
pub fn disable_login(host: &Host, username: &Username, deadline: Deadline) -> Result<(), Problem> {
    let arguments = ["--lock", "--shell", NO_SHELL, "--expiredate", "1", "--", username.as_str()];
    let tool = shadow_utility(host, "usermod")?.args(arguments);
    shadow_lock::succeed(host, tool, deadline).map(drop)
}

/// Restores a user's login.
///
/// # Errors
/// usermod failed.
pub fn restore_login(
    host: &Host,
    username: &Username,
    shell: &str,
    before: &Shadow,
    deadline: Deadline,
) -> Result<(), Problem> {
    let expires = before.expires.map(|day| day.to_string()).unwrap_or_default();
    let tool = shadow_utility(host, "usermod")?.args(["--shell", shell, "--expiredate", &expires]);
    let tool = if before.locked { tool } else { tool.arg("--unlock") };
    shadow_lock::succeed(host, tool.args(["--", username.as_str()]), deadline).map(drop)
}

/// Sets a password, passed through stdin because every user can see arguments.
///
/// # Errors
/// chpasswd failed.
pub fn set_password(host: &Host, username: &Username, password: &Secret, deadline: Deadline) -> Result<(), Problem> {
    let tool = Tool::named("chpasswd")?;
    let tool = if host.is_machine() {
        tool
    } else {
        // It runs in a chroot, where neither PAM nor the default method is configured.
        tool.args(["-c", "SHA512", "-R"]).arg(host.root())
    };
    let tool = tool.input(format!("{username}:{}\n", password.expose()));
    let output = shadow_lock::run(host, tool, deadline)?;
    if output.is_success() {
        return Ok(());
    }
    // Its output may repeat its input.
    Err(Problem::failure(password.redact(&output.complaint())))
}

/// Locks a user's password.
///
/// # Errors
/// usermod failed.
pub fn lock_password(host: &Host, username: &Username, deadline: Deadline) -> Result<(), Problem> {
    let tool = shadow_utility(host, "usermod")?.args(["--lock", "--", username.as_str()]);
    shadow_lock::succeed(host, tool, deadline).map(drop)
}

/// Reads a user's fields of shadow(5).
///
/// # Errors
/// The file cannot be read, or does not list the user.
pub fn shadow(host: &Host, username: &Username) -> Result<Shadow, Problem> {
    let path = host.path("/etc/shadow");
    let bytes = lines::read(&path).map_err(|error| Problem::at(&path, error))?;
    let found = lines::of(&bytes).find_map(|line| parse_shadow(line, username.as_str()));
    found.ok_or_else(|| Problem::Failed(format!("{}: no line for {username}", path.display())))
}

/// Parses a line of shadow(5), if it is this user's.
pub fn parse_shadow(line: &[u8], name: &str) -> Option<Shadow> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    let [owner, password, _, _, _, _, _, expires, ..] = fields.as_slice() else { return None };
    let shadow = || Shadow { locked: password.starts_with(b"!"), expires: lines::number(expires) };
    (*owner == name.as_bytes()).then(shadow)
}

/// A tool of shadow-utils, for this host.
///
/// # Errors
/// It is not installed.
pub fn shadow_utility(host: &Host, name: &str) -> Result<Tool, Problem> {
    let tool = Tool::named(name)?;
    Ok(if host.is_machine() { tool } else { tool.arg("--prefix").arg(host.root()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_and_expiry_are_read_from_shadow() {
        let table = [
            ("alice:!:19000:0:99999:7:::", Some((true, None))),
            ("alice:$y$x:19000:0:99999:7::20000:", Some((false, Some(20_000)))),
            ("alice:!$6$x:19000:0:99999:7::1:", Some((true, Some(1)))),
            ("alicex:!:19000:0:99999:7:::", None),
            ("alice", None),
        ];
        for (line, expected) in table {
            let shadow = parse_shadow(line.as_bytes(), "alice").map(|shadow| (shadow.locked, shadow.expires));
            assert_eq!(shadow, expected, "{line}");
        }
    }
}
