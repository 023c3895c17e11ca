//! Running shadow-utils, which wait for locks on the files of users and groups.
//!
//! A tenant can start one of the setuid tools (passwd, chfn, chsh) and stop or freeze it while it holds a lock. So a tool of
//! a user that holds a lock for longer than a moment is ended; any other holder is named.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use log::warn;
use rustix::event::{Timespec, poll};
use rustix::process::{Flock, FlockType, Pid, PidfdFlags, Signal, fcntl_getlk, pidfd_open, pidfd_send_signal};

use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_base::text::one_line;
use opterius_host::host::Host;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::processes::{self, Stat, Status};
use opterius_host::tool::{Output, Tool};
use opterius_host::users::register::{FIRST_UID, Register};

/// Time limit for one tool: it takes a fraction of a second, once it has the locks.
const TOOL_TIME: Duration = Duration::from_secs(12);

/// How long a tool of a user can hold a lock: it takes the lock only to write.
const USER_TIME: Duration = Duration::from_secs(2);

/// How long to wait for any other program.
const OTHER_TIME: Duration = Duration::from_secs(8);

/// The lock of lckpwdf(3), which is a lock on a file.
const LOCK: &str = "/etc/.pwd.lock";

/// The locks of shadow-utils, which are files that contain the holder's pid.
const FILES: [&str; 6] = [
    "/etc/passwd.lock",
    "/etc/shadow.lock",
    "/etc/group.lock",
    "/etc/gshadow.lock",
    "/etc/subuid.lock",
    "/etc/subgid.lock",
];

/// The kernel's unit of time in /proc, per second.
const USER_HZ: u64 = 100;

/// Longest program name in a message, in characters.
const MAX_NAME: usize = 40;

/// Runs a tool of shadow-utils once its locks are free, and treats any exit code but 0 as an error.
///
/// # Errors
/// The tool failed, or another program holds a lock; the message names it.
pub fn succeed(host: &Host, tool: Tool, deadline: Deadline) -> Result<Output, Problem> {
    let output = run(host, tool, deadline)?;
    if output.is_success() { Ok(output) } else { Err(Problem::failure(output.complaint())) }
}

/// Like [`succeed`], with any exit code.
///
/// # Errors
/// The tool timed out, or another program holds a lock; the message names it.
pub fn run(host: &Host, tool: Tool, deadline: Deadline) -> Result<Output, Problem> {
    if host.is_machine() {
        wait_for_locks(host, deadline)?;
    }
    let result = tool.run(deadline.sooner(TOOL_TIME));
    match result {
        // It was taken meanwhile.
        Err(Problem::TimedOut(_)) if host.is_machine() => match holder() {
            Some(holder) => Err(holder.problem(host)),
            None => result,
        },
        result => result,
    }
}

/// Waits until no program holds a lock. Ends a tool of a user that holds one for too long.
fn wait_for_locks(host: &Host, deadline: Deadline) -> Result<(), Problem> {
    let (all, mut user) = (deadline.sooner(OTHER_TIME), Deadline::within(USER_TIME));
    let mut first: Option<Holder> = None;
    while let Some(holder) = holder() {
        if first.as_ref() != Some(&holder) {
            user = Deadline::within(USER_TIME);
            first = Some(holder.clone());
        }
        if user.is_over()
            && let Some(uid) = holder.user()
        {
            holder.end_with_others(host, uid);
        }
        if all.is_over() {
            return Err(holder.problem(host));
        }
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 }));
    }
    Ok(())
}

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    pid: u32,
    /// When it started, in the kernel's unit.
    started: u64,
    lock: &'static str,
}

impl Holder {
    fn new(pid: u32, lock: &'static str) -> Option<Self> {
        // A process that has ended holds nothing: the tools ignore its lock.
        let is_alive = Status::read(&pid.to_string()).is_some_and(|status| !status.is_dead());
        let started = Stat::read(pid).filter(|_| is_alive)?.started;
        Some(Self { pid, started, lock })
    }

    /// The user who has started it, if not root: a setuid tool has root's effective uid, but not its real one.
    fn user(&self) -> Option<u32> {
        let [real, ..] = Status::read(&self.pid.to_string())?.uids;
        (real >= FIRST_UID).then_some(real)
    }

