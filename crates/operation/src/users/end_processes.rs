//! Ending all processes of an account, whose tenant may try to prevent it.
//!
//! Three things end processes, because each misses some: systemd ends the user's slice, with its user manager and sessions;
//! one signal from a thread with the user's uid reaches all its processes before any of them can fork; and signals from root
//! reach the rest. A look at every task decides whether any is left: a process whose main task has ended lives on in others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use crate::systemctl;
use crate::users::run_as_user;
use opterius_base::deadline::Deadline;
use opterius_base::text::one_line;
use opterius_host::host::Host;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::processes::{self, Stat, Status};
use opterius_host::users::register::{FIRST_UID, Register, User};
use opterius_host::users::subordinate_ids;

/// Time limit for the processes to end. The kernel ends them immediately unless they wait for a device.
const TIME: Duration = Duration::from_secs(15);

/// The most user ids that are signaled as a whole in one round.
const MAX_UIDS: usize = 64;

/// How many looks at every task of a process show that none is the account's: a task can start and end during one of them.
const FOREIGN_LOOKS: u32 = 2;

/// Longest process name in an error message, in characters.
const MAX_NAME: usize = 40;

/// Ends every process of the user and of its subordinate ids, until two looks in a row find none. Does nothing if the host
/// is a directory tree, whose users have no processes.
///
/// # Errors
/// A process cannot be ended.
pub fn end_all(host: &Host, user: &User, deadline: Deadline) -> Result<(), Problem> {
    if !host.is_machine() {
        return Ok(());
    }
    // Never end processes of system users, whatever went wrong before.
    if user.uid < FIRST_UID {
        return Err(Problem::Conflict(format!("“{}” is a system user.", user.name)));
    }
    let owner = Owner::of(host, user)?;
    let deadline = deadline.sooner(TIME);
    // Without a process or a directory of its sessions, the user has no units.
    let sessions = host.path("/run/user").join(user.uid.to_string());
    if host.has_systemd() && (sessions.exists() || !owner.processes().is_empty()) {
        end_slice(user.uid, deadline);
    }
    let mut empty = 0;
    loop {
        let left = owner.processes();
        if left.is_empty() {
            empty += 1;
            if empty == 2 {
                return Ok(());
            }
        } else {
            empty = 0;
        }
        if deadline.is_over() {
            return Err(unending(user, &left));
        }
        let uids: BTreeSet<u32> = left.iter().map(|process| process.uid).collect();
        for uid in uids.into_iter().take(MAX_UIDS) {
            // One signal from the user to all its processes: while it is delivered, the kernel lets none of them fork. If
            // the user's privileges cannot be assumed, the individual signals below must do.
            let end = || kill_process_group(Pid::INIT, Signal::KILL);
            let _ = run_as_user::run_as(uid, user.gid, "kill", deadline, end);
        }
        // Signals from root, for processes that the user itself is not permitted to signal.
        left.iter().for_each(|process| owner.end(process.pid));
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
    }
}

/// Whether the process, or one of its tasks, belongs to this user or to one of its subordinate ids.
pub fn belongs_to(host: &Host, user: &User, process: u32) -> bool {
    Owner::of(host, user).is_ok_and(|owner| owner.uid_of(process).is_some())
}

fn unending(user: &User, left: &[Process]) -> Problem {
    let Some(first) = left.first() else {
        return Problem::TimedOut(format!("Ending the processes of “{}” took too long. Try again.", user.name));
    };
    Problem::TimedOut(format!(
        "Process {0} ({1}) of “{2}” cannot be ended: it is probably waiting for a device, or for a FUSE file system of the \
         account's (findmnt -t fuse shows it), which root ends with: echo 1 >/sys/fs/fuse/connections/N/abort. Look with: ps -o \
         stat,wchan {0}. Repeat the operation once it has ended.",
        first.pid,
        one_line(&processes::name(first.pid), MAX_NAME),
        user.name,
    ))
}

/// Ends the user's sessions and its user manager, and keeps systemd from starting them again. systemd may not know the
/// units, or not answer: what is left is ended by signals.
fn end_slice(uid: u32, deadline: Deadline) {
    let (slice, manager, directory) =
        (format!("user-{uid}.slice"), format!("user@{uid}.service"), format!("user-runtime-dir@{uid}.service"));
    let _ = systemctl::run(["kill", "--signal=KILL", &slice], deadline);
    let _ = systemctl::run(["stop", &slice, &manager, &directory], deadline);
}

/// A process of an account, and which of its ids it has.
struct Process {
    pid: u32,
    uid: u32,
}

/// The ids of an account's processes.
struct Owner {
    uid: u32,
    subordinate: Vec<Range<u32>>,
    /// The uids of all other users, who may have been given the same range.
    others: BTreeSet<u32>,
}

impl Owner {
    fn of(host: &Host, user: &User) -> Result<Self, Problem> {
        let subordinate = subordinate_ids::of(host, user);
        let uids = Register::read(host)?.users.into_iter().map(|other| other.uid);
        let others = uids.filter(|uid| *uid != user.uid && *uid >= FIRST_UID).collect();
        Ok(Self { uid: user.uid, subordinate, others })
    }

    /// The live processes of the account.
    fn processes(&self) -> Vec<Process> {
        // A thread of this process can still have the user's uid, if it hangs.
        let others = processes::all().into_iter().filter(|pid| *pid != std::process::id());
        others.filter_map(|pid| Some(Process { pid, uid: self.uid_of(pid)? })).collect()
    }

