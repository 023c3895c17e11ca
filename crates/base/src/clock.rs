//! The clocks. Time is read only here and passed to everything else, so that tests can check each rule at its exact
//! instant.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::well_known::Rfc3339;
use time::util::days_in_month;
use time::{Date, Month, OffsetDateTime};

/// An instant of civil time in whole seconds since 1970-01-01T00:00:00Z, rounded down.
///
/// Limited to the years 0 to 9999, the range that RFC 3339 can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const FIRST: i64 = -62_167_219_200;
const LAST: i64 = 253_402_300_799;

impl Timestamp {
    /// The instant `seconds` after 1970-01-01T00:00:00Z, clamped to the years 0 to 9999.
    pub const fn from_unix(seconds: i64) -> Self {
        if seconds < FIRST {
            Self(FIRST)
        } else if seconds > LAST {
            Self(LAST)
        } else {
            Self(seconds)
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// Adds `duration`, in whole seconds.
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_unix(self.0.saturating_add(seconds(duration)))
    }

    /// Subtracts `duration`, in whole seconds.
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_unix(self.0.saturating_sub(seconds(duration)))
    }

    /// The same time of day this many months later; in a month without that day, on its last.
    pub fn plus_months(self, months: u32) -> Self {
        let Ok(start) = OffsetDateTime::from_unix_timestamp(self.0) else { return self };
        let (year, month, day) = start.date().to_calendar_date();
        let count =
            i64::from(year).saturating_mul(12).saturating_add(i64::from(u8::from(month)) - 1) + i64::from(months);
        let year = i32::try_from(count.div_euclid(12)).unwrap_or(i32::MAX);
        let month =
            u8::try_from(count.rem_euclid(12)).ok().and_then(|month| Month::try_from(month.saturating_add(1)).ok());
        let date = month.and_then(|month| {
            let last = days_in_month(month, year);
            Date::from_calendar_date(year, month, day.min(last)).ok()
        });
        date.map_or(Self(LAST), |date| Self::from_unix(start.replace_date(date).unix_timestamp()))
    }

    /// This many days of 24 hours later.
    pub fn plus_days(self, days: u32) -> Self {
        self.plus(Duration::from_secs(u64::from(days).saturating_mul(86_400)))
    }

    /// The time elapsed since `earlier`; zero if `earlier` is later than this instant.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Parses an RFC 3339 date and time with any offset and an optional fraction (rounded down).
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(|instant| Self::from_unix(instant.unix_timestamp()))
    }

    /// Parses the expiry formats that license servers send: RFC 3339, `YYYY-MM-DD HH:MM:SS` (UTC), or `YYYY-MM-DD` (the
    /// first instant after that day in UTC, so that the license is valid through the day).
    pub fn parse_expiry(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::parse_rfc3339(text)
            .or_else(|| Self::parse_rfc3339(&format!("{}Z", text.replacen(' ', "T", 1))))
            .or_else(|| Some(Self::parse_rfc3339(&format!("{text}T00:00:00Z"))?.plus(Duration::from_secs(86_400))))
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, for example `2026-03-01T00:00:00Z`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = OffsetDateTime::from_unix_timestamp(self.0).map_err(|_| fmt::Error)?;
        let (date, time) = (instant.date(), instant.time());
        write!(
            formatter,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 date and time"))
    }
}

/// One reading of the two clocks that the license rules use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Civil time, which an administrator, NTP or a restored snapshot can set to anything.
    pub wall: Timestamp,
    /// Time since boot, including suspend (`CLOCK_BOOTTIME`); it cannot be set.
    pub boot: Duration,
}

/// A source of time.
pub trait Clock: Send + Sync {
    /// Civil time.
    fn wall(&self) -> Timestamp;

    /// Time since boot, including suspend.
    fn boot(&self) -> Duration;

    /// A clock for deadlines within one process.
    fn monotonic(&self) -> Instant;

    /// Reads both clocks that the license rules use.
    fn now(&self) -> Now {
        Now { wall: self.wall(), boot: self.boot() }
    }
}

/// Microseconds of `CLOCK_MONOTONIC`, the form that systemd expects in a reload notification.
pub fn monotonic_microseconds() -> u64 {
    let reading = clock_gettime(ClockId::Monotonic);
    let (seconds, nanoseconds) = (u64::try_from(reading.tv_sec), u64::try_from(reading.tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1_000_000).saturating_add(nanoseconds.unwrap_or(0) / 1000)
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_unix(clock_gettime(ClockId::Realtime).tv_sec)
    }

    fn boot(&self) -> Duration {
        let reading = clock_gettime(ClockId::Boottime);
        Duration::new(u64::try_from(reading.tv_sec).unwrap_or(0), u32::try_from(reading.tv_nsec).unwrap_or(0))
    }

    // The only call of Instant::now; clippy.toml forbids it elsewhere.
    #[allow(clippy::disallowed_methods)]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_expiry_format_is_parsed() {
        let table = [
            ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("2026-03-01T02:00:00+02:00", "2026-03-01T00:00:00Z"),
            ("2026-03-01T00:00:00.999Z", "2026-03-01T00:00:00Z"),
            ("2026-03-01T00:00:00.000000Z", "2026-03-01T00:00:00Z"),
            ("2026-03-01 12:30:59", "2026-03-01T12:30:59Z"),
            ("2026-03-01T12:30:59", "2026-03-01T12:30:59Z"),
            ("2026-02-28", "2026-03-01T00:00:00Z"),
            ("2028-02-29", "2028-03-01T00:00:00Z"),
            ("9999-12-31", "9999-12-31T23:59:59Z"),
        ];
        for (text, expected) in table {
            assert_eq!(Timestamp::parse_expiry(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "soon", "2026-13-01", "2026-02-30", "1772323200", "0", "Z"] {
            assert_eq!(Timestamp::parse_expiry(text), None, "{text}");
        }
    }

    #[test]
    fn every_timestamp_round_trips_through_rfc_3339() {
        for seconds in [i64::MIN, FIRST, -1, 0, 1_772_323_200, LAST, i64::MAX] {
            let instant = Timestamp::from_unix(seconds);
            assert_eq!(Timestamp::parse_rfc3339(&instant.to_string()), Some(instant));
        }
    }

    #[test]
    fn differences_never_wrap() {
        let (early, late) = (Timestamp::from_unix(i64::MIN), Timestamp::from_unix(i64::MAX));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.minus(Duration::MAX), early);
        assert_eq!(late.plus(Duration::MAX), late);
    }
}
