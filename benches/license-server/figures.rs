//! What was measured, round by round.

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
    pub(crate) alone: Vec<f64>,
}

/// The cases of one round, each with both databases.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) cases: Vec<[Option<Case>; 2]>,
}

/// What was measured in one run.
pub(crate) struct Case {
    /// Verifications a second.
    pub(crate) rate: f64,
    /// In milliseconds.
    pub(crate) p50: f64,
    /// In milliseconds.
    pub(crate) p99: f64,
    pub(crate) changes_per_commit: f64,
    /// Seconds of processor time of the server for 1,000 verifications.
    pub(crate) cpu: f64,
}

impl Figures {
    /// The median over the rounds of what `figure` takes from a case of one database.
    pub(crate) fn median(&self, case: usize, size: usize, figure: impl Fn(&Case) -> f64) -> f64 {
        let values = self.rounds.iter().filter_map(|round| round.cases[case][size].as_ref());
        median(&values.map(figure).collect::<Vec<_>>())
    }

    /// The median of the rounds' own ratios: what disturbs a round disturbs both of its parts.
    pub(crate) fn p99_ratio(&self, case: usize) -> f64 {
        let ratio = |round: &Round| match &round.cases[case] {
            [Some(small), Some(large)] => large.p99 / small.p99,
            _ => f64::NAN,
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
