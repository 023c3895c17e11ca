//! System users, made and changed by shadow-utils.

use std::fs;

use crate::users::kill_processes;
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_base::secret::Secret;
use opterius_host::host::Host;
use opterius_host::layout::ACCOUNTS_GROUP;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;
use opterius_host::tool::Tool;
use opterius_host::users::register::{FIRST_UID, Register, User};

/// The shell of a new account.
const SHELL: &str = "/bin/bash";

/// What a suspended account has in its place.
const NO_SHELL: &str = "/usr/sbin/nologin";

/// Users of a tree that is not the machine have numbers that no user of the machine has.
const FIRST_UID_OF_TREE: u32 = 700_000;

/// Where the next number is kept.
const NEXT_UID: &str = "/var/lib/opterius/next-uid";

/// Names that belong to services which may be installed one day.
const RESERVED: [&str; 28] = [
    "admin",
    "apache",
    "clamav",
    "cloudflare",
    "debian",
    "dovecot",
    "ftp",
    "git",
    "mail",
    "mariadb",
    "memcached",
    "mysql",
    "named",
    "nginx",
    "node",
    "opterius",
    "pdns",
    "postfix",
    "postgres",
    "proftpd",
    "redis",
    "root",
    "rspamd",
    "sshd",
    "sudo",
    "ubuntu",
    "vmail",
    "wheel",
];

/// What shadow(5) knows of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Whether the password is locked.
    pub locked: bool,
    /// The day on which the account expires, in days since 1970-01-01.
    pub expires: Option<i64>,
}

/// Refuses a name that a new account cannot have.
///
/// # Errors
/// It is reserved, or the system has such a user or group already.
pub fn check_new(username: &Username, register: &Register) -> Result<(), Problem> {
    let name = username.as_str();
    if RESERVED.contains(&name) || name.starts_with("systemd-") || name.starts_with("opterius-") {
        return Err(Problem::invalid("username", "is reserved for a service of the system; choose another"));
    }
    let taken = |what: &str| {
        Err(Problem::Conflict(format!(
            "The system has a {what} “{name}” that is not an account. Choose another username."
        )))
    };
    if register.user(name).is_some() {
        return taken("user");
    }
    if register.group(name).is_some() {
        return taken("group");
    }
    Ok(())
}

/// Refuses what somebody has put into the group of accounts that is none.
///
/// # Errors
/// The user is one of the system itself.
pub fn refuse_user_of_system(user: &User) -> Result<(), Problem> {
    if user.uid >= FIRST_UID {
        return Ok(());
    }
    let group = ACCOUNTS_GROUP;
    let name = &user.name;
    Err(Problem::Conflict(format!(
        "“{name}” is a user of the system itself. Take it out of the group: gpasswd -d {name} {group}"
    )))
}

/// Makes the user of a new account: without a password, in a group of its own and in the group of all accounts.
///
/// # Errors
/// shadow-utils refused.
pub fn create(host: &Host, username: &Username, register: &Register, deadline: Deadline) -> Result<User, Problem> {
    ensure_group(host, register, deadline)?;
    let uid = next_uid(host, register)?;
    shadow_utility(host, "useradd")?
        .args(["--no-create-home", "--user-group", "--no-log-init", "--shell", SHELL, "--groups", ACCOUNTS_GROUP])
        .args(["--uid", &uid.to_string(), "--home-dir", &format!("/home/{username}")])
        // The group has the same number.
        .args(["--key", &format!("GID_MIN={}", first_uid(host)), "--key", &format!("GID_MAX={uid}")])
        .args(["--", username.as_str()])
        .succeed(deadline)?;
    Register::read(host)?.account(username).cloned()
}

/// Puts a user who is there already into the group of all accounts.
///
/// # Errors
/// shadow-utils refused.
pub fn join(host: &Host, username: &Username, register: &Register, deadline: Deadline) -> Result<(), Problem> {
    ensure_group(host, register, deadline)?;
    let arguments = ["--append", "--groups", ACCOUNTS_GROUP, "--", username.as_str()];
    shadow_utility(host, "usermod")?.args(arguments).succeed(deadline).map(drop)
}

fn ensure_group(host: &Host, register: &Register, deadline: Deadline) -> Result<(), Problem> {
    if register.group(ACCOUNTS_GROUP).is_some() {
        return Ok(());
    }
    shadow_utility(host, "groupadd")?.args(["--system", ACCOUNTS_GROUP]).succeed(deadline).map(drop)
}

/// Removes a user and its group; nothing happens when they are not there. The home stays: see [`crate::tree`].
///
/// # Errors
/// shadow-utils refused.
pub fn remove(host: &Host, username: &Username, deadline: Deadline) -> Result<(), Problem> {
    let register = Register::read(host)?;
    if let Some(user) = register.user(username.as_str()) {
        kill_processes::kill_all(host, user, deadline)?;
        shadow_utility(host, "userdel")?.args(["--", username.as_str()]).succeed(deadline)?;
    }
    if Register::read(host)?.group(username.as_str()).is_some() {
        shadow_utility(host, "groupdel")?.args(["--", username.as_str()]).succeed(deadline)?;
    }
    Ok(())
}

/// Shuts a user out: no password, no shell, expired.
///
/// # Errors
/// shadow-utils refused.
pub fn disable_login(host: &Host, username: &Username, deadline: Deadline) -> Result<(), Problem> {
    let arguments = ["--lock", "--shell", NO_SHELL, "--expiredate", "1", "--", username.as_str()];
    shadow_utility(host, "usermod")?.args(arguments).succeed(deadline).map(drop)
}

