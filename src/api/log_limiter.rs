//! Log lines that a client can cause, held to a few a minute.

use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// One place that logs: at most `limit` lines a minute, and the first of the next minute says how many were left out.
#[derive(Debug)]
pub struct LogLimiter {
    limit: u32,
    since: Option<Instant>,
    lines: u32,
}

impl LogLimiter {
    /// A place that may log `limit` lines a minute.
    pub fn new(limit: u32) -> Self {
        Self { limit, since: None, lines: 0 }
    }

    /// Notes one occasion. What comes back is the end of the line to log; none means not to log.
    pub fn note(&mut self, now: Instant) -> Option<String> {
        let left_out = self.lines.saturating_sub(self.limit);
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= MINUTE) {
            self.since = Some(now);
            self.lines = 1;
            return Some(if left_out == 0 {
                String::new()
            } else {
                format!(" ({left_out} more like it since the last line)")
            });
        }
        self.lines = self.lines.saturating_add(1);
        (self.lines <= self.limit).then(String::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_base::clock::{Clock, SystemClock};

    #[test]
    fn lines_beyond_the_limit_are_counted_and_told_in_the_next_minute() {
        let start = SystemClock.monotonic();
        let mut place = LogLimiter::new(2);
        let logged: Vec<bool> =
            (0..5).map(|second| place.note(start + Duration::from_secs(second)).is_some()).collect();
        assert_eq!(logged, [true, true, false, false, false]);
        assert_eq!(place.note(start + MINUTE).unwrap(), " (3 more like it since the last line)");
        assert_eq!(place.note(start + MINUTE * 3).unwrap(), "");
    }
}
