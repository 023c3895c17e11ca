//! A request body that is read while it arrives, on a thread other than the front's. It can be larger than memory, so it is
//! never collected.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use opterius_base::deadline::Deadline;

/// Time without a byte after which the body counts as broken off.
const IDLE_TIME: Duration = Duration::from_secs(30);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A body in the course of arrival. Its connection stays with the front, which does not read from it meanwhile.
#[derive(Debug)]
pub struct ArrivingBody {
    stream: TcpStream,
    /// What arrived with the head.
    received: Vec<u8>,
    /// Bytes that are still to be read from the socket.
    left: u64,
    expects_continue: bool,
}

/// Why a body does not arrive.
#[derive(Debug)]
pub enum BodyFault {
    /// The client closed the connection before the end, or the connection broke.
    BrokenOff,
    /// Nothing arrived for 30 s, or the whole body took too long.
    TooSlow,
}

impl ArrivingBody {
    /// A body of which `received` has arrived, and `left` bytes have not.
    pub(crate) fn new(stream: TcpStream, received: Vec<u8>, left: u64, expects_continue: bool) -> Self {
        Self { stream, received, left, expects_continue }
    }

    /// Reads what has arrived into `buffer`, waiting for at least one byte; 0 at the end of the body.
    ///
    /// # Errors
    /// The body does not arrive.
    pub fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, BodyFault> {
        if !self.received.is_empty() {
            let count = self.received.len().min(buffer.len());
            for (place, byte) in buffer.iter_mut().zip(self.received.drain(..count)) {
                *place = byte;
            }
            return Ok(count);
        }
        if self.left == 0 {
            return Ok(0);
        }
        if deadline.is_over() {
            return Err(BodyFault::TooSlow);
        }
        if std::mem::take(&mut self.expects_continue) {
            // The socket's buffer is empty, so that this does not block.
            send(&self.stream, CONTINUE, SendFlags::NOSIGNAL).map_err(|_| BodyFault::BrokenOff)?;
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        loop {
            match recv(&self.stream, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return Err(BodyFault::BrokenOff),
                Ok((count, _)) => {
                    self.left = self.left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
                    return Ok(count);
                }
                Err(Errno::AGAIN) => self.wait(deadline)?,
                Err(error) if io::Error::from(error).kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(BodyFault::BrokenOff),
            }
        }
    }

    fn wait(&self, deadline: Deadline) -> Result<(), BodyFault> {
        let timeout = Timespec::try_from(deadline.left().min(IDLE_TIME)).ok();
        match poll(&mut [PollFd::new(&self.stream, PollFlags::IN)], timeout.as_ref()) {
            Ok(0) => Err(BodyFault::TooSlow),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(_) => Err(BodyFault::BrokenOff),
        }
    }
}
