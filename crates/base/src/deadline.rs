//! The deadline of an operation, passed down through all of its steps.

use std::time::{Duration, Instant};

use crate::clock::{Clock, SystemClock};

/// The instant by which an operation must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline `time` from now.
    pub fn within(time: Duration) -> Self {
        Self(SystemClock.monotonic() + time)
    }

    /// The remaining time; zero once the deadline has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(SystemClock.monotonic())
    }

    /// Whether the deadline has passed.
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// This deadline, or `time` from now, whichever comes first.
    #[must_use]
    pub fn sooner(self, time: Duration) -> Self {
        self.min(Self::within(time))
    }
}
