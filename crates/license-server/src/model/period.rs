//! Lengths of time on the calendar, as ISO 8601 writes them, and how they extend a license.

use std::fmt;
use std::str::FromStr;

use opterius_base::clock::Timestamp;

/// The most months and days of a period: about a hundred years each.
const MAX_MONTHS: u32 = 1200;
const MAX_DAYS: u32 = 36_525;

/// A length of time: months, whose length depends on when they begin, then days of 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    months: u32,
    days: u32,
}

impl Period {
    /// This many months.
    pub const fn months(months: u32) -> Self {
        Self { months, days: 0 }
    }

    /// The end of the period that begins at `start`. In a month without that day it ends on the last day: one month after
    /// January 31 is February 28 or 29.
    pub fn after(self, start: Timestamp) -> Timestamp {
        start.plus_months(self.months).plus_days(self.days)
    }
}

impl FromStr for Period {
    type Err = ();

    /// Parses years, months, weeks and days, such as `P1Y`, `P1M` and `P2W3D`, in this order and each at most once.
    fn from_str(text: &str) -> Result<Self, ()> {
        /// The units in their order, with their months and days.
        const UNITS: [(char, u32, u32); 4] = [('Y', 12, 0), ('M', 1, 0), ('W', 0, 7), ('D', 0, 1)];
        let mut rest = text.strip_prefix('P').ok_or(())?;
        let mut units = UNITS.iter();
        let (mut months, mut days) = (0_u32, 0_u32);
        while !rest.is_empty() {
            let end = rest.find(|character: char| !character.is_ascii_digit()).ok_or(())?;
            let (digits, after) = rest.split_at_checked(end).ok_or(())?;
            let mut letters = after.chars();
            let letter = letters.next().ok_or(())?;
            let (_, months_each, days_each) = units.find(|(unit, ..)| *unit == letter).ok_or(())?;
            let count: u32 = digits.parse().map_err(|_| ())?;
            months = count.checked_mul(*months_each).and_then(|added| months.checked_add(added)).ok_or(())?;
            days = count.checked_mul(*days_each).and_then(|added| days.checked_add(added)).ok_or(())?;
            rest = letters.as_str();
        }
        let is_in_range = months <= MAX_MONTHS && days <= MAX_DAYS && (months, days) != (0, 0);
        if is_in_range { Ok(Self { months, days }) } else { Err(()) }
    }
}

impl fmt::Display for Period {
    /// In ISO 8601.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("P")?;
        for (count, unit) in [(self.months / 12, 'Y'), (self.months % 12, 'M'), (self.days, 'D')] {
            if count > 0 {
                write!(formatter, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

/// Where the time that is added to a license begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// At its expiry, even if that has passed.
    Expiry,
    /// Now, even if it has not expired yet.
    Now,
    /// At its expiry, or now if that has passed.
    NowIfExpired,
}

impl Basis {
    /// All of them, with their names in the API.
    pub const ALL: [(&'static str, Self); 3] =
        [("expiry", Self::Expiry), ("now", Self::Now), ("now_if_expired", Self::NowIfExpired)];

    /// The beginning of the added time for a license with this expiry; `None` if it never expires and the time would begin
    /// at its expiry.
    pub fn start(self, expires_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Now => Some(now),
            Self::Expiry => expires_at,
            Self::NowIfExpired => expires_at.map(|end| end.max(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(&format!("{text}T12:34:56Z")).unwrap()
    }

    #[test]
    fn a_month_ends_on_the_same_day_or_on_the_last() {
        let table = [
            ("2027-01-15", "P1M", "2027-02-15"),
            ("2027-01-28", "P1M", "2027-02-28"),
            ("2027-01-29", "P1M", "2027-02-28"),
            ("2027-01-31", "P1M", "2027-02-28"),
            ("2028-01-31", "P1M", "2028-02-29"),
            ("2100-01-31", "P1M", "2100-02-28"),
            ("2000-01-31", "P1M", "2000-02-29"),
            ("2027-03-31", "P1M", "2027-04-30"),
            ("2027-02-28", "P1M", "2027-03-28"),
            ("2027-12-31", "P1M", "2028-01-31"),
            ("2027-12-31", "P2M", "2028-02-29"),
            ("2027-11-30", "P3M", "2028-02-29"),
            ("2027-10-31", "P13M", "2028-11-30"),
            ("2028-02-29", "P1Y", "2029-02-28"),
            ("2028-02-29", "P4Y", "2032-02-29"),
            ("2027-01-31", "P1Y1M", "2028-02-29"),
            ("2027-01-31", "P1M1D", "2027-03-01"),
            ("2027-02-28", "P1D", "2027-03-01"),
            ("2028-02-28", "P1D", "2028-02-29"),
            ("2027-12-25", "P1W", "2028-01-01"),
            ("2027-01-01", "P365D", "2028-01-01"),
            ("2027-01-01", "P100Y", "2127-01-01"),
        ];
        for (start, period, end) in table {
            assert_eq!(period.parse::<Period>().unwrap().after(at(start)), at(end), "{start} + {period}");
        }
        assert_eq!(Period::months(1200).after(Timestamp::from_unix(i64::MAX)), Timestamp::from_unix(i64::MAX));
    }

    #[test]
    fn only_periods_of_the_calendar_are_parsed() {
        for (text, shown) in [("P1M", "P1M"), ("P18M", "P1Y6M"), ("P2W3D", "P17D"), ("P1Y2M3W4D", "P1Y2M25D")] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), shown, "{text}");
        }
        let wrong = [
            "",
            "P",
            "1M",
            "p1m",
            "P1",
            "PM",
            "P-1M",
            "P+1M",
            "P1.5M",
            "P0D",
            "P0Y0M",
            "P1M1Y",
            "P1M1M",
            "P1D1W",
            "PT1H",
            "P1DT1H",
            "P1201M",
            "P101Y",
            "P36526D",
            "P99999999999D",
            "P4294967295Y",
            "P1M ",
            " P1M",
            "P1ä",
            "P１M",
        ];
        for text in wrong {
            assert_eq!(text.parse::<Period>(), Err(()), "{text}");
        }
    }

    #[test]
    fn added_time_begins_at_the_expiry_or_now() {
        let (past, now, future) = (at("2027-01-01"), at("2027-02-01"), at("2027-03-01"));
        let table = [
            (Basis::Expiry, Some(past), Some(past)),
            (Basis::Expiry, Some(future), Some(future)),
            (Basis::Expiry, None, None),
            (Basis::Now, Some(past), Some(now)),
            (Basis::Now, Some(future), Some(now)),
            (Basis::Now, None, Some(now)),
            (Basis::NowIfExpired, Some(past), Some(now)),
            (Basis::NowIfExpired, Some(future), Some(future)),
            (Basis::NowIfExpired, None, None),
        ];
        for (basis, expires_at, expected) in table {
            assert_eq!(basis.start(expires_at, now), expected, "{basis:?} {expires_at:?}");
        }
    }
}
