//! When to write the cache file: at once after a change, and periodically during grace, when machine time counts.

use std::time::Duration;

use opterius_base::clock::Now;

/// How often to store the machine time during grace, and the wait after a failed write.
pub(super) const INTERVAL: Duration = Duration::from_secs(600);

/// Whether the cache file is up to date.
#[derive(Debug)]
pub(super) struct WriteBack {
    is_dirty: bool,
    tried_at: Duration,
}

impl WriteBack {
    /// The file is up to date.
    pub(super) fn new(now: Now) -> Self {
        Self { is_dirty: false, tried_at: now.boot }
    }

    /// Notes a change that the file does not have yet.
    pub(super) fn mark_dirty(&mut self) {
        self.is_dirty = true;
    }

    /// Whether the file lacks a change.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Whether to write now: a failed write is retried, and during grace the machine time used must be stored.
    pub(super) fn is_due(&self, in_grace: bool, now: Now) -> bool {
        (in_grace || self.is_dirty) && now.boot.saturating_sub(self.tried_at) >= INTERVAL
    }

    /// Notes a successful or failed write.
    pub(super) fn note_attempt(&mut self, is_written: bool, now: Now) {
        *self = Self { is_dirty: !is_written, tried_at: now.boot };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_base::clock::Timestamp;

    fn at(boot: u64) -> Now {
        Now { wall: Timestamp::from_unix(0), boot: Duration::from_secs(boot) }
    }

    #[test]
    fn a_file_is_rewritten_ten_minutes_after_the_last_attempt_if_there_is_a_reason() {
        let mut write_back = WriteBack::new(at(100));
        assert!(!write_back.is_due(false, at(10_000)), "no change");
        assert!(!write_back.is_due(true, at(699)) && write_back.is_due(true, at(700)), "machine time counts in grace");

        write_back.mark_dirty();
        assert!(write_back.is_dirty() && !write_back.is_due(false, at(699)) && write_back.is_due(false, at(700)));
        write_back.note_attempt(false, at(700));
        assert!(write_back.is_dirty() && !write_back.is_due(false, at(1299)) && write_back.is_due(false, at(1300)));
        write_back.note_attempt(true, at(1300));
        assert!(!write_back.is_dirty() && !write_back.is_due(false, at(10_000)));
    }
}
