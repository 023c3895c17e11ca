//! One client: what has been read of it, what is still to be written to it, and how long it may take.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, TcpStream};
use std::time::Instant;

use rustix::net::{RecvFlags, SendFlags};
use tiny_http::Method;

use crate::head::{self, Framing, Refusal};
use crate::lane::Ticket;
use crate::limits::{IDLE_TIME, LINGER_BYTES, LINGER_TIME, REQUEST_TIME, WRITE_TIME};
use crate::service::{Reaction, Request, Service};
use crate::traffic::Traffic;

/// A buffer larger than this is given back as soon as its request is done.
const KEPT_BUFFER: usize = 4 * 1024;
/// A growing buffer takes at least this much more at a time.
const GROWTH: usize = 16 * 1024;

/// What a connection waits for.
#[derive(Clone, Debug)]
pub enum Phase {
    /// The rest of a request, or its first byte.
    Reading,
    /// The answer of a handler.
    Running {
        /// The request, which is held until then.
        asked: Asked,
        /// Its place in a lane.
        ticket: Option<Ticket>,
    },
    /// The client to read its answer.
    Writing,
    /// The client to close after a refusal; what it still sends is thrown away.
    Lingering(usize),
}

/// What has become of the request that is being read.
pub enum Progress {
    /// Not all of it is there.
    Incomplete,
    /// It is whole, and this is to be done about it.
    Complete(Asked, Reaction),
    /// The head is there and the client waits to be told to go on.
    Continue,
}

/// What is still to be known of a whole request when it is answered.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Its bounds in the buffer.
    pub framing: Framing,
    /// Whether it was a HEAD.
    pub without_body: bool,
    /// What its answer is counted under.
    pub route: &'static str,
}

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    peer: IpAddr,
    /// What it waits for.
    pub phase: Phase,
    /// When that takes too long.
    pub deadline: Instant,
    /// When the request that is arriving must be whole.
    request_ends: Instant,
    /// When bytes last moved.
    pub moved_at: Instant,
    /// Whether its turn comes again without an event.
    pub queued: bool,
    /// Whether epoll knows of it.
    pub registered: bool,
    /// Whether epoll reports when it can be written to.
    pub watches_output: bool,
    /// Whether there may be something to read.
    pub readable: bool,
    /// Whether epoll has reported the end of what the client sends; it does so once.
    pub half_closed: bool,
    received: Vec<u8>,
    scanned: usize,
    framing: Option<Framing>,
    ended: bool,
    outgoing: Vec<u8>,
    written: usize,
    close_after: bool,
    linger_after: bool,
}

