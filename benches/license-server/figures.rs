//! What was measured, round by round.

use std::time::Duration;

#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) rounds: Vec<Round>,
    /// Of the server over each database after a whole round, in MiB.
    pub(crate) pss: [Vec<f64>; 2],
    /// Its write-ahead log then, in MB.
    pub(crate) log: [Vec<f64>; 2],
    /// Synchronised writes of 4 KiB a second.
    pub(crate) disk: Vec<f64>,
    /// Verifications a second with a commit for each.
    pub(crate) single_commits: Vec<f64>,
}

/// The cases of one round, each with both databases.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) cases: Vec<[Case; 2]>,
}

/// What was measured of one case with one database, over all its turns of a round.
#[derive(Default)]
pub(crate) struct Case {
    /// Of each verification, in microseconds.
    pub(crate) latencies: Vec<u32>,
    /// In which those were answered.
    pub(crate) took: Duration,
    /// All verifications, with those of warming up; so count the others below.
    pub(crate) answered: u32,
    pub(crate) commits: f64,
    pub(crate) changes: f64,
    /// The server's time on a processor.
    pub(crate) cpu: Duration,
}

impl Case {
    pub(crate) fn sort(&mut self) {
        self.latencies.sort_unstable();
    }

    /// Verifications a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// In milliseconds, of sorted latencies.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).map_or(f64::NAN, |latency| f64::from(*latency) / 1000.0)
    }

    /// Seconds of the server's processor time for 1,000 verifications.
    pub(crate) fn cpu_of_a_thousand(&self) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / f64::from(self.answered)
    }
}

impl Figures {
    /// The median over the rounds of what `figure` takes from a case of one database.
    pub(crate) fn median(&self, case: usize, size: usize, figure: impl Fn(&Case) -> f64) -> f64 {
        let values = self.rounds.iter().map(|round| figure(&round.cases[case][size]));
        median(&values.collect::<Vec<_>>())
    }

    /// The median of the rounds' own ratios: what disturbs a round disturbs both of its parts.
    pub(crate) fn p99_ratio(&self, case: usize) -> f64 {
        let ratio = |round: &Round| {
            let [small, large] = &round.cases[case];
            large.percentile(99) / small.percentile(99)
        };
        median(&self.rounds.iter().map(ratio).collect::<Vec<_>>())
    }
}

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}
