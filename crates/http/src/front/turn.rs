//! One connection's turn: all that can be done for it without waiting, from received bytes to the response.

use std::sync::Arc;
use std::time::Instant;

use super::Front;
use super::budget::{self, SizeClass};
use crate::arriving::ArrivingBody;
use crate::connection::{Discarded, InFlight, Interest, Phase, Progress};
use crate::head::Refusal;
use crate::lane::{Ticket, busy};
use crate::limits::STEPS;
use crate::response::{JSON, Response};
use crate::service::{Reaction, Refused};
use crate::slab::Key;
use crate::tail::Tail;
use crate::traffic::UNKNOWN_ROUTE;

impl Front {
    /// Does all that can be done for one connection without waiting.
    pub(super) fn drive(&mut self, key: Key, now: Instant) {
        for _ in 0..STEPS {
            let Some(connection) = self.connections.get_mut(key) else { return };
            let can_continue = match connection.phase {
                Phase::Running { .. } | Phase::Sending(_) => return self.watch(key, Interest::Input),
                Phase::Writing => self.write(key, now),
                Phase::Lingering(_) => match connection.discard(&mut self.scratch) {
                    Discarded::Done => return self.close(key),
                    Discarded::WouldBlock => return self.watch(key, Interest::Input),
                    Discarded::More => true,
                },
                Phase::Reading => self.read(key, now),
            };
            if !can_continue {
                return;
            }
        }
        self.queue(key);
    }

    /// Schedules another turn for the connection, after the others have had theirs.
    fn queue(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key)
            && !std::mem::replace(&mut connection.queued, true)
        {
            self.unfinished.push(key);
        }
    }

    /// Handles the next request, if it is complete; false if there is nothing more to do now.
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

    /// Receives what the client has sent; false if that used up the turn.
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
            // A full read ends the turn, so that a round over all connections stays short whatever they send.
            self.queue(key);
        }
        !more
    }

    /// Evicts connections until the requests of each size class are within their limit.
    fn bound_memory(&mut self, newcomer: Key) {
        if !self.budget.is_near_limit() {
            return;
        }
        for class in SizeClass::ALL {
            while let Some(key) = budget::over_budget(class, &self.connections, newcomer) {
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
            Reaction::Receive(receive) => self.receive_elsewhere(key, in_flight, receive),
            Reaction::Deferred(take_responder) => {
                take_responder(self.mailbox.responder(key));
                Some(None)
            }
        };
        let Some(ticket) = queued else { return self.respond_busy(key, in_flight, now) };
        if let Some(connection) = self.connections.get_mut(key) {
            connection.run(in_flight, ticket, now);
            self.deadlines.note(connection.deadline());
        }
    }

    /// Lets a thread read the body of the current request. None if no thread or file descriptor is free.
    fn receive_elsewhere(
        &mut self,
        key: Key,
        in_flight: InFlight,
        receive: Box<dyn FnOnce(ArrivingBody) -> Response + Send>,
    ) -> Option<Option<Ticket>> {
        let connection = self.connections.get_mut(key)?;
        let held_before = connection.held();
        let body = connection.take_body(in_flight.framing).ok()?;
        self.budget.account(held_before, connection.held());
        self.lanes.transfers.queue(Box::new(move || receive(body)), self.mailbox.responder(key)).map(Some)
    }

    /// Answers a request that was handed to another thread. Its client may be gone.
    pub(super) fn answer(&mut self, key: Key, response: Response, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let in_flight = match connection.phase {
            Phase::Running { in_flight, .. } => in_flight,
            // The file is sent.
            Phase::Sending(_) => return self.close(key),
            _ => return,
        };
        self.respond(key, in_flight, response, now);
        self.drive(key, now);
    }

    /// Answers a request for which no thread was free in time.
    pub(super) fn respond_busy(&mut self, key: Key, in_flight: InFlight, now: Instant) {
        let response = self.report_refused(key, true, busy());
        self.respond(key, in_flight, response, now);
    }

    /// Tells the service that the current request is refused; returns the response in the form of its path.
    fn report_refused(&mut self, key: Key, accepted: bool, response: Response) -> Response {
        let outline = self.connections.get_mut(key).and_then(|connection| connection.outline());
        let Some((method, path, body)) = outline else { return response };
        self.service.refused(Refused { method, path, body, accepted, response: &response });
        self.service.refusal_form(path, response)
    }

    /// Queues the response for the client, and drops the request.
    fn respond(&mut self, key: Key, in_flight: InFlight, response: Response, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        self.traffic.answered(in_flight.route, response.status);
        let held_before = connection.held();
        if in_flight.streamed {
            connection.linger_after_answer();
        } else {
            connection.finish_request(in_flight.framing);
        }
        self.budget.account(held_before, connection.held());
        if self.deadlines.is_stopping() {
            connection.close_after_answer();
        }
        if let Some(tail) = response.tail.clone().filter(|_| !in_flight.without_body) {
            connection.follow_with(tail);
        }
        let (encoder, closes) = (&mut self.encoder, connection.closes());
        connection.send_with(now, |outgoing| encoder.encode(&response, closes, in_flight.without_body, outgoing));
    }

    /// Queues a refusal for the client, and drops what it has sent.
    pub(super) fn refuse(&mut self, key: Key, refusal: Refusal, now: Instant) {
        let response = self.report_refused(key, false, Response::refusal(refusal));
        let Some(connection) = self.connections.get_mut(key) else { return };
        let held_before = connection.held();
        connection.linger_after_answer();
        self.budget.account(held_before, connection.held());
        self.traffic.answered(UNKNOWN_ROUTE, response.status);
        let encoder = &mut self.encoder;
        connection.send_with(now, |outgoing| encoder.encode(&response, true, false, outgoing));
    }

    /// Writes; false if the connection was closed or must wait for the socket.
    fn write(&mut self, key: Key, now: Instant) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return false };
        let Ok(is_done) = connection.write(now) else {
            self.close(key);
            return false;
        };
        if is_done && let Some(tail) = connection.take_tail() {
            self.send_tail(key, tail, now);
            return false;
        }
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

    /// Lets a thread send the file that follows a written head.
    fn send_tail(&mut self, key: Key, tail: Arc<Tail>, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let ticket = connection.stream().try_clone().ok().and_then(|stream| {
            // The front does not send this response: it closes the connection.
            let send = move || {
                tail.send_to(&stream);
                Response::text(200, JSON, String::new())
            };
            self.lanes.transfers.queue(Box::new(send), self.mailbox.responder(key))
        });
        let Some(ticket) = ticket else { return self.close(key) };
        connection.let_send(ticket, now);
        self.deadlines.note(connection.deadline());
        self.watch(key, Interest::Input);
    }

    /// Registers the connection for at least these events.
    fn watch(&mut self, key: Key, wanted: Interest) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if self.poller.watch(key, connection, wanted).is_err() {
            self.close(key);
        }
    }
}
