//! OpenSSH's server: accounts without a login shell can use SFTP and nothing else, by a drop-in of ours.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::systemctl;
use crate::transaction::Transaction;
use opterius_base::deadline::Deadline;
use opterius_base::files::FileMode;
use opterius_base::text::one_line;
use opterius_host::host::Host;
use opterius_host::layout::SSHD_DROP_IN;
use opterius_host::problem::Problem;
use opterius_host::sftp::DROP_IN;
use opterius_host::tool::Tool;
use opterius_host::users::register::User;

/// The directory that sshd needs to test its configuration; its service creates it.
const PRIVILEGE_SEPARATION: &str = "/run/sshd";

/// The service, by distribution.
const SERVICES: [&str; 2] = ["ssh.service", "sshd.service"];

/// Time limit for each call of sshd and systemd. What they do not do is a warning.
const TIME: Duration = Duration::from_secs(10);

/// Makes sure that sshd has the drop-in and that it applies to this user, who is in the group of accounts without a shell.
/// Does nothing without OpenSSH's server. Returns warnings: SFTP must not keep an account from being created.
///
/// # Errors
/// The drop-in cannot be written.
pub fn ensure(transaction: &mut Transaction<'_>, username: &str, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let (host, deadline) = (transaction.host(), deadline.sooner(TIME));
    let path = host.path(SSHD_DROP_IN);
    if !path.parent().is_some_and(Path::is_dir) {
        return Ok(Vec::new());
    }
    if fs::read(&path).is_ok_and(|found| found == DROP_IN.as_bytes()) {
        return Ok(applied(host, username, deadline));
    }
    let before = test(host, deadline);
    transaction.write(&path, DROP_IN.as_bytes(), FileMode::mode(0o644))?;
    match (before, test(host, deadline)) {
        (Ok(()), Ok(())) => {
            let mut warnings = reload(host, deadline);
            warnings.extend(applied(host, username, deadline));
            Ok(warnings)
        }
        (Ok(()), Err(cause)) => {
            transaction.remove(&path)?;
            Ok(vec![format!(
                "SFTP of accounts without a shell does not work: sshd rejects {}: {cause}",
                path.display()
            )])
        }
        (Err(cause), _) => Ok(vec![format!(
            "SFTP of accounts without a shell does not work yet: sshd's configuration is invalid, not caused by this change: \
             {cause} Correct it, then run: systemctl reload ssh"
        )]),
    }
}

/// Runs sshd with these arguments; none if it is not installed, or the host is a directory tree.
fn sshd(host: &Host, arguments: &[&str], deadline: Deadline) -> Option<Result<String, String>> {
    let tool = Tool::named("sshd").ok().filter(|_| host.is_machine())?;
    match fs::create_dir(host.path(PRIVILEGE_SEPARATION)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Some(Err(error.to_string())),
        _ => {}
    }
    Some(match tool.args(arguments).run(deadline) {
        Ok(output) if output.is_success() => Ok(output.stdout),
        Ok(output) => Err(output.complaint()),
        Err(problem) => Err(problem.message()),
    })
}

fn test(host: &Host, deadline: Deadline) -> Result<(), String> {
    sshd(host, &["-t"], deadline).unwrap_or_else(|| Ok(String::new())).map(drop)
}

/// Asks sshd itself whether it confines this user, and warns if not: another file may say something else first.
fn applied(host: &Host, username: &str, deadline: Deadline) -> Vec<String> {
    let connection = format!("user={username},host=localhost,addr=127.0.0.1");
    match sshd(host, &["-T", "-C", &connection], deadline) {
        None => Vec::new(),
        Some(Ok(settings)) if opterius_host::sftp::is_confined(&settings) => Vec::new(),
        Some(Ok(_)) => vec![format!(
            "sshd does not confine “{username}” to SFTP: it does not read {SSHD_DROP_IN}, or another Match block comes first. \
             Compare: sshd -T -C {connection}"
        )],
        Some(Err(cause)) => {
            vec![format!("sshd cannot say whether it confines “{username}” to SFTP: {}", one_line(&cause, 300))]
        }
    }
}

/// Asks sshd whether a key in `~/.ssh/authorized_keys` lets this user in, and returns what prevents it.
pub fn obstacles_to_keys(host: &Host, user: &User, deadline: Deadline) -> Vec<String> {
    if !host.is_machine() {
        return Vec::new();
    }
    let connection = format!("user={},host=localhost,addr=127.0.0.1", user.name);
    match sshd(host, &["-T", "-C", &connection], deadline.sooner(TIME)) {
        None => vec!["This server has no sshd that would read the key. Run: apt-get install openssh-server".to_owned()],
        Some(Ok(settings)) => key_settings(&settings, user),
        Some(Err(cause)) => vec![format!("sshd cannot say whether it reads the key: {}", one_line(&cause, 300))],
    }
}

/// What prevents it, in the output of `sshd -T`.
fn key_settings(settings: &str, user: &User) -> Vec<String> {
    let mut warnings = Vec::new();
    let values =
        |name: &str| settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap_or_default();
    if values("pubkeyauthentication") == "no" {
        warnings.push("sshd accepts no keys: its configuration has PubkeyAuthentication no.".to_owned());
    }
    let files = values("authorizedkeysfile");
    let (by_home, by_name) = (format!("{}/.ssh/authorized_keys", user.home), "/home/%u/.ssh/authorized_keys");
    let own = [".ssh/authorized_keys", "%h/.ssh/authorized_keys", by_name, &by_home];
    if !files.is_empty() && !files.split(' ').any(|file| own.contains(&file)) {
        let files = one_line(files, 300);
        warnings.push(format!(
            "sshd does not read ~/.ssh/authorized_keys: its configuration has AuthorizedKeysFile {files}."
        ));
    }
    warnings
}

/// Reloads the running service. Sessions go on.
fn reload(host: &Host, deadline: Deadline) -> Vec<String> {
    if !host.has_systemd() {
        return Vec::new();
    }
    let is_active = |service: &&&str| {
        systemctl::run(["is-active", "--quiet", service], deadline).is_ok_and(|output| output.is_success())
    };
    let Some(service) = SERVICES.iter().find(is_active) else { return Vec::new() };
    match systemctl::run(["reload", service], deadline) {
        Ok(output) if output.is_success() => Vec::new(),
        Ok(output) => vec![format!("sshd was not reloaded: {} Run: systemctl reload {service}", output.complaint())],
        Err(problem) => vec![format!("sshd was not reloaded: {} Run: systemctl reload {service}", problem.message())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_host::users::register::Register;

    #[test]
    fn settings_under_which_a_key_has_no_effect_are_named() {
        let user = Register::parse("alice:x:1001:1001::/home/alice:/bin/sh\n", "").users.remove(0);
        for (settings, count) in [
            ("pubkeyauthentication yes\nauthorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2\n", 0),
            ("authorizedkeysfile %h/.ssh/authorized_keys\n", 0),
            ("authorizedkeysfile /home/alice/.ssh/authorized_keys\n", 0),
            ("authorizedkeysfile /etc/keys/%u\n", 1),
            ("pubkeyauthentication no\nauthorizedkeysfile none\n", 2),
            ("", 0),
        ] {
            assert_eq!(key_settings(settings, &user).len(), count, "{settings}");
        }
    }
}