impl Connection {
    /// A connection that was just accepted from `peer`.
    pub fn new(stream: TcpStream, peer: IpAddr, now: Instant) -> Self {
        Self {
            stream,
            peer,
            phase: Phase::Reading,
            deadline: now + REQUEST_TIME,
            request_ends: now + REQUEST_TIME,
            moved_at: now,
            queued: false,
            registered: false,
            watches_output: false,
            readable: true,
            half_closed: false,
            received: Vec::new(),
            scanned: 0,
            framing: None,
            ended: false,
            outgoing: Vec::new(),
            written: 0,
            close_after: false,
            linger_after: false,
        }
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Bytes that are held of requests.
    pub fn held(&self) -> usize {
        self.received.capacity()
    }

    /// Whether a request has begun to arrive.
    pub fn has_begun(&self) -> bool {
        !self.received.is_empty()
    }

    /// Whether the client has said that it sends nothing more.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads once, into `scratch` first so that idle connections hold no buffer.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn read(&mut self, scratch: &mut [u8], now: Instant) -> io::Result<()> {
        let room = match &self.framing {
            None => scratch.len(),
            // Never more than this request needs: what follows it is left to the kernel, which pushes back.
            Some(framing) => {
                let whole =
                    usize::try_from(framing.body_length).unwrap_or(usize::MAX).saturating_add(framing.head_length);
                whole.saturating_sub(self.received.len()).clamp(1, scratch.len())
            }
        };
        let target = scratch.get_mut(..room).unwrap_or_default();
        let count = match receive(&self.stream, target) {
            Ok(0) => {
                self.ended = true;
                self.readable = false;
                return Ok(());
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        };
        if !self.has_begun() {
            self.deadline = now + REQUEST_TIME;
            self.request_ends = self.deadline;
        }
        self.moved_at = now;
        self.keep(scratch.get(..count).unwrap_or_default());
        // A short read has emptied the socket; epoll reports the next byte as a new edge, but an end that it has reported
        // already is still to be read.
        self.readable = count == room || self.half_closed;
        Ok(())
    }

    /// Grows by steps that follow what has arrived, never what was announced.
    fn keep(&mut self, bytes: &[u8]) {
        let free = self.received.capacity().saturating_sub(self.received.len());
        if free < bytes.len() && self.received.capacity() >= GROWTH {
            self.received.reserve_exact(bytes.len().max(GROWTH.max(self.received.len() / 4)));
        } else if free < bytes.len() {
            self.received.reserve(bytes.len());
        }
        self.received.extend_from_slice(bytes);
    }

    /// Looks at what has arrived, and has `service` look at the request when it is whole.
    ///
    /// # Errors
    /// The request is refused.
    pub fn progress(&mut self, service: &mut dyn Service, traffic: &Traffic) -> Result<Progress, Refusal> {
        let head_length = match self.framing {
            Some(framing) => framing.head_length,
            None => match head::find_end(&self.received, self.scanned)? {
                Some(length) => length,
                None => {
                    self.scanned = self.received.len();
                    return Ok(Progress::Incomplete);
                }
            },
        };
        if self.framing.is_some_and(|framing| !self.has_all(framing)) {
            return Ok(Progress::Incomplete);
        }
        let (head, rest) = self.received.split_at_checked(head_length).unwrap_or_default();
        let mut storage = head::STORAGE;
        let (head, framing) = head::parse(head, &mut storage)?;
        if self.framing.is_none() && framing.body_length > 0 {
            let limit = u64::try_from(service.body_limit(&head)).unwrap_or(u64::MAX);
            if framing.body_length > limit {
                return Err(Refusal::BodyTooLarge);
            }
        }
        if self.has_all(framing) {
            let body = rest.get(..usize::try_from(framing.body_length).unwrap_or(usize::MAX)).unwrap_or_default();
            let asked = Asked { framing, without_body: head.method == Method::Head, route: service.route(&head) };
            let reaction = service.react(&Request { head, body, peer: self.peer, traffic });
            return Ok(Progress::Complete(asked, reaction));
        }
        self.framing = Some(framing);
        Ok(if framing.expects_continue { Progress::Continue } else { Progress::Incomplete })
    }

    fn has_all(&self, framing: Framing) -> bool {
        let arrived = self.received.len().saturating_sub(framing.head_length);
        u64::try_from(arrived).is_ok_and(|arrived| arrived >= framing.body_length)
    }

    /// Forgets the complete request; pipelined bytes behind it stay.
    pub fn finish_request(&mut self, framing: Framing) {
        let length = usize::try_from(framing.body_length).unwrap_or(usize::MAX).saturating_add(framing.head_length);
        self.received.drain(..length.min(self.received.len()));
        if self.received.is_empty() && self.received.capacity() > KEPT_BUFFER {
            self.received = Vec::new();
        }
        self.close_after |= !framing.keep_alive;
        self.scanned = 0;
        self.framing = None;
    }

    /// Whether the connection ends with the next answer.
    pub fn closes(&self) -> bool {
        self.close_after
    }

    /// Makes the next answer the last.
    pub fn close_after_answer(&mut self) {
        self.close_after = true;
    }

    /// Makes the next answer the last and gives the client time to read it, for requests that are not read to their end.
    pub fn linger_after_answer(&mut self) {
        self.close_after = true;
        self.linger_after = true;
        self.received = Vec::new();
        self.framing = None;
        self.scanned = 0;
    }

    /// Puts bytes in line for the client.
    pub fn send(&mut self, bytes: &[u8], now: Instant) {
        self.send_with(now, |outgoing| outgoing.extend_from_slice(bytes));
    }

    /// Puts in line for the client what `write` appends.
    pub fn send_with(&mut self, now: Instant, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.outgoing);
        self.phase = Phase::Writing;
        self.deadline = now + WRITE_TIME;
    }

    /// Writes what can be written; true when all of it is.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn write(&mut self, now: Instant) -> io::Result<bool> {
        while let Some(rest) = self.outgoing.get(self.written..).filter(|rest| !rest.is_empty()) {
            match send(&self.stream, rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.written = self.written.saturating_add(count);
                    self.moved_at = now;
                }
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

    /// After the answer: back to reading, or into the linger, or (false) to the end.
    pub fn after_answer(&mut self, now: Instant) -> bool {
        if self.linger_after && !self.ended {
            let _ = self.stream.shutdown(std::net::Shutdown::Write);
            self.phase = Phase::Lingering(0);
            self.deadline = now + LINGER_TIME;
            return true;
        }
        if self.close_after {
            return false;
        }
        self.phase = Phase::Reading;
        if self.framing.is_some() {
            // That was the 100 Continue: the request's own time runs on.
            self.deadline = self.request_ends;
        } else {
            self.deadline = now + if self.has_begun() { REQUEST_TIME } else { IDLE_TIME };
            self.request_ends = self.deadline;
        }
        true
    }

    /// Throws away a part of what a refused client still sends; none when there is no more to expect of it, else whether
    /// there may be more now.
    pub fn discard(&mut self, scratch: &mut [u8]) -> Option<bool> {
        let Phase::Lingering(thrown_away) = &mut self.phase else { return Some(false) };
        match receive(&self.stream, scratch) {
            Ok(0) => None,
            Ok(count) => {
                *thrown_away = thrown_away.saturating_add(count);
                (*thrown_away <= LINGER_BYTES).then_some(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Some(true),
            Err(_) => None,
        }
    }

    /// How soon this connection is given up when there are too many, smallest first: those that are being refused, then
    /// whichever has waited longest for bytes to move. None: never, its request is being run.
    ///
    /// Idle ones do not go before half-sent ones: among a crowd that has sent one byte each, the idle ones are the
    /// honest clients that have just come.
    pub fn dispensable(&self) -> Option<(bool, Instant)> {
        match &self.phase {
            Phase::Running { .. } => None,
            phase => Some((!matches!(phase, Phase::Lingering(_)), self.moved_at)),
        }
    }
}

/// One `recv`, straight to the kernel: a loop over thousands of sockets has no use for the C library's cancellation points.
fn receive(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(stream, buffer, RecvFlags::empty())?.0)
}

/// One `send`, likewise; a client that has gone is an error and not a signal.
fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
}
