//! Waiting: for signals, for processes that end, for descriptors with something to read.

use std::io::{self, ErrorKind, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Where SIGINT, SIGTERM and SIGHUP arrive: the terminal that is closed ends the demo, too.
pub(crate) fn stop_signals() -> io::Result<UnixStream> {
    let (source, stop) = UnixStream::pair()?;
    stop.set_nonblocking(true)?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        pipe::register(signal, source.try_clone()?)?;
    }
    Ok(stop)
}

/// Whether something has arrived, or the other end is gone; what has arrived is taken.
pub(crate) fn has_arrived(mut stream: &UnixStream) -> bool {
    let arrived = stream.read(&mut [0; 64]);
    !arrived.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Waits until one of the descriptors has something to read, or until the time is over.
pub(crate) fn wait(descriptors: &[BorrowedFd<'_>], time: Option<Duration>) {
    let mut descriptors: Vec<PollFd<'_>> =
        descriptors.iter().map(|descriptor| PollFd::new(descriptor, PollFlags::IN)).collect();
    let time = time.and_then(|time| Timespec::try_from(time).ok());
    // An interrupted wait looks at everything once too often.
    let _ = poll(&mut descriptors, time.as_ref());
}
