//! One client: what has been read of it, what is still to be written to it, and how long it may take.

mod input;
mod interest;
mod output;
mod request;
mod timing;
mod worth;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::time::Instant;

use rustix::net::RecvFlags;

use self::input::Input;
use self::output::Output;
use self::request::RequestBuffer;
use self::timing::Timing;
use crate::head::{Framing, Refusal};
use crate::lane::Ticket;
use crate::limits::LINGER_BYTES;
use crate::service::Service;
use crate::traffic::Traffic;

pub(crate) use self::interest::Interest;
pub use self::request::{InFlight, Progress};
pub(crate) use self::worth::Worth;

/// What a connection waits for.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// The rest of a request, or its first byte.
    Reading,
    /// The answer of a handler.
    Running {
        /// The request, which is held until then.
        in_flight: InFlight,
        /// Its place in a lane.
        ticket: Option<Ticket>,
    },
    /// The client to read its answer.
    Writing,
    /// The client to close after a refusal; what it still sends is thrown away.
    Lingering(usize),
}

/// What becomes of a connection once its answer is written, in the order in which one overrules the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    /// It waits for the next request.
    KeepOpen,
    /// It is closed.
    Close,
    /// It is closed when the client has had time to read the answer, for a request that was not read to its end.
    Linger,
}

/// What a client who is no longer listened to has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discarded {
    /// Something, and there may be more.
    More,
    /// Nothing now.
    Nothing,
    /// All that is waited for.
    Everything,
}

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    peer: IpAddr,
    /// What it waits for.
    pub(crate) phase: Phase,
    /// What epoll reports of it.
    pub(crate) interest: Interest,
    /// Whether its turn comes again without an event.
    pub(crate) queued: bool,
    timing: Timing,
    input: Input,
    request: RequestBuffer,
    output: Output,
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
            ending: Ending::KeepOpen,
        }
    }

    /// The socket.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// When what it waits for takes too long.
    pub(crate) fn deadline(&self) -> Instant {
        self.timing.deadline()
    }

    /// Bytes that are held of requests.
    pub fn held(&self) -> usize {
        self.request.held()
    }

    /// Whether a request has begun to arrive.
    pub(crate) fn has_begun(&self) -> bool {
        !self.request.is_empty()
    }

    /// Whether there may be something to read.
    pub fn is_readable(&self) -> bool {
        self.input.is_readable()
    }

    /// Whether the client has said that it sends nothing more.
    pub(crate) fn has_ended(&self) -> bool {
        self.input == Input::Ended
    }

    /// The client has sent something.
    pub fn bytes_reported(&mut self) {
        self.input.bytes_reported();
    }

    /// The client has said that it sends nothing more after what it has sent.
    pub(crate) fn end_reported(&mut self) {
        self.input.end_reported();
    }

    /// Reads once, into `scratch` first so that idle connections hold no buffer.
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
        self.request.keep(scratch.get(..count).unwrap_or_default());
        if count < wanted {
            self.input.fell_short();
        }
        Ok(())
    }

    /// Looks at what has arrived, and has `service` look at the request when it is whole.
    ///
    /// # Errors
    /// The request is refused.
    pub fn progress(&mut self, service: &mut dyn Service, traffic: &Traffic) -> Result<Progress, Refusal> {
        self.request.progress(self.peer, service, traffic)
    }

    /// Waits for the answer of a handler.
    pub(crate) fn run(&mut self, in_flight: InFlight, ticket: Option<Ticket>, now: Instant) {
        self.phase = Phase::Running { in_flight, ticket };
        self.timing.run(now);
    }

    /// Goes on waiting for a handler that runs.
    pub(crate) fn run_on(&mut self, now: Instant) {
        self.timing.run(now);
    }

    /// Forgets the complete request; pipelined bytes behind it stay.
    pub fn finish_request(&mut self, framing: Framing) {
        self.request.finish(framing);
        if !framing.keep_alive {
            self.close_after_answer();
        }
    }

    /// Whether the connection ends with the next answer.
    pub fn closes(&self) -> bool {
        self.ending != Ending::KeepOpen
    }

    /// Makes the next answer the last.
    pub(crate) fn close_after_answer(&mut self) {
        self.ending = self.ending.max(Ending::Close);
    }

    /// Makes the next answer the last and gives the client time to read it, for requests that are not read to their end.
    pub fn linger_after_answer(&mut self) {
        self.ending = Ending::Linger;
        self.request = RequestBuffer::new();
    }

    /// Puts bytes in line for the client.
    pub fn send(&mut self, bytes: &[u8], now: Instant) {
        self.send_with(now, |outgoing| outgoing.extend_from_slice(bytes));
    }

    /// Puts in line for the client what `write` appends.
    pub(crate) fn send_with(&mut self, now: Instant, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.output.end());
        self.phase = Phase::Writing;
        self.timing.write(now);
    }

    /// Writes what can be written; true when all of it is.
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

    /// After the answer: back to reading, or into the linger, or (false) to the end.
    pub fn after_answer(&mut self, now: Instant) -> bool {
        match self.ending {
            Ending::KeepOpen => self.read_on(now),
            Ending::Linger if !self.has_ended() => {
                let _ = self.stream.shutdown(Shutdown::Write);
                self.phase = Phase::Lingering(0);
                self.timing.linger(now);
            }
            Ending::Close | Ending::Linger => return false,
        }
        true
    }

    fn read_on(&mut self, now: Instant) {
        self.phase = Phase::Reading;
        if self.request.waits_for_body() {
            // That was the 100 Continue.
            self.timing.go_on_with_request();
        } else if self.has_begun() {
            self.timing.begin_request(now);
        } else {
            self.timing.idle(now);
        }
    }

    /// Throws away a part of what a refused client still sends.
    pub(crate) fn discard(&mut self, scratch: &mut [u8]) -> Discarded {
        let Phase::Lingering(thrown_away) = &mut self.phase else { return Discarded::Nothing };
        match receive(&self.stream, scratch) {
            Ok(0) => Discarded::Everything,
            Ok(count) => {
                *thrown_away = thrown_away.saturating_add(count);
                if *thrown_away <= LINGER_BYTES { Discarded::More } else { Discarded::Everything }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Discarded::Nothing,
            Err(error) if error.kind() == ErrorKind::Interrupted => Discarded::More,
            Err(_) => Discarded::Everything,
        }
    }

    /// What giving this connection up would cost; none when it cannot be, because its request is being run.
    pub(crate) fn worth(&self) -> Option<Worth> {
        match self.phase {
            Phase::Running { .. } => None,
            Phase::Lingering(_) => Some(Worth::Refused(self.timing.moved_at())),
            Phase::Reading | Phase::Writing => Some(Worth::InUse(self.timing.moved_at())),
        }
    }
}

/// One `recv`, straight to the kernel: a loop over thousands of sockets has no use for the C library's cancellation points.
fn receive(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(stream, buffer, RecvFlags::empty())?.0)
}
