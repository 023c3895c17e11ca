//! Running code with an account's privileges, out of reach of the account's processes.
//!
//! The tenant's processes could stop, trace or kill a process that runs entirely under the tenant's uid, even before it
//! executes its program, and block all other operations. On Linux, each thread has its own credentials. Here, a thread uses
//! the tenant's uid as its effective uid, which determines what it can do, and an unused uid as its real and saved uids,
//! which determine what others can do to it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use opterius_base::deadline::Deadline;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::processes::{self, Status};
use opterius_host::tool::Tool;
use opterius_host::users::register::User;

/// Uids that no user should have, the preferred one last: Debian reserves them (Debian Policy, 9.2.2). Containers use some
/// of them nevertheless, and their processes must neither reach the thread nor be reached by its signals.
const UNUSED_UIDS: std::ops::RangeInclusive<u32> = 65_520..=65_533;

/// What is wrong if there is none.
pub const NONE_UNUSED: &str = "every uid from 65520 to 65533 is in use, or /run/opterius-uids cannot be written to";

/// Time limit for asking the name service about a uid.
const NAME_SERVICE_TIME: Duration = Duration::from_secs(2);

/// Runs `work` with the privileges of this user only. `what` describes the work in error messages.
///
/// # Errors
/// The privileges cannot be assumed, or the work timed out; the process should then end soon, and the thread with it.
pub fn run_as_user<T: Send + 'static>(
    user: &User,
    what: &str,
    deadline: Deadline,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    run_as(user.uid, user.gid, what, deadline, work)
}

/// Like [`run_as_user`], for any uid of an account, such as a subordinate one.
///
/// # Errors
/// Those of [`run_as_user`].
pub fn run_as<T: Send + 'static>(
    uid: u32,
    gid: u32,
    what: &str,
    deadline: Deadline,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let failed = |cause: &dyn std::fmt::Display| Problem::failed(what, cause);
    let unused = unused_uid().ok_or_else(|| failed(&NONE_UNUSED))?;
    let (uid, gid, unused) = (Uid::from_raw(uid), Gid::from_raw(gid), Uid::from_raw(unused));
    let (sender, receiver) = bounded(1);
    let run = move || {
        let _ = sender.send(assume(uid, gid, unused).map(|()| work()));
    };
    thread::Builder::new().name("as-user".to_owned()).spawn(run).map_err(|error| failed(&error))?;
    match receiver.recv_timeout(deadline.left()) {
        Ok(result) => result.map_err(|error| failed(&error)),
        Err(RecvTimeoutError::Timeout) => Err(Problem::TimedOut(format!("{what}: the operation timed out."))),
        Err(RecvTimeoutError::Disconnected) => Err(failed(&"the thread panicked")),
    }
}

/// Gives the user's privileges to this thread only, until it ends.
fn assume(uid: Uid, gid: Gid, unused: Uid) -> Result<(), Errno> {
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(unused, uid, unused)?;
    // If a parent process set the securebits that keep capabilities, this thread would still have root's.
    if capabilities(None)?.effective.is_empty() { Ok(()) } else { Err(Errno::PERM) }
}

/// A uid that is kept for this process until it ends.
struct Reserved {
    uid: u32,
    #[allow(dead_code, reason = "closing the file releases the uid")]
    lock: File,
}

/// A uid that neither a user nor a program has. Threads of several processes can have it.
fn unused_uid() -> Option<u32> {
    static UNUSED: OnceLock<Option<Reserved>> = OnceLock::new();
    UNUSED.get_or_init(|| reserve(FlockOperation::NonBlockingLockShared)).as_ref().map(|it| it.uid)
}

/// Another one, for the programs of this process alone: they can neither signal nor trace these threads, nor the programs of
/// another process.
pub fn other_unused_uid() -> Option<u32> {
    static UNUSED: OnceLock<Option<Reserved>> = OnceLock::new();
    unused_uid()?;
    UNUSED.get_or_init(|| reserve(FlockOperation::NonBlockingLockExclusive)).as_ref().map(|it| it.uid)
}

/// Two processes that look at the same moment see the same uids in use, so that each is also locked.
fn reserve(how: FlockOperation) -> Option<Reserved> {
    let made = DirBuilder::new().mode(0o700).create(layout::RESERVED_UIDS);
    made.or_else(|error| if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }).ok()?;
    let mut used: Vec<u32> = processes::all()
        .into_iter()
        .filter_map(|process| Status::read(&process.to_string()))
        .flat_map(|status| status.uids)
        .collect();
    used.sort_unstable();
    UNUSED_UIDS.rev().filter(|uid| used.binary_search(uid).is_err()).find_map(|uid| {
        let path = Path::new(layout::RESERVED_UIDS).join(uid.to_string());
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).ok()?;
        flock(&lock, how).ok()?;
        (!has_name(uid)).then_some(Reserved { uid, lock })
    })
}

/// Whether the name service knows a user with this uid.
fn has_name(uid: u32) -> bool {
    let asked = Tool::named("getent").map(|tool| tool.args(["passwd", &uid.to_string()]));
    asked.and_then(|tool| tool.run(Deadline::within(NAME_SERVICE_TIME))).is_ok_and(|output| output.is_success())
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_host::users::register::Register;
    use std::fs;
    use std::time::Duration;

    fn alice() -> User {
        let text = "alice:x:712345:712345::/home/alice:/bin/sh\n";
        Register::parse(text, "").users.remove(0)
    }

    #[test]
    fn only_that_thread_has_the_users_privileges_and_no_others() {
        let opens_shadow = || File::open("/etc/shadow").is_ok();
        let look = move || (fs::read_to_string("/proc/thread-self/status").unwrap(), opens_shadow());
        let result = run_as_user(&alice(), "a test", Deadline::within(Duration::from_secs(20)), look);
        if !rustix::process::geteuid().is_root() {
            assert!(matches!(result, Err(Problem::Failed(_))), "{result:?}");
            return;
        }
        let (inside, opened) = result.unwrap();
        for line in [
            "Uid:\t65533\t712345\t65533\t712345",
            "Gid:\t712345\t712345\t712345\t712345",
            "Groups:\t \n",
            "CapEff:\t0000000000000000",
        ] {
            assert!(inside.contains(line), "{line:?} in {inside}");
        }
        assert!(!opened && opens_shadow());
    }

    #[test]
    fn programs_of_two_processes_never_have_the_same_uid() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        // Descriptions of open files of one process exclude each other like those of two.
        let shared: Vec<Reserved> = (0..2).map(|_| reserve(FlockOperation::NonBlockingLockShared).unwrap()).collect();
        assert_eq!(shared[0].uid, shared[1].uid);
        let one = || thread::spawn(|| reserve(FlockOperation::NonBlockingLockExclusive).unwrap());
        let threads: Vec<_> = (0..4).map(|_| one()).collect();
        let programs: Vec<Reserved> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let mut uids: Vec<u32> = programs.iter().chain(&shared[..1]).map(|it| it.uid).collect();
        uids.sort_unstable();
        uids.dedup();
        assert_eq!(uids.len(), 5, "{uids:?}");
    }

    #[test]
    fn the_wait_ends_at_the_deadline() {
        let (_sender, never) = bounded::<()>(0);
        let late = run_as_user(&alice(), "a test", Deadline::within(Duration::ZERO), move || never.recv());
        assert!(matches!(late, Err(Problem::TimedOut(_) | Problem::Failed(_))), "{late:?}");
    }
}