    /// Ends it, and all other setuid tools of its user: they may wait for the same lock, only to hold it as long.
    fn end_with_others(&self, host: &Host, user: u32) {
        warn!("Ending {}, which held {} for more than {} s", self.describe(host), self.lock, USER_TIME.as_secs());
        for pid in processes::all() {
            let is_tool = || {
                let status = Status::read(&pid.to_string());
                status.is_some_and(|status| status.uids.first() == Some(&user) && status.uids.contains(&0))
            };
            if is_tool()
                && let Some(Ok(descriptor)) = Pid::from_raw(pid.cast_signed()).map(open)
                && is_tool()
            {
                let _ = pidfd_send_signal(&descriptor, Signal::KILL);
            }
        }
    }

    /// The process in words: its pid, its name and its user.
    fn describe(&self, host: &Host) -> String {
        let uid = Status::read(&self.pid.to_string()).map(|status| status.uids).map_or(0, |[real, ..]| real);
        let register = Register::read(host).unwrap_or_default();
        let known = register.users.iter().find(|user| user.uid == uid);
        let user = known.map_or_else(|| uid.to_string(), |user| user.name.clone());
        format!("process {} ({}) of “{user}”", self.pid, one_line(&processes::name(self.pid), MAX_NAME))
    }

    fn problem(&self, host: &Host) -> Problem {
        Problem::TimedOut(format!(
            "{} is locked by {}, so users cannot be changed. Wait until it has ended, or end it: kill -9 {}. Then repeat the \
             operation.",
            self.lock,
            self.describe(host),
            self.pid
        ))
    }
}

fn open(process: Pid) -> rustix::io::Result<OwnedFd> {
    pidfd_open(process, PidfdFlags::empty())
}

/// The process that holds one of the locks.
fn holder() -> Option<Holder> {
    lock_holder().and_then(|pid| Holder::new(pid, LOCK)).or_else(|| FILES.iter().find_map(of_file))
}

/// The process whose pid is in the file of a lock. If that process has ended, or its pid belongs to another one now, the file
/// is deleted: the tools keep it while there is any process with that pid, even one that its parent never waits for.
fn of_file(lock: &&'static str) -> Option<Holder> {
    let bytes = lines::read(lock.as_ref()).ok()?;
    // The tools write a NUL after the pid.
    let pid: u32 = lines::number(bytes.split(|byte| *byte == 0).next()?)?;
    let holder = Holder::new(pid, lock).filter(|holder| !is_younger(holder, lock));
    if holder.is_none() && lines::read(lock.as_ref()).is_ok_and(|again| again == bytes) {
        warn!("Deleted {lock}, which process {pid} left behind");
        let _ = fs::remove_file(lock);
    }
    holder
}

/// Whether a process started after the file was written, in seconds that two clocks can differ by.
fn is_younger(holder: &Holder, lock: &str) -> bool {
    const TOLERANCE: i64 = 5;
    let Ok(file) = fs::symlink_metadata(lock) else { return false };
    let started = Duration::from_millis(holder.started.saturating_mul(1000 / USER_HZ));
    let age = SystemClock.boot().saturating_sub(started).as_secs();
    let file_age = SystemClock.wall().unix().saturating_sub(file.mtime());
    i64::try_from(age).is_ok_and(|age| age.saturating_add(TOLERANCE) < file_age)
}

/// The process that holds [`LOCK`], by the kernel's word. What a process has open says nothing: a tenant can open the file
/// without any permission on it, and lock thousands of its own files.
fn lock_holder() -> Option<u32> {
    let file = File::open(LOCK).ok()?;
    let held = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).ok()??;
    u32::try_from(held.pid?.as_raw_nonzero().get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_started_after_the_file_was_written_is_another_one() {
        let path = std::env::temp_dir().join(format!("opterius-shadow-lock-{}", std::process::id()));
        fs::write(&path, "").unwrap();
        let started = Stat::read(std::process::id()).unwrap().started;
        let holder = Holder { pid: std::process::id(), started, lock: LOCK };
        assert!(!is_younger(&holder, path.to_str().unwrap()));
        let file = File::options().write(true).open(&path).unwrap();
        let old = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000);
        file.set_modified(old).unwrap();
        assert!(is_younger(&holder, path.to_str().unwrap()));
        fs::remove_file(path).unwrap();
    }
}
