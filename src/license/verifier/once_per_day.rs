//! Limits warnings that keep being true: each kind is logged when it first appears, and then at most once a day.

use std::time::Duration;

use opterius_base::clock::Now;
use opterius_license::schedule;

/// When each kind of warning was last logged, on the boot clock.
#[derive(Debug, Default)]
pub(super) struct OncePerDay(Vec<(&'static str, Duration)>);

impl OncePerDay {
    /// Whether to log a warning of this kind now; the caller logs it if so.
    pub(super) fn is_due(&mut self, kind: &'static str, now: Now) -> bool {
        if let Some((_, logged_at)) = self.0.iter_mut().find(|(known, _)| *known == kind) {
            let is_due = now.boot.saturating_sub(*logged_at) >= schedule::INTERVAL;
            if is_due {
                *logged_at = now.boot;
            }
            return is_due;
        }
        self.0.push((kind, now.boot));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_base::clock::Timestamp;

    #[test]
    fn each_kind_is_due_at_once_and_then_once_a_day() {
        let at = |boot| Now { wall: Timestamp::from_unix(0), boot: Duration::from_secs(boot) };
        let mut warned = OncePerDay::default();
        let table = [
            ("key", 0, true),
            ("key", 0, false),
            ("accounts", 5, true),
            ("key", 86_399, false),
            ("key", 86_400, true),
            ("accounts", 86_404, false),
            ("accounts", 86_405, true),
            ("key", 172_799, false),
            ("key", 400_000, true),
        ];
        for (kind, boot, expected) in table {
            assert_eq!(warned.is_due(kind, at(boot)), expected, "{kind} {boot}");
        }
    }
}
