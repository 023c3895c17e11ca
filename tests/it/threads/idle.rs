//! With nothing to do, nothing wakes the daemon.

use super::SOON;
use crate::support::agent::Agent;
use crate::support::{eventually, pause};
use std::fs;
use std::time::Duration;

/// Longer than any poll that a loop might hide.
const QUIET: Duration = Duration::from_secs(6);

#[test]
fn a_daemon_with_nothing_to_do_is_never_woken() {
    let agent = Agent::licensed();
    let mut last = switches(agent.pid());
    let settles = eventually(SOON, || {
        pause(Duration::from_millis(500));
        let now = switches(agent.pid());
        std::mem::replace(&mut last, now) == now
    });
    assert!(settles, "the daemon never comes to rest");
    pause(QUIET);
    assert_eq!(switches(agent.pid()), last, "woken within {QUIET:?}");
}

/// How often a thread of the process has given up a processor since the process began: proc_pid_status(5).
fn switches(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let statuses = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap());
    let count = |status: String| -> u64 {
        let lines = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
        lines.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum()
    };
    statuses.map(count).sum()
}
