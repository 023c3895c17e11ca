//! The front thread: one loop over the listener and every client socket, driven by readiness. It answers from memory,
//! hands everything else to a lane, and never waits for anything but epoll.

mod accepting;
mod timing;

use std::cmp::Reverse;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::connection::{Asked, Connection, Phase, Progress};
use crate::head::Refusal;
use crate::lane::{Lane, Responder, busy};
use crate::limits::{KIND_OF_REQUESTS, LANE_TIME, Limits, READ, SMALL_REQUEST, STEPS};
use crate::response::{Encoder, Response};
use crate::service::{Reaction, Service};
use crate::slab::{Key, Slab};
use crate::traffic::{Traffic, UNKNOWN_ROUTE};
use opterius_base::clock::{Clock, Timestamp};
use opterius_base::waker::Waker;

/// epoll's word for the listener and for the waker: keys of connections never have all upper bits set.
const LISTENER: u64 = u64::MAX;
const WAKER: u64 = u64::MAX - 1;
/// How many ready sockets are taken from the kernel at a time.
const EVENTS: usize = 128;

/// What other threads tell the front.
#[derive(Clone)]
pub struct Control {
    stop: Sender<()>,
    waker: Waker,
}

impl Control {
    /// Ends the front: no more connections, running requests get their answer within
    /// [`crate::limits::STOP_TIME`].
    pub fn stop(&self) {
        let _ = self.stop.try_send(());
        self.waker.wake();
    }
}

/// Where requests that take time go.
#[derive(Clone)]
pub struct Lanes {
    /// For requests that change nothing.
    pub reads: Lane,
    /// For requests that change something.
    pub writes: Lane,
    /// For requests that wait for other machines, minutes perhaps, and must not keep the others waiting.
    pub slow: Lane,
}

/// Both ends of the channel on which answers come back.
type Answers = (Sender<(Key, Response)>, Receiver<(Key, Response)>);

/// The front thread's own memory.
pub struct Front {
    epoll: OwnedFd,
    listener: Option<TcpListener>,
    waker: Waker,
    stopped: Receiver<()>,
    answers: Answers,
    clock: Arc<dyn Clock>,
    service: Box<dyn Service>,
    lanes: Lanes,
    limits: Limits,
    encoder: Encoder,
    /// What the answers of this turn are dated.
    date: Timestamp,
    connections: Slab<Connection>,
    traffic: Traffic,
    /// Connections whose turn was over before their pipelined requests were.
    unfinished: Vec<Key>,
    held: usize,
    scratch: Vec<u8>,
    /// No connection's deadline is before this.
    next_deadline: Option<Instant>,
    /// The listener rests until then.
    resume_accepting: Option<Instant>,
    /// When the front ends, once it was told to.
    ends_at: Option<Instant>,
    warned_of_accept: bool,
}

