//! What happens when time runs out, for one connection or for all of them.

use std::time::Instant;

use super::Front;
use crate::connection::{Connection, Phase};
use crate::head::Refusal;
use crate::lane::busy;
use crate::limits::{LANE_TIME, STOP_TIME};
use crate::slab::Key;

impl Front {
    pub(super) fn note_deadline(&mut self, deadline: Instant) {
        self.next_deadline = Some(self.next_deadline.map_or(deadline, |next| next.min(deadline)));
    }

    pub(super) fn on_time(&mut self, now: Instant) {
        if self.resume_accepting.is_some_and(|at| at <= now) {
            self.resume_accepting();
        }
        if self.next_deadline.is_none_or(|at| at > now) {
            return;
        }
        let late: Vec<Key> =
            self.connections.iter().filter(|(_, connection)| connection.deadline <= now).map(|(key, _)| key).collect();
        for key in late {
            self.on_late(key, now);
        }
        self.next_deadline = self.connections.iter().map(|(_, connection)| connection.deadline).min();
    }

    fn on_late(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match &connection.phase {
            Phase::Reading if connection.has_begun() => {
                self.refuse(key, Refusal::TooSlow, now);
                self.drive(key, now);
            }
            Phase::Reading | Phase::Writing | Phase::Lingering(_) => self.close(key),
            Phase::Running { ticket: Some(ticket), .. } if ticket.give_up() => self.answer(key, busy(), now),
            // It is being run, and its handler has a time limit of its own.
            Phase::Running { .. } => connection.deadline = now + LANE_TIME,
        }
    }

    pub(super) fn begin_to_stop(&mut self, now: Instant) {
        self.ends_at = Some(now + STOP_TIME);
        // Closed at once: the next client is refused by the kernel and not left waiting.
        self.listener = None;
        let waiting = |(key, connection): (Key, &Connection)| matches!(connection.phase, Phase::Reading).then_some(key);
        let waiting: Vec<Key> = self.connections.iter().filter_map(waiting).collect();
        for key in waiting {
            self.close(key);
        }
    }

    pub(super) fn has_ended(&self, now: Instant) -> bool {
        self.ends_at.is_some_and(|at| now >= at || self.connections.is_empty())
    }
}
