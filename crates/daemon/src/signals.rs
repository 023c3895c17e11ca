//! Signals as bytes on sockets, so that the main thread can poll them together with other descriptors.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::low_level::pipe;

/// The receiving ends: non-blocking sockets that get one byte per signal.
#[derive(Debug)]
pub struct Signals {
    /// SIGHUP.
    pub hangup: UnixStream,
    /// SIGTERM and SIGINT.
    pub terminate: UnixStream,
}

/// The sending ends. A byte written here counts as a signal.
#[derive(Debug)]
pub struct SignalSources {
    /// For SIGHUP.
    pub hangup: UnixStream,
    /// For SIGTERM.
    pub terminate: UnixStream,
}

impl Signals {
    /// Connected ends that no real signal writes to.
    ///
    /// # Errors
    /// The process has run out of file descriptors.
    pub fn pair() -> io::Result<(SignalSources, Self)> {
        let (hangup_source, hangup) = UnixStream::pair()?;
        let (terminate_source, terminate) = UnixStream::pair()?;
        hangup.set_nonblocking(true)?;
        terminate.set_nonblocking(true)?;
        Ok((SignalSources { hangup: hangup_source, terminate: terminate_source }, Self { hangup, terminate }))
    }

    /// Installs handlers for the signals of this process.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub fn of_process() -> io::Result<Self> {
        let (sources, signals) = Self::pair()?;
        // Writing beyond a file size limit must fail with an error instead of killing the process.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        pipe::register(SIGHUP, sources.hangup)?;
        pipe::register(SIGTERM, sources.terminate.try_clone()?)?;
        pipe::register(SIGINT, sources.terminate)?;
        Ok(signals)
    }
}

/// Drains one of the sockets, and returns how many signals arrived (at least, if there were many).
pub fn take(mut socket: &UnixStream) -> usize {
    let mut bytes = [0; 64];
    socket.read(&mut bytes).unwrap_or(0)
}
