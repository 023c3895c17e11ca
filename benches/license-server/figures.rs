//! The results of all rounds.

use std::time::Duration;

#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) rounds: Vec<Round>,
    /// The PSS of the server with each database after a round, in MiB.
    pub(crate) pss: [Vec<f64>; 2],
    /// The size of its write-ahead log, in MB.
    pub(crate) log: [Vec<f64>; 2],
    /// Synchronized writes of 4 KiB per second.
    pub(crate) disk: Vec<f64>,
    /// Verifications per second with one commit each.
    pub(crate) single_commits: Vec<f64>,
}

/// The cases of a round, each with both databases.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) cases: Vec<[Case; 2]>,
}

/// The results of a case with one database, over all its turns in a round.
#[derive(Default)]
pub(crate) struct Case {
    /// The latency of each verification, in microseconds.
    pub(crate) latencies: Vec<u32>,
    /// The time in which those were answered.
    pub(crate) duration: Duration,
    /// All verifications including the warm-up, like the members below.
    pub(crate) answered: u32,
    pub(crate) commits: f64,
    pub(crate) changes: f64,
    /// The CPU time of the server.
    pub(crate) cpu: Duration,
}

impl Case {
    pub(crate) fn sort(&mut self) {
        self.latencies.sort_unstable();
    }

    /// Verifications per second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.duration.as_secs_f64()
    }

    /// A percentile in milliseconds; the latencies must be sorted.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).map_or(f64::NAN, |latency| f64::from(*latency) / 1000.0)
    }

    /// The CPU time of the server for 1,000 verifications, in seconds.
    pub(crate) fn cpu_per_thousand(&self) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / f64::from(self.answered)
    }
}

impl Figures {
    /// The median of `figure` over the rounds, for a case with one database.
    pub(crate) fn median(&self, case: usize, size: usize, figure: impl Fn(&Case) -> f64) -> f64 {
        let values = self.rounds.iter().map(|round| figure(&round.cases[case][size]));
        median(&values.collect::<Vec<_>>())
    }

    /// The median of the ratios of each round, because a disturbance affects both databases in a round.
    pub(crate) fn p99_ratio(&self, case: usize) -> f64 {
        let ratio = |round: &Round| {
            let [small, large] = &round.cases[case];
            large.percentile(99) / small.percentile(99)
        };
        median(&self.rounds.iter().map(ratio).collect::<Vec<_>>())
    }
}

/// The middle value, or the mean of the two middle values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}
