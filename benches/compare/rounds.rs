//! Interleaving: each round takes every server once, and each round begins with another one.

/// One measured series for each server, in the order of `servers::Trio`.
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

/// The servers of one round: all three, from another one on each time.
pub(crate) fn order(round: u32) -> impl Iterator<Item = usize> {
    (round..round + 3).map(|place| place as usize % 3)
}

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}
