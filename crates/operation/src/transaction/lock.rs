//! Locks between helper processes: only one changes the host at a time, and only one runs certbot at a time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;

use crossbeam_channel::bounded;
use rustix::fs::{FlockOperation, flock};

use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;

/// A lock, held until this is dropped or the process ends.
pub struct Lock(#[allow(dead_code, reason = "closing the file releases the lock")] File);

/// Takes the lock for changing the host.
///
/// # Errors
/// Another process holds it until the deadline.
pub fn transaction(host: &Host, deadline: Deadline) -> Result<Lock, Problem> {
    take(host, "changes.lock", deadline)
}

/// Takes the lock for certbot. To hold both locks, take this one first.
///
/// # Errors
/// Another process holds it until the deadline.
pub fn certificates(host: &Host, deadline: Deadline) -> Result<Lock, Problem> {
    take(host, "certificates.lock", deadline)
}

/// Takes one of the places for backups and restorations: more than two at a time would slow down the sites' disk.
///
/// # Errors
/// All are taken.
pub fn backup(host: &Host) -> Result<Lock, Problem> {
    for name in ["backup-1.lock", "backup-2.lock"] {
        let file = open(host, name)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(Lock(file));
        }
    }
    let sentence = "Two backups or restorations are going on on this server, which is the most. Try again later.";
    Err(Problem::Conflict(sentence.to_owned()))
}

fn open(host: &Host, name: &str) -> Result<File, Problem> {
    let path = host.path(layout::STATE).join(name);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|error| Problem::failed(name, error))
}

/// The kernel grants the lock to waiting processes in order of arrival. A thread waits for it, because flock has no
/// timeout; after the deadline, the process exits soon, and the thread with it.
fn take(host: &Host, name: &str, deadline: Deadline) -> Result<Lock, Problem> {
    let failed = |error: io::Error| Problem::failed(name, error);
    let file = open(host, name)?;
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
            "Other operations on this server took too long, so this one was not started. Try again.".to_owned(),
        )),
    }
}
