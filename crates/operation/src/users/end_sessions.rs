//! Ending the SSH sessions of a user and its user manager, and what was started in them, but not PHP and cron jobs.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::event::{Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::processes::{self, Stat, Status};
use opterius_host::users::register::User;

/// Time limit for the processes to end.
const TIME: Duration = Duration::from_secs(10);

/// The most ancestors of a process that are looked at.
const MAX_ANCESTORS: usize = 64;

/// Ends all SSH sessions of a user, and its user manager if that cannot start again, until two looks in a row find none.
///
/// # Errors
/// A process cannot be ended.
pub fn end_sessions(host: &Host, user: &User, with_manager: bool, deadline: Deadline) -> Result<(), Problem> {
    if !host.is_machine() {
        return Ok(());
    }
    let deadline = deadline.sooner(TIME);
    let mut empty = 0;
    while empty < 2 {
        let left = session_processes(user.uid, with_manager);
        empty = if left.is_empty() { empty + 1 } else { 0 };
        if let Some(first) = left.first().filter(|_| deadline.is_over()) {
            return Err(Problem::TimedOut(format!(
                "Process {first} of an SSH session of “{}” does not end. Repeat the operation.",
                user.name
            )));
        }
        for process in left {
            let descriptor = Pid::from_raw(process.cast_signed()).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
            // Another process may have reused the pid.
            if let Some(Ok(descriptor)) = descriptor
                && is_of(process, user.uid)
            {
                let _ = pidfd_send_signal(&descriptor, Signal::KILL);
            }
        }
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
    }
    Ok(())
}

/// The live processes of this user that belong to SSH sessions: descendants of sshd, and what is left in the control group of
/// sshd's service or of a session; on request, those of its user manager, too.
fn session_processes(uid: u32, with_manager: bool) -> Vec<u32> {
    let all = processes::all();
    let own: Vec<u32> = all.iter().copied().filter(|process| is_of(*process, uid)).collect();
    if own.is_empty() {
        return own;
    }
    // Sessions that cron opened have a process of root's with its name, which no tenant can have.
    let is_cron = |process: &u32| {
        let names = [&b"cron"[..], b"crond", b"CRON", b"atd"];
        Stat::read(*process).is_some_and(|stat| names.contains(&stat.name.as_slice())) && is_roots(*process)
    };
    let of_cron: BTreeSet<Vec<u8>> = all.iter().copied().filter(is_cron).map(control_groups).collect();
    let is_session = |process: &u32| {
        let groups = control_groups(*process);
        (in_session(&groups) && !of_cron.contains(&groups))
            || in_service(&groups)
            || (with_manager && in_manager(&groups))
            || has_sshd_above(*process)
    };
    own.into_iter().filter(is_session).collect()
}

fn is_of(process: u32, uid: u32) -> bool {
    let mut alive = processes::statuses(process).into_iter().filter(|status| !status.is_dead());
    alive.any(|status| status.uids.contains(&uid))
}

fn is_roots(process: u32) -> bool {
    Status::read(&process.to_string()).is_some_and(|status| status.uids.first() == Some(&0))
}

fn control_groups(process: u32) -> Vec<u8> {
    lines::read(format!("/proc/{process}/cgroup").as_ref()).unwrap_or_default()
}

fn has(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

fn in_session(groups: &[u8]) -> bool {
    has(groups, "/user.slice/user-") && has(groups, ".slice/session-")
}

fn in_manager(groups: &[u8]) -> bool {
    has(groups, "/user.slice/user-") && has(groups, ".slice/user@")
}

fn in_service(groups: &[u8]) -> bool {
    ["/ssh.service", "/sshd.service", "/ssh@", "/sshd@"].iter().any(|unit| has(groups, unit))
}

fn has_sshd_above(process: u32) -> bool {
    let mut next = process;
    for _ in 0..MAX_ANCESTORS {
        let Some(stat) = Stat::read(next) else { return false };
        if matches!(stat.name.as_slice(), b"sshd" | b"sshd-session") && is_roots(next) {
            return true;
        }
        next = stat.parent;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_groups_of_sessions_are_told_from_others() {
        for (groups, session, service) in [
            ("0::/user.slice/user-1001.slice/session-4.scope\n", true, false),
            ("0::/user.slice/user-1001.slice/user@1001.service/app.slice\n", false, false),
            ("1:name=systemd:/system.slice/ssh.service\n", false, true),
            ("0::/system.slice/system-sshd.slice/sshd@3-192.0.2.1.service\n", false, true),
            ("0::/system.slice/php8.2-fpm.service\n", false, false),
            ("0::/system.slice/cron.service\n", false, false),
        ] {
            assert_eq!((in_session(groups.as_bytes()), in_service(groups.as_bytes())), (session, service), "{groups}");
            assert_eq!(in_manager(groups.as_bytes()), groups.contains("user@1001.service"), "{groups}");
        }
    }
}
