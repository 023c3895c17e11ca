//! Bytes in line for the client.

use std::io::{self, ErrorKind};
use std::net::TcpStream;

use rustix::net::SendFlags;

use crate::limits::KEPT_BUFFER;

/// Answers that are still to be written, and how much of them is.
#[derive(Debug, Default)]
pub(super) struct Output {
    outgoing: Vec<u8>,
    written: usize,
}

impl Output {
    /// The end of the line, to append to.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// How many bytes are still to be written.
    pub(super) fn left(&self) -> usize {
        self.outgoing.len().saturating_sub(self.written)
    }

    /// Writes what the socket takes; true when nothing is left.
    pub(super) fn write_to(&mut self, stream: &TcpStream) -> io::Result<bool> {
        while let Some(rest) = self.outgoing.get(self.written..).filter(|rest| !rest.is_empty()) {
            match send(stream, rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written = self.written.saturating_add(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.outgoing.capacity() > KEPT_BUFFER {
            self.outgoing = Vec::new();
        }
        self.outgoing.clear();
        self.written = 0;
        Ok(true)
    }
}

/// One `send`, straight to the kernel; a client that has gone is an error and not a signal.
fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
}
