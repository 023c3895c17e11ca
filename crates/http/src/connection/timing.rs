//! How long a connection may take for what it does.

use std::time::Instant;

use crate::limits::{IDLE_TIME, LANE_TIME, LINGER_TIME, REQUEST_TIME, WRITE_TIME};

/// The times of one connection.
#[derive(Debug)]
pub(super) struct Timing {
    /// When what it waits for takes too long.
    deadline: Instant,
    /// When the request that is arriving must be whole.
    request_ends: Instant,
    /// When bytes last moved.
    moved_at: Instant,
}

impl Timing {
    /// Of a connection that was just accepted: its first request has its time from now on.
    pub(super) fn new(now: Instant) -> Self {
        let request_ends = now + REQUEST_TIME;
        Self { deadline: request_ends, request_ends, moved_at: now }
    }

    /// When what it waits for takes too long.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// When bytes last moved.
    pub(super) fn moved_at(&self) -> Instant {
        self.moved_at
    }

    /// Bytes have moved.
    pub(super) fn moved(&mut self, now: Instant) {
        self.moved_at = now;
    }

    /// The first bytes of a request have arrived.
    pub(super) fn begin_request(&mut self, now: Instant) {
        self.request_ends = now + REQUEST_TIME;
        self.deadline = self.request_ends;
    }

    /// The client was told to go on with its request: the request's own time runs on.
    pub(super) fn go_on_with_request(&mut self) {
        self.deadline = self.request_ends;
    }

    /// The connection waits for the next request.
    pub(super) fn idle(&mut self, now: Instant) {
        self.request_ends = now + IDLE_TIME;
        self.deadline = self.request_ends;
    }

    /// The request waits for a handler, or for the handler's own limit.
    pub(super) fn run(&mut self, now: Instant) {
        self.deadline = now + LANE_TIME;
    }

    /// The client has this long to take its answer.
    pub(super) fn write(&mut self, now: Instant) {
        self.deadline = now + WRITE_TIME;
    }

    /// The client has this long to close.
    pub(super) fn linger(&mut self, now: Instant) {
        self.deadline = now + LINGER_TIME;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the instants are the test's own")]
    fn a_request_has_its_time_from_its_first_byte_whatever_is_said_meanwhile() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timing = Timing::new(at(0));
        assert_eq!(timing.deadline(), at(0) + REQUEST_TIME);
        timing.begin_request(at(3));
        timing.write(at(8));
        assert_eq!(timing.deadline(), at(8) + WRITE_TIME);
        timing.go_on_with_request();
        assert_eq!(timing.deadline(), at(3) + REQUEST_TIME);
        timing.run(at(4));
        assert_eq!(timing.deadline(), at(4) + LANE_TIME);
        timing.idle(at(5));
        assert_eq!(timing.deadline(), at(5) + IDLE_TIME);
        timing.linger(at(6));
        assert_eq!((timing.deadline(), timing.moved_at()), (at(6) + LINGER_TIME, at(0)));
        timing.moved(at(7));
        assert_eq!(timing.moved_at(), at(7));
    }
}
