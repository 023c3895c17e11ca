//! By when an operation must have ended, handed down through everything that it does.

use std::time::{Duration, Instant};

use crate::clock::{Clock, SystemClock};

/// An instant by which something must have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// This long from now.
    pub fn within(time: Duration) -> Self {
        Self(SystemClock.monotonic() + time)
    }

    /// The time that is left; zero when it is over.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(SystemClock.monotonic())
    }

    /// Whether it is over.
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// This deadline, or this long from now, whichever comes first.
    #[must_use]
    pub fn sooner(self, time: Duration) -> Self {
        self.min(Self::within(time))
    }
}
