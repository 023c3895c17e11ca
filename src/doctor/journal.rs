//! The log: the syslog socket, and whether lines arrive in the journal.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use opterius_daemon::log::{LogTarget, SYSLOG_SOCKET};

const START: &str = "systemctl restart systemd-journald-dev-log.socket systemd-journald";

/// Whether the syslog socket exists.
pub fn socket(context: &Context<'_>) -> Option<Finding> {
    let target = context.config()?.log;
    let metadata = fs::metadata(context.system.path(SYSLOG_SOCKET));
    Some(judge_socket(target, metadata.is_ok_and(|metadata| metadata.file_type().is_socket())))
}

fn judge_socket(target: LogTarget, exists: bool) -> Finding {
    match (target, exists) {
        (LogTarget::Stderr, _) => Finding::pass("not used: log=stderr"),
        (_, true) => Finding::pass(SYSLOG_SOCKET),
        (LogTarget::Auto, false) => Finding::warn(format!("{SYSLOG_SOCKET} does not exist; lines go to stderr"), START),
        (LogTarget::Syslog, false) => {
            Finding::fail(format!("{SYSLOG_SOCKET} does not exist: with log=syslog nothing is logged"), START)
        }
    }
}

/// Whether the journal has a license line.
pub fn line(context: &Context<'_>) -> Option<Finding> {
    let system = context.system;
    if !system.has_systemd() {
        return None;
    }
    if !system.is_root {
        return Some(context.needs_root("the journal"));
    }
    let shown = system.printed("journalctl", &["-u", "opterius-agent", "-n", "500", "-o", "cat", "-q", "--no-pager"]);
    let shown = shown.unwrap_or_default();
    Some(match shown.lines().rev().find(|line| line.starts_with("License: ")) {
        Some(line) => Finding::pass(line),
        None => Finding::warn(
            "the journal has no line that starts with License:",
            "systemctl restart opterius-agent; journalctl -u opterius-agent -n 20",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn a_missing_socket_fails_only_with_log_syslog() {
        for (target, exists, verdict) in [
            (LogTarget::Auto, true, Verdict::Pass),
            (LogTarget::Auto, false, Verdict::Warn),
            (LogTarget::Syslog, false, Verdict::Fail),
            (LogTarget::Stderr, false, Verdict::Pass),
        ] {
            assert_eq!(judge_socket(target, exists).verdict, verdict, "{target:?} {exists}");
        }
    }
}
