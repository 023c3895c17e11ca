//! A rate limit for log lines that clients can trigger.

use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Allows `limit` lines per minute; the first line of the next minute reports how many were suppressed.
#[derive(Debug)]
pub struct LogLimiter {
    limit: u32,
    since: Option<Instant>,
    lines: u32,
}

impl LogLimiter {
    /// A limiter that allows `limit` lines per minute.
    pub fn new(limit: u32) -> Self {
        Self { limit, since: None, lines: 0 }
    }

    /// Counts one line. Returns the text to append to it, or `None` to suppress it.
    pub fn note(&mut self, now: Instant) -> Option<String> {
        let suppressed = self.lines.saturating_sub(self.limit);
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= MINUTE) {
            self.since = Some(now);
            self.lines = 1;
            return Some(if suppressed == 0 {
                String::new()
            } else {
                format!(" ({suppressed} similar lines suppressed)")
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
    fn lines_beyond_the_limit_are_counted_and_reported_in_the_next_minute() {
        let start = SystemClock.monotonic();
        let mut limiter = LogLimiter::new(2);
        let logged: Vec<bool> =
            (0..5).map(|second| limiter.note(start + Duration::from_secs(second)).is_some()).collect();
        assert_eq!(logged, [true, true, false, false, false]);
        assert_eq!(limiter.note(start + MINUTE).unwrap(), " (3 similar lines suppressed)");
        assert_eq!(limiter.note(start + MINUTE * 3).unwrap(), "");
    }
}
