//! Accepting clients, and making room when there are too many.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::time::Instant;

use super::Front;
use super::acceptor::Accepted;
use super::budget;
use crate::connection::Connection;
use crate::lane::busy;
use crate::limits::TURN;

impl Front {
    pub(super) fn accept(&mut self, now: Instant) {
        for _ in 0..TURN {
            match self.acceptor.accept() {
                Accepted::Client(stream, peer) => self.admit(stream, peer, now),
                Accepted::TryAgain => {}
                Accepted::WouldBlock => return,
                Accepted::Exhausted(cause) => return self.pause_accepting(&cause, now),
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: IpAddr, now: Instant) {
        if self.budget.is_full(&self.connections) && !self.evict_one() {
            // Every connection has a running request, so none can be closed: answer the new client with 503.
            let mut bytes = Vec::new();
            self.encoder.encode(&busy(), true, false, &mut bytes);
            let _ = io::Write::write(&mut &stream, &bytes);
            return;
        }
        let connection = Connection::new(stream, peer, now);
        self.deadlines.note(connection.deadline());
        let key = self.connections.insert(connection);
        // Most clients have sent their request by now; epoll is only needed for the others.
        self.drive(key, now);
    }

    /// Out of file descriptors or memory: logs it once, makes room, and pauses accepting.
    fn pause_accepting(&mut self, cause: &io::Error, now: Instant) {
        self.acceptor.warn(cause);
        self.evict_one();
        self.acceptor.pause(&self.poller, now);
    }

    /// Closes the first connection in eviction order, if any can be closed.
    fn evict_one(&mut self) -> bool {
        let candidate = budget::eviction_candidate(&self.connections);
        candidate.map(|key| self.evict(key)).is_some()
    }
}
