//! When the cache file is written: at once when what it is for has changed, and now and then while machine time counts.

use std::time::Duration;

use opterius_base::clock::Now;

/// How often the machine time used is written down during grace, and how soon a write that failed is tried again.
pub(super) const INTERVAL: Duration = Duration::from_secs(600);

/// How far the file is behind what is known.
#[derive(Debug)]
pub(super) struct WriteBack {
    is_dirty: bool,
    tried_at: Duration,
}

impl WriteBack {
    /// The file is not behind.
    pub(super) fn new(now: Now) -> Self {
        Self { is_dirty: false, tried_at: now.boot }
    }

    /// Something is known that the file does not say.
    pub(super) fn mark_dirty(&mut self) {
        self.is_dirty = true;
    }

    /// Whether something is known that the file does not say.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Whether time alone is a reason to write. During grace it always is one: the machine time used counts.
    pub(super) fn is_due(&self, in_grace: bool, now: Now) -> bool {
        (in_grace || self.is_dirty) && now.boot.saturating_sub(self.tried_at) >= INTERVAL
    }

    /// The file was written, or could not be.
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
    fn a_file_is_written_again_ten_minutes_after_the_last_try_if_there_is_a_reason() {
        let mut write_back = WriteBack::new(at(100));
        assert!(!write_back.is_due(false, at(10_000)), "nothing is new");
        assert!(!write_back.is_due(true, at(699)) && write_back.is_due(true, at(700)), "machine time counts in grace");

        write_back.mark_dirty();
        assert!(write_back.is_dirty() && !write_back.is_due(false, at(699)) && write_back.is_due(false, at(700)));
        write_back.note_attempt(false, at(700));
        assert!(write_back.is_dirty() && !write_back.is_due(false, at(1299)) && write_back.is_due(false, at(1300)));
        write_back.note_attempt(true, at(1300));
        assert!(!write_back.is_dirty() && !write_back.is_due(false, at(10_000)));
    }
}
