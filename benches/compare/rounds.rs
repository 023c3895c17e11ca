//! Interleaving: each round measures every server once, starting with a different one.

/// One series of values per server, in the order of `servers::Trio`.
pub(crate) struct Series([Vec<f64>; 3]);

impl Series {
    pub(crate) fn new() -> Self {
        Series([const { Vec::new() }; 3])
    }

    pub(crate) fn push(&mut self, server: usize, value: f64) {
        self.0[server].push(value);
    }

    pub(crate) fn medians(&self) -> [f64; 3] {
        self.0.each_ref().map(|values| median(values))
    }
}

/// The order of the servers in a round.
pub(crate) fn order(round: u32) -> impl Iterator<Item = usize> {
    (round..round + 3).map(|index| index as usize % 3)
}

/// The median: the middle value, or the mean of the two middle values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}
