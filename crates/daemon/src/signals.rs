//! Signals as bytes on sockets, so that the main thread can wait for them together with everything else.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::pipe;

/// Where signals arrive: one byte each, on a socket that does not block.
#[derive(Debug)]
pub struct Signals {
    /// SIGHUP.
    pub hangup: UnixStream,
    /// SIGTERM and SIGINT.
    pub terminate: UnixStream,
}

/// The other end: what is written here counts as a signal.
#[derive(Debug)]
pub struct SignalSources {
    /// For SIGHUP.
    pub hangup: UnixStream,
    /// For SIGTERM.
    pub terminate: UnixStream,
}

impl Signals {
    /// Both ends.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn pair() -> io::Result<(SignalSources, Self)> {
        let (hangup_source, hangup) = UnixStream::pair()?;
        let (terminate_source, terminate) = UnixStream::pair()?;
        hangup.set_nonblocking(true)?;
        terminate.set_nonblocking(true)?;
        Ok((SignalSources { hangup: hangup_source, terminate: terminate_source }, Self { hangup, terminate }))
    }

    /// The process's own signals.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub fn of_process() -> io::Result<Self> {
        let (sources, signals) = Self::pair()?;
        // A file that may not grow is an error of the write and no reason to end.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        pipe::register(SIGHUP, sources.hangup)?;
        pipe::register(SIGTERM, sources.terminate.try_clone()?)?;
        pipe::register(SIGINT, sources.terminate)?;
        Ok(signals)
    }
}

/// Takes everything that has arrived on one of the sockets: how many signals, at least.
pub fn take(mut socket: &UnixStream) -> usize {
    let mut bytes = [0; 64];
    socket.read(&mut bytes).unwrap_or(0)
}
