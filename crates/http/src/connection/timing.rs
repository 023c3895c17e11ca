//! The timeouts of a connection.

use std::time::Instant;

use crate::limits::{IDLE_TIME, LANE_TIME, LINGER_TIME, REQUEST_TIME, WRITE_TIME};

/// The deadlines and the last activity of one connection.
#[derive(Debug)]
pub(super) struct Timing {
    /// When the current phase times out.
    deadline: Instant,
    /// When the arriving request must be complete.
    request_ends: Instant,
    /// When bytes were last read or written.
    last_activity: Instant,
}

impl Timing {
    /// For a connection accepted at `now`, when the time of its first request starts.
    pub(super) fn new(now: Instant) -> Self {
        let request_ends = now + REQUEST_TIME;
        Self { deadline: request_ends, request_ends, last_activity: now }
    }

    /// When the current phase times out.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// When bytes were last read or written.
    pub(super) fn last_activity(&self) -> Instant {
        self.last_activity
    }

    /// Bytes were read or written.
    pub(super) fn moved(&mut self, now: Instant) {
        self.last_activity = now;
    }

    /// The first bytes of a request have arrived.
    pub(super) fn begin_request(&mut self, now: Instant) {
        self.request_ends = now + REQUEST_TIME;
        self.deadline = self.request_ends;
    }

    /// The client was sent `100 Continue`. The request keeps its original deadline.
    pub(super) fn resume_request(&mut self) {
        self.deadline = self.request_ends;
    }

    /// Starts the wait for the next request.
    pub(super) fn idle(&mut self, now: Instant) {
        self.request_ends = now + IDLE_TIME;
        self.deadline = self.request_ends;
    }

    /// Starts the wait for a handler.
    pub(super) fn run(&mut self, now: Instant) {
        self.deadline = now + LANE_TIME;
    }

    /// Starts the time that the client has to read its response.
    pub(super) fn write(&mut self, now: Instant) {
        self.deadline = now + WRITE_TIME;
    }

    /// Starts the time that the client has to close the connection.
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
    fn a_request_is_timed_from_its_first_byte_even_if_100_continue_is_sent_meanwhile() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timing = Timing::new(at(0));
        assert_eq!(timing.deadline(), at(0) + REQUEST_TIME);
        timing.begin_request(at(3));
        timing.write(at(8));
        assert_eq!(timing.deadline(), at(8) + WRITE_TIME);
        timing.resume_request();
        assert_eq!(timing.deadline(), at(3) + REQUEST_TIME);
        timing.run(at(4));
        assert_eq!(timing.deadline(), at(4) + LANE_TIME);
        timing.idle(at(5));
        assert_eq!(timing.deadline(), at(5) + IDLE_TIME);
        timing.linger(at(6));
        assert_eq!((timing.deadline(), timing.last_activity()), (at(6) + LINGER_TIME, at(0)));
        timing.moved(at(7));
        assert_eq!(timing.last_activity(), at(7));
    }
}
