//! The state of one client connection: received bytes, unsent response bytes, and timeouts.

mod eviction;
mod input;
mod interest;
mod output;
mod request;
mod timing;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustix::net::RecvFlags;

use self::input::Input;
use self::output::Output;
use self::request::RequestBuffer;
use self::timing::Timing;
use crate::arriving::ArrivingBody;
use crate::head::{Framing, Refusal};
use crate::lane::Ticket;
use crate::limits::LINGER_BYTES;
use crate::service::Service;
use crate::tail::Tail;
use crate::traffic::Traffic;

pub(crate) use self::eviction::EvictionOrder;
pub(crate) use self::interest::Interest;
pub use self::request::{InFlight, Progress};

/// What a connection is waiting for.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// The first byte of a request, or the rest of it.
    Reading,
    /// A handler's response.
    Running {
        /// The request, which stays in the buffer until then.
        in_flight: InFlight,
        /// Its place in a lane's queue.
        ticket: Option<Ticket>,
    },
    /// The client to read its response.
    Writing,
    /// A thread that sends the file behind the response's head.
    Sending(Ticket),
    /// The client to close the connection after a refusal. Holds the number of bytes discarded so far.
    Lingering(usize),
}

/// What happens to a connection after its response is written. A later variant overrides an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    /// Wait for the next request.
    KeepOpen,
    /// Close it.
    Close,
    /// Give the client time to read the response before closing, because its request was not read to the end.
    Linger,
}

/// The result of discarding input from a refused client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discarded {
    /// Bytes were discarded, and there may be more.
    More,
    /// Nothing to read right now.
    WouldBlock,
    /// The client closed the connection, failed, or sent too much: close it.
    Done,
}

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    peer: IpAddr,
    /// What it is waiting for.
    pub(crate) phase: Phase,
    /// The events that epoll reports for it.
    pub(crate) interest: Interest,
    /// Whether it gets another turn without a new event.
    pub(crate) queued: bool,
    timing: Timing,
    input: Input,
    request: RequestBuffer,
    output: Output,
    /// What follows the output.
    tail: Option<Arc<Tail>>,
    ending: Ending,
}

impl Connection {
    /// A connection that was just accepted from `peer`.
    pub fn new(stream: TcpStream, peer: IpAddr, now: Instant) -> Self {
        Self {
            stream,
            peer,
            phase: Phase::Reading,
            interest: Interest::Nothing,
            queued: false,
            timing: Timing::new(now),
            input: Input::Readable,
            request: RequestBuffer::new(),
            output: Output::default(),
            tail: None,
            ending: Ending::KeepOpen,
        }
    }

    /// The socket.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// When the current phase times out.
    pub(crate) fn deadline(&self) -> Instant {
        self.timing.deadline()
    }

    /// Memory held for requests, in bytes.
    pub fn held(&self) -> usize {
        self.request.held()
    }

    /// Whether part of a request has arrived.
    pub(crate) fn has_begun(&self) -> bool {
        !self.request.is_empty()
    }

    /// Whether a read may return something.
    pub fn is_readable(&self) -> bool {
        self.input.is_readable()
    }

    /// Whether the end of the client's stream has been read.
    pub(crate) fn has_ended(&self) -> bool {
        self.input == Input::Ended
    }

    /// epoll has reported input.
    pub fn bytes_reported(&mut self) {
        self.input.bytes_reported();
    }

    /// epoll has reported that the client shut down its sending side.
    pub(crate) fn end_reported(&mut self) {
        self.input.end_reported();
    }

    /// Reads once. The bytes go through `scratch`, so that an idle connection needs no buffer of its own.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn read(&mut self, scratch: &mut [u8], now: Instant) -> io::Result<()> {
        let wanted = self.request.wanted(scratch.len());
        let target = scratch.get_mut(..wanted).unwrap_or_default();
        let count = match receive(&self.stream, target) {
            Ok(0) => {
                self.input = Input::Ended;
                return Ok(());
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.input = Input::Drained;
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        };
        if !self.has_begun() {
            self.timing.begin_request(now);
        }
        self.timing.moved(now);
        self.request.append(scratch.get(..count).unwrap_or_default());
        if count < wanted {
            self.input.short_read();
        }
        Ok(())
    }

    /// Parses what has arrived, and passes the request to `service` once it is complete.
    ///
    /// # Errors
    /// The request is refused.
    pub fn progress(&mut self, service: &mut dyn Service, traffic: &Traffic) -> Result<Progress, Refusal> {
        self.request.progress(self.peer, service, traffic)
    }

    /// Starts waiting for a handler's response.
    pub(crate) fn run(&mut self, in_flight: InFlight, ticket: Option<Ticket>, now: Instant) {
        self.phase = Phase::Running { in_flight, ticket };
        self.timing.run(now);
    }

    /// Restarts the timeout for a handler that is still running.
    pub(crate) fn extend_run(&mut self, now: Instant) {
        self.timing.run(now);
    }

