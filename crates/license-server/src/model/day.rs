//! Days in UTC.

use std::fmt;

use opterius_base::clock::Timestamp;

/// Seconds of a day.
const SECONDS: i64 = 86_400;

/// A day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    /// The day of this instant.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.unix().div_euclid(SECONDS))
    }

    /// The day with this number since 1970-01-01, which is 0.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Its number since 1970-01-01.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The day `days` earlier.
    #[must_use]
    pub fn minus(self, days: u32) -> Self {
        Self(self.0.saturating_sub(i64::from(days)))
    }

    /// The days from this one through `last`.
    pub fn through(self, last: Self) -> impl DoubleEndedIterator<Item = Self> {
        (self.0..=last.0).map(Self)
    }
}

impl fmt::Display for Day {
    /// For example `2026-03-01`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin = Timestamp::from_unix(self.0.saturating_mul(SECONDS)).to_string();
        formatter.write_str(begin.split('T').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        let table = [
            ("1969-12-31T23:59:59Z", -1, "1969-12-31"),
            ("1970-01-01T00:00:00Z", 0, "1970-01-01"),
            ("2026-03-01T00:30:00+01:00", 20_512, "2026-02-28"),
            ("2026-03-01T23:59:59Z", 20_513, "2026-03-01"),
            ("2026-03-02T00:00:00Z", 20_514, "2026-03-02"),
        ];
        for (text, number, day) in table {
            let found = Day::of(Timestamp::parse_rfc3339(text).unwrap());
            assert_eq!((found.number(), found.to_string().as_str()), (number, day), "{text}");
        }
    }

    #[test]
    fn a_range_has_both_ends() {
        let last = Day::from_number(100);
        let days: Vec<i64> = last.minus(2).through(last).map(Day::number).collect();
        assert_eq!(days, [98, 99, 100]);
    }
}
