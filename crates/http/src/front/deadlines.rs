//! The next deadline of any connection, and the deadline of a shutdown.

use std::time::{Duration, Instant};

use rustix::event::Timespec;

use crate::limits::STOP_TIME;

/// The deadlines of the front.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// No connection has a deadline before this.
    next: Option<Instant>,
    /// When a shutdown must end; none while serving.
    ends_at: Option<Instant>,
}

impl Deadlines {
    /// Records the deadline of a connection.
    pub(super) fn note(&mut self, deadline: Instant) {
        self.next = Some(self.next.map_or(deadline, |next| next.min(deadline)));
    }

    /// Sets the earliest deadline of all connections.
    pub(super) fn set(&mut self, earliest: Option<Instant>) {
        self.next = earliest;
    }

    /// Whether a connection's deadline may have passed.
    pub(super) fn may_be_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|at| at <= now)
    }

    /// Starts the shutdown, which ends with the last client or after [`STOP_TIME`].
    pub(super) fn stop(&mut self, now: Instant) {
        self.ends_at = Some(now + STOP_TIME);
    }

    /// Whether a shutdown has started.
    pub(super) fn is_stopping(&self) -> bool {
        self.ends_at.is_some()
    }

    /// Whether the shutdown is complete.
    pub(super) fn has_ended(&self, has_clients: bool, now: Instant) -> bool {
        self.ends_at.is_some_and(|at| now >= at || !has_clients)
    }

    /// The earliest deadline, including `other`.
    pub(super) fn next(&self, other: Option<Instant>) -> Option<Instant> {
        [self.next, other, self.ends_at].into_iter().flatten().min()
    }
}

/// The epoll timeout until `next`.
pub(super) fn wait(next: Instant, now: Instant) -> Option<Timespec> {
    // One millisecond late rather than early: an early wake-up would find nothing to do and have to repeat.
    let wait = next.saturating_duration_since(now) + Duration::from_millis(u64::from(next > now));
    Timespec::try_from(wait).ok()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the instants are the tests' own")]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_deadline_is_next() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deadlines = Deadlines::default();
        assert_eq!((deadlines.next(None), deadlines.next(Some(at(9)))), (None, Some(at(9))));
        deadlines.note(at(5));
        deadlines.note(at(7));
        assert_eq!((deadlines.next(None), deadlines.next(Some(at(3)))), (Some(at(5)), Some(at(3))));
        assert!(!deadlines.may_be_due(at(4)) && deadlines.may_be_due(at(5)));
        deadlines.set(None);
        assert!(!deadlines.may_be_due(at(5)));
    }

    #[test]
    fn a_shutdown_ends_with_the_last_client_or_after_the_stop_time() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        assert!(!deadlines.is_stopping() && !deadlines.has_ended(false, start + STOP_TIME));
        deadlines.stop(start);
        assert!(deadlines.is_stopping() && deadlines.next(None) == Some(start + STOP_TIME));
        assert!(!deadlines.has_ended(true, start) && deadlines.has_ended(false, start));
        assert!(deadlines.has_ended(true, start + STOP_TIME));
    }

    #[test]
    fn the_timeout_never_ends_before_the_deadline() {
        let now = Instant::now();
        let waits = |wait_for| wait(now + Duration::from_nanos(wait_for), now).unwrap();
        assert_eq!((waits(0).tv_sec, waits(0).tv_nsec), (0, 0));
        assert_eq!((waits(1).tv_sec, waits(1).tv_nsec), (0, 1_000_001));
        assert_eq!((waits(2_500_000_000).tv_sec, waits(2_500_000_000).tv_nsec), (2, 501_000_000));
    }
}
