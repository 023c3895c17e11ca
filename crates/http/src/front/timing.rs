//! Timeouts of connections, and the start of a shutdown.

use std::time::Instant;

use super::Front;
use crate::connection::{Connection, Phase};
use crate::head::Refusal;
use crate::slab::Key;

impl Front {
    pub(super) fn on_time(&mut self, now: Instant) {
        self.acceptor.on_time(&self.poller, now);
        if !self.deadlines.may_be_due(now) {
            return;
        }
        let late = self.connections.iter().filter(|(_, connection)| connection.deadline() <= now);
        let late: Vec<Key> = late.map(|(key, _)| key).collect();
        for key in late {
            self.on_late(key, now);
        }
        self.deadlines.set(self.connections.iter().map(|(_, connection)| connection.deadline()).min());
    }

    fn on_late(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match &connection.phase {
            Phase::Reading if connection.has_begun() => {
                self.refuse(key, Refusal::TooSlow, now);
                self.drive(key, now);
            }
            Phase::Reading | Phase::Writing | Phase::Lingering(_) => self.close(key),
            Phase::Running { ticket: Some(ticket), in_flight } if ticket.give_up() => {
                let in_flight = *in_flight;
                self.respond_busy(key, in_flight, now);
                self.drive(key, now);
            }
            Phase::Sending(ticket) if ticket.give_up() => self.close(key),
            // The handler is running and has its own time limit.
            Phase::Running { .. } | Phase::Sending(_) => connection.extend_run(now),
        }
    }

    pub(super) fn begin_to_stop(&mut self, now: Instant) {
        self.deadlines.stop(now);
        self.acceptor.close();
        let waiting = |(key, connection): (Key, &Connection)| matches!(connection.phase, Phase::Reading).then_some(key);
        let waiting: Vec<Key> = self.connections.iter().filter_map(waiting).collect();
        for key in waiting {
            self.close(key);
        }
    }
}
