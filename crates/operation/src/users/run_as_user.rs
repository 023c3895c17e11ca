//! Running code with an account's privileges, out of reach of the account's processes.
//!
//! The tenant's processes could stop, trace or kill a process that runs entirely under the tenant's uid, even before it
//! executes its program, and block all other operations. On Linux, each thread has its own credentials. Here, a thread uses
//! the tenant's uid as its effective uid, which determines what it can do, and an unused uid as its real and saved uids,
//! which determine what others can do to it.

use std::thread;

use crossbeam_channel::{RecvTimeoutError, bounded};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::users::register::User;

/// A uid that no user has: Debian reserves it (Debian Policy, 9.2.2).
const UNUSED_UID: u32 = 65_533;

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
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let (sender, receiver) = bounded(1);
    let run = move || {
        let _ = sender.send(assume(uid, gid).map(|()| work()));
    };
    let failed = |cause: &dyn std::fmt::Display| Problem::failed(what, cause);
    thread::Builder::new().name("as-user".to_owned()).spawn(run).map_err(|error| failed(&error))?;
    match receiver.recv_timeout(deadline.left()) {
        Ok(result) => result.map_err(|error| failed(&error)),
        Err(RecvTimeoutError::Timeout) => Err(Problem::TimedOut(format!("{what}: the operation timed out."))),
        Err(RecvTimeoutError::Disconnected) => Err(failed(&"the thread panicked")),
    }
}

/// Gives the user's privileges to this thread only, until it ends.
fn assume(uid: Uid, gid: Gid) -> Result<(), Errno> {
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    let unused = Uid::from_raw(UNUSED_UID);
    set_thread_res_uid(unused, uid, unused)?;
    // If a parent process set the securebits that keep capabilities, this thread would still have root's.
    if capabilities(None)?.effective.is_empty() { Ok(()) } else { Err(Errno::PERM) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_host::users::register::Register;
    use std::fs::{self, File};
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
    fn the_wait_ends_at_the_deadline() {
        let (_sender, never) = bounded::<()>(0);
        let late = run_as_user(&alice(), "a test", Deadline::within(Duration::ZERO), move || never.recv());
        assert!(matches!(late, Err(Problem::TimedOut(_) | Problem::Failed(_))), "{late:?}");
    }
}
