//! How far a copy is.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far a copy is, for those who watch it.
#[derive(Debug, Default)]
pub struct Counter {
    done: AtomicU64,
    expected: AtomicU64,
}

impl Counter {
    /// How many percent of the work are done; nothing as long as its size is not known.
    pub fn percent(&self) -> Option<u64> {
        let done = self.done.load(Ordering::Relaxed);
        done.saturating_mul(100).checked_div(self.expected.load(Ordering::Relaxed)).map(|percent| percent.min(100))
    }

    /// Expects these rows, each of which is written and then read.
    pub(super) fn expect(&self, rows: u64) {
        self.expected.fetch_add(rows.saturating_mul(2), Ordering::Relaxed);
    }

    /// Counts rows that were written or read.
    pub(super) fn add(&self, rows: usize) {
        self.done.fetch_add(u64::try_from(rows).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_counts_twice() {
        let counter = Counter::default();
        assert_eq!(counter.percent(), None);
        counter.expect(3);
        counter.expect(1);
        assert_eq!(counter.percent(), Some(0));
        counter.add(4);
        assert_eq!(counter.percent(), Some(50));
        counter.add(5);
        assert_eq!(counter.percent(), Some(100));
    }
}
