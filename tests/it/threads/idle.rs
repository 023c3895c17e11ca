//! An idle daemon does not wake up.

use super::SOON;
use crate::support::agent::Agent;
use crate::support::{eventually, pause};
use std::fs;
use std::time::Duration;

/// Longer than the interval of any hidden polling loop.
const QUIET: Duration = Duration::from_secs(6);

#[test]
fn an_idle_daemon_never_wakes_up() {
    let agent = Agent::licensed();
    let mut last = switches(agent.pid());
    let settles = eventually(SOON, || {
        pause(Duration::from_millis(500));
        let now = switches(agent.pid());
        std::mem::replace(&mut last, now) == now
    });
    assert!(settles, "the daemon never becomes idle");
    pause(QUIET);
    assert_eq!(switches(agent.pid()), last, "woken within {QUIET:?}");
}

/// The number of context switches of all threads since the process started: proc_pid_status(5).
fn switches(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let statuses = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap());
    let count = |status: String| -> u64 {
        let lines = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
        lines.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum()
    };
    statuses.map(count).sum()
}
