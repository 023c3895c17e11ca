//! A connection with a deadline for everything that happens on it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::deadline::Deadline;

/// An open connection: TCP, or TLS over another one.
pub trait Stream: Read + Write + Send + Sync {}

impl<T: Read + Write + Send + Sync> Stream for T {}

/// A TCP connection on which every read and write ends by the deadline, with [`ErrorKind::TimedOut`].
pub struct Timed {
    tcp: TcpStream,
    deadline: Deadline,
}

impl Timed {
    /// Bounds what happens on the connection.
    pub fn new(tcp: TcpStream, deadline: Deadline) -> Self {
        // Head and body of a request are two writes, and the second would wait for the peer's delayed acknowledgement.
        let _ = tcp.set_nodelay(true);
        Self { tcp, deadline }
    }

    /// The time left for one call.
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.left();
        // The kernel would take zero for no limit.
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

/// The kernel calls an expired limit “resource temporarily unavailable”.
fn timed(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(self.left()?)?;
        self.tcp.read(buffer).map_err(timed)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(self.left()?)?;
        self.tcp.write(buffer).map_err(timed)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}
