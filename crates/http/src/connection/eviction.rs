//! The order in which connections are evicted when there are too many.

use std::time::Instant;

/// Rank of a connection, smallest evicted first: refused connections, then those without activity for the longest time.
///
/// Idle connections do not rank before half-sent requests: in an attack by clients that send one byte each, the idle
/// connections are the honest clients that have just connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EvictionOrder {
    /// Its request was refused. Holds the time of its last activity.
    Refused(Instant),
    /// It is in use. Holds the time of its last activity.
    InUse(Instant),
}

impl EvictionOrder {
    /// When bytes were last read or written.
    pub(crate) fn last_activity(self) -> Instant {
        let (Self::Refused(last_activity) | Self::InUse(last_activity)) = self;
        last_activity
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the instants are the test's own")]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn refused_connections_are_evicted_before_those_that_are_inactive_for_longer() {
        let early = Instant::now();
        let late = early + Duration::from_secs(1);
        let in_order = [
            EvictionOrder::Refused(early),
            EvictionOrder::Refused(late),
            EvictionOrder::InUse(early),
            EvictionOrder::InUse(late),
        ];
        assert!(in_order.is_sorted());
    }
}
