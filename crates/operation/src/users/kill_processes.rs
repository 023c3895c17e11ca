//! Ending all processes of a user, who may not want that.

use std::fs;
use std::time::Duration;

use rustix::event::{Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use crate::users::run_as_user;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::users::register::User;

/// How long processes have to be gone; the kernel ends them at once unless they wait for a device.
const TIME: Duration = Duration::from_secs(15);

/// Kills every process of the user, until none is left. Below a root that is not the machine there are none: its users
/// cannot log in anywhere.
///
/// # Errors
/// One cannot be killed.
pub fn kill_all(host: &Host, user: &User, deadline: Deadline) -> Result<(), Problem> {
    if !host.is_machine() {
        return Ok(());
    }
    // The users of the system itself are never evicted, whatever went wrong before.
    if user.uid < opterius_host::users::register::FIRST_UID {
        return Err(Problem::Conflict(format!("“{}” is a user of the system itself.", user.name)));
    }
    let deadline = deadline.sooner(TIME);
    loop {
        let left = processes(user.uid);
        let Some(first) = left.first().copied() else { return Ok(()) };
        if deadline.is_over() {
            return Err(Problem::TimedOut(format!(
                "Process {} of “{}” cannot be killed: it probably waits for a device (ps -o stat,wchan {}). Repeat the \
                 operation once it is gone.",
                first.as_raw_nonzero(),
                user.name,
                first.as_raw_nonzero()
            )));
        }
        // One signal of the user to all its processes: the kernel lets none of them fork meanwhile. Where the rights cannot be
        // taken, one by one has to do.
        let _ = run_as_user::run_as_user(user, "kill", deadline, || kill_process_group(Pid::INIT, Signal::KILL));
        // And one of root for those which the user itself may not signal.
        for process in left {
            kill(process, user.uid);
        }
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
    }
}

/// The living processes that have the number in any of their four places.
fn processes(uid: u32) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    numbers.filter(|process| belongs(*process, uid)).collect()
}

fn belongs(process: Pid, uid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).unwrap_or_default();
    is_alive_and_of(&status, uid)
}

fn is_alive_and_of(status: &str, uid: u32) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let is_dead = field("State:").trim_start().starts_with(['Z', 'X']);
    !is_dead && field("Uid:").split_ascii_whitespace().any(|number| number.parse() == Ok(uid))
}

/// Kills a process, unless its number has been given to another one meanwhile.
fn kill(process: Pid, uid: u32) {
    if let Ok(descriptor) = pidfd_open(process, PidfdFlags::empty())
        && belongs(process, uid)
    {
        let _ = pidfd_send_signal(&descriptor, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_four_numbers_counts_and_the_dead_do_not() {
        let status = |state: &str, uids: &str| format!("Name:\tUid: 1000\nState:\t{state}\nUid:\t{uids}\n");
        let table = [
            ("S (sleeping)", "1000\t1000\t1000\t1000", true),
            ("S (sleeping)", "0\t0\t1000\t0", true),
            ("R (running)", "1000\t0\t0\t0", true),
            ("S (sleeping)", "1001\t1001\t1001\t1001", false),
            ("Z (zombie)", "1000\t1000\t1000\t1000", false),
        ];
        for (state, uids, expected) in table {
            assert_eq!(is_alive_and_of(&status(state, uids), 1000), expected, "{state} {uids}");
        }
    }
}
