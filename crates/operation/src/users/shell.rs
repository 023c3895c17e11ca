//! The login shells of accounts. Accounts without one are in a group that sshd confines to SFTP.

use crate::users::{shadow_lock, user};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::layout::SFTP_GROUP;
use opterius_host::problem::Problem;
use opterius_host::users::register::{Register, User};

/// Shells that an account is given, in this order of preference.
pub const LOGIN_SHELLS: [&str; 2] = ["/bin/bash", "/bin/sh"];

/// Whether a user with this shell can log in.
pub fn is_login(shell: &str) -> bool {
    let name = shell.rsplit('/').next().unwrap_or_default();
    // An empty field means /bin/sh (passwd(5)).
    !matches!(name, "nologin" | "false" | "true") || shell.is_empty()
}

/// Sets a user's shell, and whether it is confined to SFTP, in one step.
///
/// # Errors
/// usermod failed.
pub fn set(host: &Host, user: &User, shell: &str, is_confined: bool, deadline: Deadline) -> Result<(), Problem> {
    user::ensure_group(host, SFTP_GROUP, &Register::read(host)?, deadline)?;
    let register = Register::read(host)?;
    let is_member = |members: &[String]| members.contains(&user.name);
    let others = register.groups.iter().filter(|group| group.name != SFTP_GROUP && is_member(&group.members));
    let mut groups: Vec<&str> = others.map(|group| group.name.as_str()).collect();
    groups.extend(is_confined.then_some(SFTP_GROUP));
    let tool = user::shadow_utility(host, "usermod")?;
    let tool = tool.args(["--shell", shell, "--groups", &groups.join(","), "--", &user.name]);
    shadow_lock::succeed(host, tool, deadline).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_that_refuse_are_no_login_shells() {
        for (shell, expected) in [
            ("/bin/bash", true),
            ("/usr/bin/zsh", true),
            ("", true),
            ("/usr/sbin/nologin", false),
            ("/sbin/nologin", false),
            ("/bin/false", false),
        ] {
            assert_eq!(is_login(shell), expected, "{shell}");
        }
    }
}
