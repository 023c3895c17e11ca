//! The rights of an account for a moment, without being the account's.
//!
//! A process with a tenant's number alone is the tenant's: any process of the tenant's may stop, trace or kill it, even
//! before it has run its program, and everybody else would wait. On Linux a thread has rights of its own. Here one takes
//! the tenant's number as its effective one, which counts for what it does, and a number of nobody's as its real and its
//! saved one, which count for what may be done to it.

use std::thread;

use crossbeam_channel::{RecvTimeoutError, bounded};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::users::register::User;

/// A number that no user has: Debian keeps it free (Debian Policy, 9.2.2).
const NOBODYS: u32 = 65_533;

/// Does `work` with the rights of this user and no others. `what` is what is being done, for messages.
///
/// # Errors
/// The rights cannot be taken, or it took too long; then the process is to end soon, and the thread with it.
pub fn run_as_user<T: Send + 'static>(
    user: &User,
    what: &str,
    deadline: Deadline,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let (sender, receiver) = bounded(1);
    let run = move || {
        let _ = sender.send(take(uid, gid).map(|()| work()));
    };
    let failed = |cause: &dyn std::fmt::Display| Problem::failed(what, cause);
    thread::Builder::new().name("rights".to_owned()).spawn(run).map_err(|error| failed(&error))?;
    match receiver.recv_timeout(deadline.left()) {
        Ok(done) => done.map_err(|error| failed(&error)),
        Err(RecvTimeoutError::Timeout) => Err(Problem::TimedOut(format!("{what}: it did not end in time."))),
        Err(RecvTimeoutError::Disconnected) => Err(failed(&"it was broken off")),
    }
}

/// Takes the rights for this thread alone; they end with it.
fn take(uid: Uid, gid: Gid) -> Result<(), Errno> {
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    let nobodys = Uid::from_raw(NOBODYS);
    set_thread_res_uid(nobodys, uid, nobodys)?;
    // Whoever has told the kernel to keep capabilities would still be root.
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
    fn the_rights_of_a_user_are_all_there_are_and_on_that_thread_alone() {
        let opens_shadow = || File::open("/etc/shadow").is_ok();
        let look = move || (fs::read_to_string("/proc/thread-self/status").unwrap(), opens_shadow());
        let done = run_as_user(&alice(), "a test", Deadline::within(Duration::from_secs(20)), look);
        if !rustix::process::geteuid().is_root() {
            assert!(matches!(done, Err(Problem::Failed(_))), "{done:?}");
            return;
        }
        let (inside, opened) = done.unwrap();
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
    fn what_never_ends_is_not_waited_for() {
        let (_sender, never) = bounded::<()>(0);
        let late = run_as_user(&alice(), "a test", Deadline::within(Duration::ZERO), move || never.recv());
        assert!(matches!(late, Err(Problem::TimedOut(_) | Problem::Failed(_))), "{late:?}");
    }
}
