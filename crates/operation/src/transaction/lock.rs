//! Locks between helpers: one changes the host at a time, and one certbot runs at a time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;

use crossbeam_channel::bounded;
use rustix::fs::{FlockOperation, flock};

use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;

/// Held for as long as this lives, and never longer than the process.
pub struct Lock(#[allow(dead_code, reason = "the lock ends with the file")] File);

/// The lock for changes of the host.
///
/// # Errors
/// Others hold it beyond the deadline.
pub fn transaction(host: &Host, deadline: Deadline) -> Result<Lock, Problem> {
    take(host, "changes.lock", deadline)
}

/// The lock for certbot. Whoever needs both takes this one first.
///
/// # Errors
/// Others hold it beyond the deadline.
pub fn certificates(host: &Host, deadline: Deadline) -> Result<Lock, Problem> {
    take(host, "certificates.lock", deadline)
}

/// The kernel lets those who wait have it in the order in which they came; the waiting is done by a thread, because it
/// has no time limit. When ours is over, the process is about to end, and the thread with it.
fn take(host: &Host, name: &str, deadline: Deadline) -> Result<Lock, Problem> {
    let failed = |error: io::Error| Problem::failed(name, error);
    let path = host.path("/var/lib/opterius").join(name);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
        return Ok(Lock(file));
    }
    let (sender, receiver) = bounded(1);
    let wait = move || {
        let taken = flock(&file, FlockOperation::LockExclusive).map(|()| file);
        let _ = sender.send(taken);
    };
    thread::Builder::new().name("lock".to_owned()).spawn(wait).map_err(failed)?;
    match receiver.recv_timeout(deadline.left()) {
        Ok(taken) => taken.map(Lock).map_err(|error| failed(error.into())),
        Err(_) => Err(Problem::TimedOut(
            "Other operations on this server took too long, and this one was not begun. Try again.".to_owned(),
        )),
    }
}