    /// The account's id that a process or one of its tasks has, if it is alive.
    fn uid_of(&self, pid: u32) -> Option<u32> {
        let main = Status::read(&pid.to_string())?;
        let mut own: BTreeSet<u32> = self.own_of(&main).collect();
        if main.tasks != 1 && !own.contains(&self.uid) {
            own.extend(self.ids_of_tasks(pid, own.is_empty()));
        }
        if own.contains(&self.uid) {
            return Some(self.uid);
        }
        own.first().copied().filter(|_| !self.is_of_another(pid))
    }

    /// The account's ids that the tasks of a process have. Each can have others: two tenants can arrange for a process of one
    /// to have a task of the other.
    fn ids_of_tasks(&self, pid: u32, is_main_another_users: bool) -> BTreeSet<u32> {
        let key = Stat::read(pid).map(|stat| (self.uid, pid, stat.started));
        if is_main_another_users && key.is_some_and(|key| foreign().get(&key) >= Some(&FOREIGN_LOOKS)) {
            return BTreeSet::new();
        }
        let statuses = processes::statuses(pid);
        let own: BTreeSet<u32> = statuses.iter().flat_map(|status| self.own_of(status)).collect();
        // Without a capability in a namespace with these ids, a task only gets one by running a setuid program, as main task.
        let is_final = || !statuses.iter().any(|status| status.is_capable) || !self.is_in_namespace_of(pid);
        if let Some(key) = key.filter(|_| is_main_another_users && own.is_empty() && is_final()) {
            let mut foreign = foreign();
            let looks = foreign.entry(key).or_insert(0);
            *looks = looks.saturating_add(1);
        }
        own
    }

    fn own_of<'a>(&'a self, status: &Status) -> impl Iterator<Item = u32> + use<'a> {
        let uids = if status.is_dead() { [u32::MAX; 4] } else { status.uids };
        uids.into_iter().filter(|uid| self.includes(*uid))
    }

    fn includes(&self, uid: u32) -> bool {
        uid == self.uid || self.subordinate.iter().any(|range| range.contains(&uid))
    }

    /// Whether an id of the account exists in the user namespace of a process.
    fn is_in_namespace_of(&self, pid: u32) -> bool {
        let map = lines::read(format!("/proc/{pid}/uid_map").as_ref()).unwrap_or_default();
        let overlaps = |outer: Range<u32>| {
            let is_common = |own: &Range<u32>| outer.start < own.end && own.start < outer.end;
            outer.contains(&self.uid) || self.subordinate.iter().any(is_common)
        };
        map.is_empty() || lines::of(&map).filter_map(outer_range).any(overlaps)
    }

    /// Whether a process with a subordinate id is in a user namespace of another user, who was given the same range:
    /// earlier versions of shadow-utils did that. Only that user can have its own uid in the map.
    fn is_of_another(&self, pid: u32) -> bool {
        let map = lines::read(format!("/proc/{pid}/uid_map").as_ref()).unwrap_or_default();
        lines::of(&map).filter_map(outer_range).any(|range| {
            // The initial namespace maps every uid.
            range.end != u32::MAX && self.others.iter().any(|uid| range.contains(uid))
        })
    }

    /// Ends a process, unless another one has reused its pid.
    fn end(&self, pid: u32) {
        let process = Pid::from_raw(pid.cast_signed());
        if let Some(Ok(descriptor)) = process.map(|process| pidfd_open(process, PidfdFlags::empty()))
            && self.uid_of(pid).is_some()
        {
            let _ = pidfd_send_signal(&descriptor, Signal::KILL);
        }
    }
}

/// An account's uid, and a process: its pid and when it started.
type Key = (u32, u32, u64);

/// In how many looks processes with several tasks had no id of an account, and no way to get one. After [`FOREIGN_LOOKS`], later
/// looks of this operation read their main task only: one process can have as many tasks as the machine.
fn foreign() -> MutexGuard<'static, BTreeMap<Key, u32>> {
    static FOREIGN: Mutex<BTreeMap<Key, u32>> = Mutex::new(BTreeMap::new());
    FOREIGN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The ids outside of the namespace, from a line of uid_map: inside, outside, count.
fn outer_range(line: &[u8]) -> Option<Range<u32>> {
    let mut fields = lines::field(line)?.split_ascii_whitespace().skip(1);
    let mut next = || fields.next()?.parse::<u32>().ok();
    let (first, count) = (next()?, next()?);
    Some(first..first.saturating_add(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_outside_are_those_of_the_host() {
        assert_eq!(outer_range(b"         0       1001          1"), Some(1001..1002));
        assert_eq!(outer_range(b"0 0 4294967295"), Some(0..u32::MAX));
        assert_eq!(outer_range(b"0 5"), None);
    }

    #[test]
    fn a_system_user_is_never_touched() {
        let host = Host::new(
            "/".into(),
            opterius_host::host::Acme { server: String::new(), authority: None },
            std::path::PathBuf::new(),
        );
        let user = Register::parse("root:x:0:0::/root:/bin/sh\n", "").users.remove(0);
        assert!(matches!(end_all(&host, &user, Deadline::within(TIME)), Err(Problem::Conflict(_))));
    }
}
