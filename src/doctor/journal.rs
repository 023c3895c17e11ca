//! The log: the socket that lines go to, and that they arrive.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use opterius_daemon::log::{LogTarget, SYSLOG_SOCKET};

const START: &str = "systemctl restart systemd-journald-dev-log.socket systemd-journald";

/// Whether somebody takes the lines.
pub fn socket(context: &Context<'_>) -> Option<Finding> {
    let target = context.configuration()?.log;
    let metadata = fs::metadata(context.system.path(SYSLOG_SOCKET));
    Some(judge_socket(target, metadata.is_ok_and(|metadata| metadata.file_type().is_socket())))
}

fn judge_socket(target: LogTarget, is_there: bool) -> Finding {
    match (target, is_there) {
        (LogTarget::Stderr, _) => Finding::pass("not used: log=stderr"),
        (_, true) => Finding::pass(SYSLOG_SOCKET),
        (LogTarget::Auto, false) => Finding::warn(format!("{SYSLOG_SOCKET} is not there; lines go to stderr"), START),
        (LogTarget::Syslog, false) => {
            Finding::fail(format!("{SYSLOG_SOCKET} is not there: with log=syslog nothing is logged"), START)
        }
    }
}

/// Whether the journal has the documented line.
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
            "journalctl -u opterius-agent has no line that begins with License:",
            "systemctl restart opterius-agent; journalctl -u opterius-agent -n 20",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn only_a_log_that_needs_the_socket_fails_without_it() {
        for (target, is_there, verdict) in [
            (LogTarget::Auto, true, Verdict::Pass),
            (LogTarget::Auto, false, Verdict::Warn),
            (LogTarget::Syslog, false, Verdict::Fail),
            (LogTarget::Stderr, false, Verdict::Pass),
        ] {
            assert_eq!(judge_socket(target, is_there).verdict, verdict, "{target:?} {is_there}");
        }
    }
}