impl Front {
    /// A front over a listener that is bound already, and the handle to control it.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn new(
        listener: TcpListener,
        clock: Arc<dyn Clock>,
        service: Box<dyn Service>,
        lanes: Lanes,
        limits: Limits,
    ) -> io::Result<(Self, Control)> {
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let waker = Waker::new()?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        epoll::add(&epoll, waker.descriptor(), EventData::new_u64(WAKER), EventFlags::IN)?;
        let (stop, stopped) = bounded(1);
        let control = Control { stop, waker: waker.clone() };
        let front = Self {
            epoll,
            listener: Some(listener),
            waker,
            stopped,
            // The lanes bound what can come back; the front itself answers into it, so it must never be full.
            answers: unbounded(),
            encoder: Encoder::new(service.name()),
            service,
            lanes,
            limits,
            date: clock.wall(),
            clock,
            connections: Slab::default(),
            traffic: Traffic::default(),
            unfinished: Vec::new(),
            held: 0,
            scratch: vec![0; READ],
            next_deadline: None,
            resume_accepting: None,
            ends_at: None,
            warned_of_accept: false,
        };
        Ok((front, control))
    }

    /// Serves until it is told to stop.
    ///
    /// # Errors
    /// epoll itself failed.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        let mut now = self.clock.monotonic();
        loop {
            let timeout = self.timeout(now);
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                result => _ = result?,
            }
            (now, self.date) = (self.clock.monotonic(), self.clock.wall());
            for event in events.drain(..) {
                self.on_event(event, now);
            }
            for key in std::mem::take(&mut self.unfinished) {
                if let Some(connection) = self.connections.get_mut(key) {
                    connection.queued = false;
                }
                self.drive(key, now);
            }
            self.on_time(now);
            if self.has_ended(now) {
                return Ok(());
            }
        }
    }

    /// None is for ever: nothing is pending, nothing wakes the daemon.
    fn timeout(&self, now: Instant) -> Option<Timespec> {
        let pending = [self.next_deadline, self.resume_accepting, self.ends_at];
        let next = if self.unfinished.is_empty() { pending.into_iter().flatten().min()? } else { now };
        // One millisecond late rather than early: an early wake-up would find nothing to do and come again.
        let wait = next.saturating_duration_since(now) + Duration::from_millis(u64::from(next > now));
        Timespec::try_from(wait).ok()
    }

    fn on_event(&mut self, event: Event, now: Instant) {
        let flags = event.flags;
        match event.data.u64() {
            LISTENER => self.accept(now),
            WAKER => {
                self.waker.clear();
                self.deliver(now);
                if self.stopped.try_recv().is_ok() {
                    self.begin_to_stop(now);
                }
            }
            bits => {
                let key = Key::from_bits(bits);
                let Some(connection) = self.connections.get_mut(key) else { return };
                if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
                    return self.close(key);
                }
                connection.readable |= flags.intersects(EventFlags::IN | EventFlags::RDHUP);
                connection.half_closed |= flags.contains(EventFlags::RDHUP);
                self.drive(key, now);
            }
        }
    }

    /// Does everything that can be done for one connection now.
    fn drive(&mut self, key: Key, now: Instant) {
        for _ in 0..STEPS {
            let Some(connection) = self.connections.get_mut(key) else { return };
            let goes_on = match connection.phase {
                Phase::Running { .. } => return self.watch(key),
                Phase::Writing => self.write(key, now),
                Phase::Lingering(_) => match connection.discard(&mut self.scratch) {
                    None => return self.close(key),
                    Some(false) => return self.watch(key),
                    Some(true) => true,
                },
                Phase::Reading => self.read(key, now),
            };
            if !goes_on {
                return;
            }
        }
        self.queue(key);
    }

    /// Gives the connection another turn once the others have had theirs.
    fn queue(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key)
            && !std::mem::replace(&mut connection.queued, true)
        {
            self.unfinished.push(key);
        }
    }

    /// Takes the next request, if it is there; false when there is nothing more to do now.
    fn read(&mut self, key: Key, now: Instant) -> bool {
        self.traffic.connections = self.connections.len();
        let Some(connection) = self.connections.get_mut(key) else { return false };
        match connection.progress(&mut *self.service, &self.traffic) {
            Ok(Progress::Complete(asked, reaction)) => {
                self.react(key, asked, reaction, now);
                return true;
            }
            Ok(Progress::Continue) => {
                connection.send(b"HTTP/1.1 100 Continue\r\n\r\n", now);
                return true;
            }
            Ok(Progress::Incomplete) if connection.has_ended() => {
                self.close(key);
                return false;
            }
            Ok(Progress::Incomplete) if !connection.readable => {
                self.watch(key);
                return false;
            }
            Ok(Progress::Incomplete) => {}
            Err(refusal) => {
                self.refuse(key, refusal, now);
                return true;
            }
        }
        let held_before = connection.held();
        let deadline_before = connection.deadline;
        let read = connection.read(&mut self.scratch, now);
        let (held, deadline, more) = (connection.held(), connection.deadline, connection.readable);
        self.held = self.held.saturating_sub(held_before).saturating_add(held);
        if deadline != deadline_before {
            self.note_deadline(deadline);
        }
        if read.is_err() {
            self.close(key);
            return false;
        }
        self.bound_memory(key);
        if more {
            // One full read is a turn, so that a round over all connections is short whatever they send.
            self.queue(key);
        }
        !more
    }

    /// Keeps all requests together within bounds, the small ones and the large ones by themselves, so that neither kind can
    /// push out the other. Of the small ones the one goes that has waited longest for bytes, of the large ones the one
    /// that holds most; never one that is being run, and not the one that just got bytes unless it is the only one.
    fn bound_memory(&mut self, newcomer: Key) {
        if self.held <= KIND_OF_REQUESTS {
            return;
        }
        for large in [false, true] {
            let of_kind = |connection: &Connection| (connection.held() > SMALL_REQUEST) == large;
            loop {
                let kind = || self.connections.iter().filter(|(_, connection)| of_kind(connection));
                if kind().map(|(_, connection)| connection.held()).sum::<usize>() <= KIND_OF_REQUESTS {
                    break;
                }
                let size = |connection: &Connection| if large { connection.held() } else { 0 };
                let spare = |(key, connection): (Key, &Connection)| {
                    let (_, moved_at) = connection.dispensable().filter(|_| connection.held() > 0)?;
                    Some((Reverse(size(connection)), moved_at, key))
                };
                let others = kind().filter(|(key, _)| *key != newcomer);
                match others.filter_map(spare).min() {
                    Some((.., key)) => self.evict(key),
                    None => return self.evict(newcomer),
                }
            }
        }
    }

    fn react(&mut self, key: Key, asked: Asked, reaction: Reaction, now: Instant) {
        let queued = match reaction {
            Reaction::Answer(response) => return self.give(key, asked, response, now),
            Reaction::Read(work) => self.lanes.reads.queue(work, self.responder(key)).map(Some),
            Reaction::Write(work) => self.lanes.writes.queue(work, self.responder(key)).map(Some),
            Reaction::Slow(work) => self.lanes.slow.queue(work, self.responder(key)).map(Some),
            Reaction::Later(hand_over) => {
                hand_over(self.responder(key));
                Some(None)
            }
        };
        let Some(ticket) = queued else { return self.give(key, asked, busy(), now) };
        let deadline = now + LANE_TIME;
        if let Some(connection) = self.connections.get_mut(key) {
            connection.phase = Phase::Running { asked, ticket };
            connection.deadline = deadline;
        }
        self.note_deadline(deadline);
    }

    /// Puts the answer to the request in line for the client, and lets the request go.
    fn give(&mut self, key: Key, asked: Asked, response: Response, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        self.traffic.answered(asked.route, response.status);
        let held = connection.held();
        connection.finish_request(asked.framing);
        self.held = self.held.saturating_sub(held).saturating_add(connection.held());
        if self.ends_at.is_some() {
            connection.close_after_answer();
        }
        let (encoder, date, close) = (&mut self.encoder, self.date, connection.closes());
        connection.send_with(now, |outgoing| encoder.encode(&response, close, asked.without_body, date, outgoing));
    }

    fn responder(&self, key: Key) -> Responder {
        Responder::new(key, self.answers.0.clone(), self.waker.clone())
    }

    fn refuse(&mut self, key: Key, refusal: Refusal, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let held = connection.held();
        connection.linger_after_answer();
        self.held = self.held.saturating_sub(held).saturating_add(connection.held());
        let response = Response::refusal(refusal);
        self.traffic.answered(UNKNOWN_ROUTE, response.status);
        let (encoder, date) = (&mut self.encoder, self.date);
        connection.send_with(now, |outgoing| encoder.encode(&response, true, false, date, outgoing));
    }

    /// Writes; false when the connection is closed or has to wait.
    fn write(&mut self, key: Key, now: Instant) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return false };
        match connection.write(now) {
            Err(_) => {
                self.close(key);
                false
            }
            Ok(false) => {
                let deadline = connection.deadline;
                self.note_deadline(deadline);
                self.watch_output(key);
                false
            }
            Ok(true) => {
                if !connection.after_answer(now) {
                    self.close(key);
                    return false;
                }
                let deadline = connection.deadline;
                self.note_deadline(deadline);
                true
            }
        }
    }

    /// Lets epoll report what the client sends from now on. Edge-triggered: bytes that we do not want yet do not wake us
    /// again and again.
    fn watch(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.registered {
            return;
        }
        let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        connection.registered = true;
        if epoll::add(&self.epoll, connection.stream(), EventData::new_u64(key.bits()), flags).is_err() {
            self.close(key);
        }
    }

    fn watch_output(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.watches_output {
            return;
        }
        connection.watches_output = true;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(key.bits());
        let result = if connection.registered {
            epoll::modify(&self.epoll, connection.stream(), data, flags)
        } else {
            connection.registered = true;
            epoll::add(&self.epoll, connection.stream(), data, flags)
        };
        if result.is_err() {
            self.close(key);
        }
    }

    /// Closes a connection to make room for others.
    fn evict(&mut self, key: Key) {
        self.traffic.evictions = self.traffic.evictions.saturating_add(1);
        self.close(key);
    }

    /// Closing the socket takes it out of epoll as well. What nobody waits for any more is not begun.
    fn close(&mut self, key: Key) {
        if let Some(connection) = self.connections.remove(key) {
            self.held = self.held.saturating_sub(connection.held());
            if let Phase::Running { ticket: Some(ticket), .. } = &connection.phase {
                ticket.give_up();
            }
        }
        if self.connections.is_empty() {
            self.next_deadline = None;
        }
    }

    fn deliver(&mut self, now: Instant) {
        while let Ok((key, response)) = self.answers.1.try_recv() {
            self.answer(key, response, now);
        }
    }

    /// Answers a request that was handed on. Its client may be gone.
    fn answer(&mut self, key: Key, response: Response, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Phase::Running { asked, .. } = connection.phase else { return };
        self.give(key, asked, response, now);
        self.drive(key, now);
    }
}
