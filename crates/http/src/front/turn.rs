//! One connection's turn: everything that can be done for it now, from the bytes that it has sent to the answer.

use std::time::Instant;

use super::Front;
use super::budget::{self, Kind};
use crate::connection::{Discarded, InFlight, Interest, Phase, Progress};
use crate::head::Refusal;
use crate::lane::busy;
use crate::limits::STEPS;
use crate::response::Response;
use crate::service::Reaction;
use crate::slab::Key;
use crate::traffic::UNKNOWN_ROUTE;

impl Front {
    /// Does everything that can be done for one connection now.
    pub(super) fn drive(&mut self, key: Key, now: Instant) {
        for _ in 0..STEPS {
            let Some(connection) = self.connections.get_mut(key) else { return };
            let goes_on = match connection.phase {
                Phase::Running { .. } => return self.watch(key, Interest::Input),
                Phase::Writing => self.write(key, now),
                Phase::Lingering(_) => match connection.discard(&mut self.scratch) {
                    Discarded::Everything => return self.close(key),
                    Discarded::Nothing => return self.watch(key, Interest::Input),
                    Discarded::More => true,
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
            Ok(Progress::Complete(in_flight, reaction)) => self.react(key, in_flight, reaction, now),
            Ok(Progress::Continue) => connection.send(b"HTTP/1.1 100 Continue\r\n\r\n", now),
            Ok(Progress::Incomplete) if connection.has_ended() => {
                self.close(key);
                return false;
            }
            Ok(Progress::Incomplete) if !connection.is_readable() => {
                self.watch(key, Interest::Input);
                return false;
            }
            Ok(Progress::Incomplete) => return self.receive(key, now),
            Err(refusal) => self.refuse(key, refusal, now),
        }
        true
    }

    /// Takes in what the client has sent; false when that was a turn.
    fn receive(&mut self, key: Key, now: Instant) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return false };
        let (held_before, deadline_before) = (connection.held(), connection.deadline());
        let received = connection.read(&mut self.scratch, now);
        let more = connection.is_readable();
        self.budget.account(held_before, connection.held());
        if connection.deadline() != deadline_before {
            self.deadlines.note(connection.deadline());
        }
        if received.is_err() {
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

    /// Keeps all requests together within bounds.
    fn bound_memory(&mut self, newcomer: Key) {
        if !self.budget.may_be_exceeded() {
            return;
        }
        for kind in Kind::ALL {
            while let Some(key) = budget::too_much(kind, &self.connections, newcomer) {
                self.evict(key);
                if key == newcomer {
                    return;
                }
            }
        }
    }

    fn react(&mut self, key: Key, in_flight: InFlight, reaction: Reaction, now: Instant) {
        let queued = match reaction {
            Reaction::Answer(response) => return self.respond(key, in_flight, response, now),
            Reaction::Read(work) => self.lanes.reads.queue(work, self.mailbox.responder(key)).map(Some),
            Reaction::Write(work) => self.lanes.writes.queue(work, self.mailbox.responder(key)).map(Some),
            Reaction::LongRunning(work) => self.lanes.slow.queue(work, self.mailbox.responder(key)).map(Some),
            Reaction::Deferred(hand_over) => {
                hand_over(self.mailbox.responder(key));
                Some(None)
            }
        };
        let Some(ticket) = queued else { return self.respond(key, in_flight, busy(), now) };
        if let Some(connection) = self.connections.get_mut(key) {
            connection.run(in_flight, ticket, now);
            self.deadlines.note(connection.deadline());
        }
    }

    /// Answers a request that was handed on. Its client may be gone.
    pub(super) fn answer(&mut self, key: Key, response: Response, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Phase::Running { in_flight, .. } = connection.phase else { return };
        self.respond(key, in_flight, response, now);
        self.drive(key, now);
    }

    /// Puts the answer to the request in line for the client, and lets the request go.
    fn respond(&mut self, key: Key, in_flight: InFlight, response: Response, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        self.traffic.answered(in_flight.route, response.status);
        let held_before = connection.held();
        connection.finish_request(in_flight.framing);
        self.budget.account(held_before, connection.held());
        if self.deadlines.is_stopping() {
            connection.close_after_answer();
        }
        let (encoder, closes) = (&mut self.encoder, connection.closes());
        connection.send_with(now, |outgoing| encoder.encode(&response, closes, in_flight.without_body, outgoing));
    }

    /// Puts a refusal in line for the client, and lets go of what it has sent.
    pub(super) fn refuse(&mut self, key: Key, refusal: Refusal, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let held_before = connection.held();
        connection.linger_after_answer();
        self.budget.account(held_before, connection.held());
        let response = Response::refusal(refusal);
        self.traffic.answered(UNKNOWN_ROUTE, response.status);
        let encoder = &mut self.encoder;
        connection.send_with(now, |outgoing| encoder.encode(&response, true, false, outgoing));
    }

    /// Writes; false when the connection is closed or has to wait.
    fn write(&mut self, key: Key, now: Instant) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return false };
        let Ok(is_done) = connection.write(now) else {
            self.close(key);
            return false;
        };
        if is_done && !connection.after_answer(now) {
            self.close(key);
            return false;
        }
        self.deadlines.note(connection.deadline());
        if !is_done {
            self.watch(key, Interest::InputAndOutput);
        }
        is_done
    }

    /// Has at least this reported of the connection from now on.
    fn watch(&mut self, key: Key, wanted: Interest) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if self.poller.watch(key, connection, wanted).is_err() {
            self.close(key);
        }
    }
}
