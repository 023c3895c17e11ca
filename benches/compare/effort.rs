//! The duration and number of measurements.

use std::fmt;

pub(crate) struct Effort {
    /// Number of interleaved rounds; results are medians over them.
    pub(crate) rounds: u32,
    /// Length of one wrk run.
    pub(crate) seconds: u32,
    /// Length of one run at a fixed rate.
    pub(crate) steady_seconds: u32,
    pub(crate) idle_seconds: u32,
    /// Number of starts to measure the startup time.
    pub(crate) starts: u32,
    /// Number of pairs of an open and a signed request.
    pub(crate) signed_pairs: u32,
}

impl Effort {
    pub(crate) fn full() -> Self {
        let mut effort =
            Effort { rounds: 0, seconds: 3, steady_seconds: 0, idle_seconds: 30, starts: 21, signed_pairs: 30_000 };
        effort.set_rounds(5);
        effort
    }

    pub(crate) fn quick() -> Self {
        Effort { rounds: 1, seconds: 1, steady_seconds: 1, idle_seconds: 1, starts: 3, signed_pairs: 2_000 }
    }

    /// Sets the number of rounds. The runs at a fixed rate take at least 30 seconds in total.
    pub(crate) fn set_rounds(&mut self, rounds: u32) {
        self.rounds = rounds;
        self.steady_seconds = 30_u32.div_ceil(rounds).max(2);
    }
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} round(s), {} s per wrk run, {} s total at 1,000 req/s, {} s idle, {} starts, {} signed requests",
            self.rounds,
            self.seconds,
            self.rounds * self.steady_seconds,
            self.idle_seconds,
            self.starts,
            self.signed_pairs,
        )
    }
}
