//! How clients come in, and what is done when one more is too many.

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
                Accepted::Nobody => return,
                Accepted::Exhausted(cause) => return self.pause_accepting(&cause, now),
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: IpAddr, now: Instant) {
        if self.budget.is_full(&self.connections) && !self.evict_one() {
            // Every connection has a request running. Nothing can be closed, so the newcomer is told.
            let mut bytes = Vec::new();
            self.encoder.encode(&busy(), true, false, &mut bytes);
            let _ = io::Write::write(&mut &stream, &bytes);
            return;
        }
        let connection = Connection::new(stream, peer, now);
        self.deadlines.note(connection.deadline());
        let key = self.connections.insert(connection);
        // Most clients have sent their request by now; what has not is what epoll is for.
        self.drive(key, now);
    }

    /// No descriptor or no memory for a new connection: make room, say so once, and rest.
    fn pause_accepting(&mut self, cause: &io::Error, now: Instant) {
        self.acceptor.warn(cause);
        self.evict_one();
        self.acceptor.rest(&self.poller, now);
    }

    /// Closes the connection that can best be spared, if there is one.
    fn evict_one(&mut self) -> bool {
        let spared = budget::least_worth(&self.connections);
        spared.map(|key| self.evict(key)).is_some()
    }
}
