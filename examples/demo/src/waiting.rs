//! Waiting for signals, processes and file descriptors.

use std::io::{self, ErrorKind, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// A socket that SIGINT, SIGTERM and SIGHUP (a closed terminal) make readable.
pub(crate) fn stop_signals() -> io::Result<UnixStream> {
    let (source, stop) = UnixStream::pair()?;
    stop.set_nonblocking(true)?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        pipe::register(signal, source.try_clone()?)?;
    }
    Ok(stop)
}

/// Whether data has arrived, which is consumed, or the other end is closed.
pub(crate) fn has_arrived(mut stream: &UnixStream) -> bool {
    let arrived = stream.read(&mut [0; 64]);
    !arrived.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Waits until one of the descriptors is readable or the time is over.
pub(crate) fn wait(descriptors: &[BorrowedFd<'_>], time: Option<Duration>) {
    let mut descriptors: Vec<PollFd<'_>> =
        descriptors.iter().map(|descriptor| PollFd::new(descriptor, PollFlags::IN)).collect();
    let time = time.and_then(|time| Timespec::try_from(time).ok());
    // If poll is interrupted, callers just check again.
    let _ = poll(&mut descriptors, time.as_ref());
}
