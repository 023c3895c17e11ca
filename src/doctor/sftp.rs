//! Accounts without a login shell can use SFTP and nothing else, if sshd reads the drop-in of the Agent.

use std::fs;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use opterius_host::layout::{SFTP_GROUP, SSHD_DROP_IN};
use opterius_host::sftp;
use opterius_host::users::register::Register;

/// Whether sshd confines accounts without a shell: its own answer for one of them, which counts every file that it reads.
pub fn confinement(context: &Context<'_>) -> Option<Finding> {
    let host = context.host()?;
    let register = Register::read(&host).ok()?;
    let members = &register.group(SFTP_GROUP)?.members;
    let account = members.first()?;
    let path = host.path(SSHD_DROP_IN);
    if !path.parent().is_some_and(std::path::Path::is_dir) {
        return None;
    }
    let count = members.len();
    if !fs::read(&path).is_ok_and(|found| found == sftp::DROP_IN.as_bytes()) {
        return Some(Finding::fail(
            format!(
                "{} is missing or changed, so SFTP does not work for accounts without a shell ({count})",
                path.display()
            ),
            "Run: opterius-agent operation adopt",
        ));
    }
    let connection = format!("user={account},host=localhost,addr=127.0.0.1");
    let Some(settings) = context.system.printed("sshd", &["-T", "-C", &connection]) else {
        return Some(match context.system.is_root {
            true => Finding::warn("sshd cannot show its settings", "Run: sshd -t"),
            false => context.needs_root("sshd's settings"),
        });
    };
    Some(judge(&settings, account, count))
}

fn judge(settings: &str, account: &str, count: usize) -> Finding {
    if sftp::is_confined(settings) {
        return Finding::pass(format!("sshd confines accounts without a shell to SFTP ({count})"));
    }
    Finding::fail(
        format!("sshd does not confine “{account}”, an account without a shell, to SFTP: it could forward ports"),
        format!(
            "Let /etc/ssh/sshd_config begin with: Include /etc/ssh/sshd_config.d/*.conf — and look for an earlier Match block in: \
             sshd -T -C user={account},host=localhost,addr=127.0.0.1. Then run: systemctl reload ssh ({SSHD_DROP_IN})"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn sshd_itself_says_whether_an_account_is_confined() {
        let judged = |settings: &str| judge(settings, "alice", 2).verdict;
        assert_eq!(judged("forcecommand internal-sftp\ndisableforwarding yes\n"), Verdict::Pass);
        assert_eq!(judged("forcecommand none\ndisableforwarding no\n"), Verdict::Fail);
    }
}