    /// Method, path and body of the current request, as far as they have arrived.
    pub(crate) fn outline(&self) -> Option<(&str, &str, &[u8])> {
        self.request.outline()
    }

    /// The body of the current request, for another thread to read. The connection cannot be used for another request.
    ///
    /// # Errors
    /// The process has run out of file descriptors.
    pub(crate) fn take_body(&mut self, framing: Framing) -> io::Result<ArrivingBody> {
        let stream = self.stream.try_clone()?;
        let received = self.request.take_body(framing);
        let left = framing.body_length.saturating_sub(u64::try_from(received.len()).unwrap_or(u64::MAX));
        Ok(ArrivingBody::new(stream, received, left, framing.expects_continue))
    }

    /// Drops the completed request; pipelined bytes behind it stay.
    pub fn finish_request(&mut self, framing: Framing) {
        self.request.finish(framing);
        if !framing.keep_alive {
            self.close_after_answer();
        }
    }

    /// Whether the connection closes after the next response.
    pub fn closes(&self) -> bool {
        self.ending != Ending::KeepOpen
    }

    /// Closes the connection after the next response.
    pub(crate) fn close_after_answer(&mut self) {
        self.ending = self.ending.max(Ending::Close);
    }

    /// Closes the connection after the next response, with time for the client to read it. For requests that are not read
    /// to the end.
    pub fn linger_after_answer(&mut self) {
        self.ending = Ending::Linger;
        self.request = RequestBuffer::new();
    }

    /// Lets a file follow the queued bytes, after which the connection closes.
    pub(crate) fn follow_with(&mut self, tail: Arc<Tail>) {
        self.tail = Some(tail);
        self.close_after_answer();
    }

    /// The file that is to be sent now.
    pub(crate) fn take_tail(&mut self) -> Option<Arc<Tail>> {
        self.tail.take()
    }

    /// Starts waiting for a thread that sends a file.
    pub(crate) fn let_send(&mut self, ticket: Ticket, now: Instant) {
        self.phase = Phase::Sending(ticket);
        self.timing.run(now);
    }

    /// Queues bytes for the client.
    pub fn send(&mut self, bytes: &[u8], now: Instant) {
        self.send_with(now, |outgoing| outgoing.extend_from_slice(bytes));
    }

    /// Queues what `write` appends.
    pub(crate) fn send_with(&mut self, now: Instant, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.output.end());
        self.phase = Phase::Writing;
        self.timing.write(now);
    }

    /// Writes as much as the socket accepts; true once everything is written.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn write(&mut self, now: Instant) -> io::Result<bool> {
        let before = self.output.left();
        let is_done = self.output.write_to(&self.stream)?;
        if self.output.left() < before {
            self.timing.moved(now);
        }
        Ok(is_done)
    }

    /// Continues after a written response: reads the next request, lingers, or returns false to close.
    pub fn after_answer(&mut self, now: Instant) -> bool {
        match self.ending {
            Ending::KeepOpen => self.resume_reading(now),
            Ending::Linger if !self.has_ended() => {
                let _ = self.stream.shutdown(Shutdown::Write);
                self.phase = Phase::Lingering(0);
                self.timing.linger(now);
            }
            Ending::Close | Ending::Linger => return false,
        }
        true
    }

    fn resume_reading(&mut self, now: Instant) {
        self.phase = Phase::Reading;
        if self.request.waits_for_body() {
            // The response was the 100 Continue.
            self.timing.resume_request();
        } else if self.has_begun() {
            self.timing.begin_request(now);
        } else {
            self.timing.idle(now);
        }
    }

    /// Reads and discards input from a refused client.
    pub(crate) fn discard(&mut self, scratch: &mut [u8]) -> Discarded {
        let Phase::Lingering(discarded) = &mut self.phase else { return Discarded::WouldBlock };
        match receive(&self.stream, scratch) {
            Ok(0) => Discarded::Done,
            Ok(count) => {
                *discarded = discarded.saturating_add(count);
                if *discarded <= LINGER_BYTES { Discarded::More } else { Discarded::Done }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Discarded::WouldBlock,
            Err(error) if error.kind() == ErrorKind::Interrupted => Discarded::More,
            Err(_) => Discarded::Done,
        }
    }

    /// Its rank when a connection must be evicted; none while its request is running, which protects it.
    pub(crate) fn eviction_order(&self) -> Option<EvictionOrder> {
        match self.phase {
            Phase::Running { .. } | Phase::Sending(_) => None,
            Phase::Lingering(_) => Some(EvictionOrder::Refused(self.timing.last_activity())),
            Phase::Reading | Phase::Writing => Some(EvictionOrder::InUse(self.timing.last_activity())),
        }
    }
}

/// One `recv` system call. A loop over thousands of sockets does not need the C library's cancellation points.
fn receive(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(stream, buffer, RecvFlags::empty())?.0)
}
