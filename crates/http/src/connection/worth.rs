//! Which connection goes first when there are too many.

use std::time::Instant;

/// How soon a connection is given up when there are too many, smallest first: those that are being refused, then whichever
/// has waited longest for bytes to move.
///
/// Idle ones do not go before half-sent ones: among a crowd that has sent one byte each, the idle ones are the honest
/// clients that have just come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Worth {
    /// Its request was refused; bytes last moved then.
    Refused(Instant),
    /// It is in use; bytes last moved then.
    InUse(Instant),
}

impl Worth {
    /// When bytes last moved.
    pub(crate) fn moved_at(self) -> Instant {
        let (Self::Refused(moved_at) | Self::InUse(moved_at)) = self;
        moved_at
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the instants are the test's own")]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_refused_goes_before_what_has_waited_longer() {
        let early = Instant::now();
        let late = early + Duration::from_secs(1);
        let in_order = [Worth::Refused(early), Worth::Refused(late), Worth::InUse(early), Worth::InUse(late)];
        assert!(in_order.is_sorted());
    }
}