/// Gives a user back what it had.
///
/// # Errors
/// shadow-utils refused.
pub fn restore_login(
    host: &Host,
    username: &Username,
    shell: &str,
    was: &Shadow,
    deadline: Deadline,
) -> Result<(), Problem> {
    let expires = was.expires.map(|day| day.to_string()).unwrap_or_default();
    let tool = shadow_utility(host, "usermod")?.args(["--shell", shell, "--expiredate", &expires]);
    let tool = if was.locked { tool } else { tool.arg("--unlock") };
    tool.args(["--", username.as_str()]).succeed(deadline).map(drop)
}

/// Sets a password. It goes by standard input: arguments can be seen by every user.
///
/// # Errors
/// chpasswd refused.
pub fn set_password(host: &Host, username: &Username, password: &Secret, deadline: Deadline) -> Result<(), Problem> {
    let tool = Tool::named("chpasswd")?;
    let tool = if host.is_machine() {
        tool
    } else {
        // It changes its root, where neither PAM nor the default method is.
        tool.args(["-c", "SHA512", "-R"]).arg(host.root())
    };
    let output = tool.input(format!("{username}:{}\n", password.expose())).run(deadline)?;
    if output.is_success() {
        return Ok(());
    }
    // What it says may repeat its input.
    Err(Problem::Failed(password.redact(&output.complaint())))
}

/// Locks a password that was just set.
///
/// # Errors
/// shadow-utils refused.
pub fn lock_password(host: &Host, username: &Username, deadline: Deadline) -> Result<(), Problem> {
    shadow_utility(host, "usermod")?.args(["--lock", "--", username.as_str()]).succeed(deadline).map(drop)
}

/// What shadow(5) knows of a user.
///
/// # Errors
/// It cannot be read, or has no such user.
pub fn shadow(host: &Host, username: &Username) -> Result<Shadow, Problem> {
    let path = host.path("/etc/shadow");
    let text = fs::read_to_string(&path).map_err(|error| Problem::at(&path, error))?;
    let found = text.lines().find_map(|line| parse_shadow(line, username.as_str()));
    found.ok_or_else(|| Problem::Failed(format!("{}: there is no line for {username}", path.display())))
}

fn parse_shadow(line: &str, name: &str) -> Option<Shadow> {
    let fields: Vec<&str> = line.split(':').collect();
    let [owner, password, _, _, _, _, _, expires, ..] = fields.as_slice() else { return None };
    (*owner == name).then(|| Shadow { locked: password.starts_with('!'), expires: expires.parse().ok() })
}

fn first_uid(host: &Host) -> u32 {
    if host.is_machine() { FIRST_UID } else { FIRST_UID_OF_TREE }
}

/// A number that no user or group has, and that none of ours ever had: files of a deleted account may be left somewhere,
/// and must not become somebody else's.
fn next_uid(host: &Host, register: &Register) -> Result<u32, Problem> {
    let path = host.path(NEXT_UID);
    let kept = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    let uid = free_number(register, first_uid(host), kept.unwrap_or_default());
    let next = format!("{}\n", uid.saturating_add(1));
    files::replace(&path, next.as_bytes(), FileMode::mode(0o644)).map_err(|error| Problem::at(&path, error))?;
    Ok(uid)
}

fn free_number(register: &Register, first: u32, kept: u32) -> u32 {
    let ours = |number: &u32| (first..first.saturating_add(59_000)).contains(number);
    let numbers = || {
        register.users.iter().flat_map(|user| [user.uid, user.gid]).chain(register.groups.iter().map(|group| group.gid))
    };
    let beyond_all = numbers().filter(ours).max().map_or(first, |highest| highest.saturating_add(1));
    beyond_all.max(kept)
}

fn shadow_utility(host: &Host, name: &str) -> Result<Tool, Problem> {
    let tool = Tool::named(name)?;
    Ok(if host.is_machine() { tool } else { tool.arg("--prefix").arg(host.root()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_given_twice() {
        let register = Register::parse(
            "root:x:0:0::/:/bin/sh\na:x:1000:1000::/:/bin/sh\nb:x:1004:1004::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
            "b:x:1004:\nstaff:x:1009:\n",
        );
        for (first, kept, expected) in [(1000, 0, 1010), (1000, 1010, 1010), (1000, 1500, 1500), (700_000, 0, 700_000)]
        {
            assert_eq!(free_number(&register, first, kept), expected, "{first} {kept}");
        }
    }

    #[test]
    fn shadow_tells_locks_and_expiry() {
        let table = [
            ("alice:!:19000:0:99999:7:::", Some((true, None))),
            ("alice:$y$x:19000:0:99999:7::20000:", Some((false, Some(20_000)))),
            ("alice:!$6$x:19000:0:99999:7::1:", Some((true, Some(1)))),
            ("alicex:!:19000:0:99999:7:::", None),
            ("alice", None),
        ];
        for (line, expected) in table {
            let shadow = parse_shadow(line, "alice").map(|shadow| (shadow.locked, shadow.expires));
            assert_eq!(shadow, expected, "{line}");
        }
    }

    #[test]
    fn names_of_the_system_are_not_for_accounts() {
        let register = Register::parse("backup:x:34:34::/:/bin/sh\n", "shadow:x:42:\n");
        let check = |name: &str| check_new(&Username::parse("username", name).unwrap(), &register);
        assert!(check("alice").is_ok());
        for name in ["backup", "shadow"] {
            assert!(matches!(check(name), Err(Problem::Conflict(_))), "{name}");
        }
        for name in ["root", "opterius-accounts", "systemd-network", "mysql"] {
            assert!(matches!(check(name), Err(Problem::Invalid { .. })), "{name}");
        }
    }
}
