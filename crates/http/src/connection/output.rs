//! Response bytes queued for a client.

use std::io::{self, ErrorKind};
use std::net::TcpStream;

use rustix::net::SendFlags;

use crate::limits::RETAINED_BUFFER;

/// Queued bytes, and how many of them are already written.
#[derive(Debug, Default)]
pub(super) struct Output {
    outgoing: Vec<u8>,
    written: usize,
}

impl Output {
    /// The queue, for appending.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// How many bytes remain to be written.
    pub(super) fn left(&self) -> usize {
        self.outgoing.len().saturating_sub(self.written)
    }

    /// Writes as much as the socket accepts; true once the queue is empty.
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
        if self.outgoing.capacity() > RETAINED_BUFFER {
            self.outgoing = Vec::new();
        }
        self.outgoing.clear();
        self.written = 0;
        Ok(true)
    }
}

/// One `send` system call. If the client is gone, it returns an error instead of raising SIGPIPE.
fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
}
