//! Killing all processes of a user who may try to prevent it.

use std::time::Duration;

use rustix::event::{Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use crate::users::run_as_user;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::processes::{self, Status};
use opterius_host::users::register::User;

/// Time limit for the processes to end. The kernel ends them immediately unless they wait for a device.
const TIME: Duration = Duration::from_secs(15);

/// Kills every process of the user, until none is left. Does nothing if the host is a directory tree, whose users have no
/// processes.
///
/// # Errors
/// A process cannot be killed.
pub fn kill_all(host: &Host, user: &User, deadline: Deadline) -> Result<(), Problem> {
    if !host.is_machine() {
        return Ok(());
    }
    // Never kill processes of system users, whatever went wrong before.
    if user.uid < opterius_host::users::register::FIRST_UID {
        return Err(Problem::Conflict(format!("“{}” is a system user.", user.name)));
    }
    let deadline = deadline.sooner(TIME);
    loop {
        let left = processes(user.uid);
        let Some(first) = left.first().copied() else { return Ok(()) };
        if deadline.is_over() {
            return Err(Problem::TimedOut(format!(
                "Process {} of “{}” cannot be killed: it is probably waiting for a device (ps -o stat,wchan {}). Repeat \
                 the operation once it has ended.",
                first.as_raw_nonzero(),
                user.name,
                first.as_raw_nonzero()
            )));
        }
        // One signal from the user to all its processes: while it is delivered, the kernel lets none of them fork. If the
        // user's privileges cannot be assumed, the individual signals below must do.
        let _ = run_as_user::run_as_user(user, "kill", deadline, || kill_process_group(Pid::INIT, Signal::KILL));
        // Signals from root, for processes that the user itself is not permitted to signal.
        for process in left {
            kill(process, user.uid);
        }
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
    }
}

/// The live processes that have `uid` as any of their four user ids.
fn processes(uid: u32) -> Vec<Pid> {
    let numbers = processes::all().into_iter().filter_map(|process| Pid::from_raw(process.cast_signed()));
    numbers.filter(|process| belongs(*process, uid)).collect()
}

fn belongs(process: Pid, uid: u32) -> bool {
    let status = Status::read(&process.as_raw_nonzero().to_string());
    status.is_some_and(|status| !status.is_dead() && status.uids.contains(&uid))
}

/// Kills a process, unless another one has reused its pid.
fn kill(process: Pid, uid: u32) {
    if let Ok(descriptor) = pidfd_open(process, PidfdFlags::empty())
        && belongs(process, uid)
    {
        let _ = pidfd_send_signal(&descriptor, Signal::KILL);
    }
}
