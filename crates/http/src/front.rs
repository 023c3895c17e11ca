//! The front thread: one readiness-driven loop over the listener and every client socket. It answers from memory, hands
//! everything else to a lane, and blocks only in epoll.
//!
//! This file has the loop and its state; `turn` drives one connection, `accepting` admits clients, and `timing` handles
//! timeouts.

mod accepting;
mod acceptor;
mod budget;
mod deadlines;
mod mailbox;
mod poller;
mod timing;
mod turn;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use rustix::event::Timespec;

use self::acceptor::Acceptor;
use self::budget::Budget;
use self::deadlines::Deadlines;
use self::mailbox::Mailbox;
use self::poller::{Poller, Readiness, Report};
use crate::connection::{Connection, Phase};
use crate::lane::Lane;
use crate::limits::{Limits, READ};
use crate::response::Encoder;
use crate::service::Service;
use crate::slab::{Key, Slab};
use crate::traffic::Traffic;
use opterius_base::clock::Clock;

pub use self::mailbox::Control;

/// The queues for requests that take time.
#[derive(Clone)]
pub struct Lanes {
    /// For requests that only read.
    pub reads: Lane,
    /// For requests that make changes.
    pub writes: Lane,
    /// For requests that wait for other machines, possibly for minutes, and must not delay the rest.
    pub slow: Lane,
    /// For bodies that are read while they arrive, and files that are sent.
    pub transfers: Lane,
}

/// The state of the front thread.
pub struct Front {
    clock: Arc<dyn Clock>,
    poller: Poller,
    acceptor: Acceptor,
    mailbox: Mailbox,
    connections: Slab<Connection>,
    budget: Budget,
    deadlines: Deadlines,
    /// Connections whose turn ended before all of their input was handled.
    unfinished: Vec<Key>,
    scratch: Vec<u8>,
    service: Box<dyn Service>,
    lanes: Lanes,
    encoder: Encoder,
    traffic: Traffic,
}

impl Front {
    /// Creates a front for a bound listener, and the handle that controls it.
    ///
    /// # Errors
    /// The process has run out of file descriptors.
    pub fn new(
        listener: TcpListener,
        clock: Arc<dyn Clock>,
        service: Box<dyn Service>,
        lanes: Lanes,
        limits: Limits,
    ) -> io::Result<(Self, Control)> {
        listener.set_nonblocking(true)?;
        let (mailbox, control) = Mailbox::new()?;
        let front = Self {
            poller: Poller::new(&listener, mailbox.waker())?,
            acceptor: Acceptor::new(listener),
            mailbox,
            connections: Slab::default(),
            budget: Budget::new(limits),
            deadlines: Deadlines::default(),
            unfinished: Vec::new(),
            scratch: vec![0; READ],
            encoder: Encoder::new(service.name(), clock.wall()),
            service,
            lanes,
            traffic: Traffic::default(),
            clock,
        };
        Ok((front, control))
    }

    /// Serves until [`Control::stop`] is called.
    ///
    /// # Errors
    /// epoll itself failed.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Poller::room();
        let mut now = self.clock.monotonic();
        loop {
            self.poller.wait(&mut events, self.timeout(now).as_ref())?;
            now = self.clock.monotonic();
            // The Date header of all responses of this iteration.
            self.encoder.set_date(self.clock.wall());
            for event in events.drain(..) {
                self.on_report(Report::decode(event), now);
            }
            for key in std::mem::take(&mut self.unfinished) {
                self.on_turn(key, now);
            }
            self.on_time(now);
            if self.deadlines.has_ended(!self.connections.is_empty(), now) {
                return Ok(());
            }
        }
    }

    /// The epoll timeout; none waits forever: with nothing pending, nothing wakes the daemon.
    fn timeout(&self, now: Instant) -> Option<Timespec> {
        let pending = || self.deadlines.next(self.acceptor.paused_until());
        let next = if self.unfinished.is_empty() { pending()? } else { now };
        deadlines::wait(next, now)
    }

    fn on_report(&mut self, report: Report, now: Instant) {
        match report {
            Report::Listener => self.accept(now),
            Report::Mailbox => self.on_mailbox(now),
            Report::Client(key, readiness) => self.on_ready(key, readiness, now),
        }
    }

    fn on_mailbox(&mut self, now: Instant) {
        self.mailbox.waker().clear();
        while let Some((key, response)) = self.mailbox.next_answer() {
            self.answer(key, response, now);
        }
        if self.mailbox.stop_requested() {
            self.begin_to_stop(now);
        }
    }

    fn on_ready(&mut self, key: Key, readiness: Readiness, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match readiness {
            Readiness::Closed => return self.close(key),
            Readiness::HalfClosed => connection.end_reported(),
            Readiness::Readable => connection.bytes_reported(),
            Readiness::Writable => {}
        }
        self.drive(key, now);
    }

    fn on_turn(&mut self, key: Key, now: Instant) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.queued = false;
        }
        self.drive(key, now);
    }

    /// Closes a connection to make room for others.
    fn evict(&mut self, key: Key) {
        self.traffic.evictions = self.traffic.evictions.saturating_add(1);
        self.close(key);
    }

    /// Closing the socket also removes it from epoll. Work that is still queued for it is canceled.
    fn close(&mut self, key: Key) {
        if let Some(connection) = self.connections.remove(key) {
            self.budget.account(connection.held(), 0);
            if let Phase::Running { ticket: Some(ticket), .. } | Phase::Sending(ticket) = &connection.phase {
                ticket.give_up();
            }
        }
        if self.connections.is_empty() {
            self.deadlines.set(None);
        }
    }
}
