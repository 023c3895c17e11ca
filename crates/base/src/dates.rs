//! Dates and times formatted for people: relative times, and an end at midnight UTC shown as the end of the previous day.
//! Programs read RFC 3339 instead.

use std::time::Duration;

use crate::clock::Timestamp;

/// Seconds per day.
const DAY: u64 = 86_400;

/// The last day of a period that ends at this instant, as `YYYY-MM-DD`.
pub fn last_day(end: Timestamp) -> String {
    end.minus(Duration::from_secs(1)).to_string().chars().take(10).collect()
}

/// The day that ends at this instant, if the instant is midnight UTC.
pub fn ended_day(end: Timestamp) -> Option<String> {
    (end.unix().rem_euclid(86_400) == 0).then(|| last_day(end))
}

/// An end for a table cell: `end of 2026-03-31`, or an instant.
pub fn end(end: Timestamp) -> String {
    ended_day(end).map_or_else(|| end.to_string(), |day| format!("end of {day}"))
}

/// An end for use in a sentence: `the end of 2026-03-31`, or an instant.
pub fn the_end(end: Timestamp) -> String {
    ended_day(end).map_or_else(|| end.to_string(), |day| format!("the end of {day}"))
}

/// An instant, in the forms that pages show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// RFC 3339, for the `datetime` attribute.
    pub exact: String,
    /// Date and time, for example `2026-03-01 12:00 UTC`.
    pub text: String,
    /// Relative to now, for example `2 days ago` or `in 10 days`.
    pub relative: String,
}

impl Moment {
    /// Formats `at`, relative to `now`.
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        let exact = at.to_string();
        let text = exact.chars().take(16).map(|letter| if letter == 'T' { ' ' } else { letter }).collect::<String>();
        Self { exact, text: format!("{text} UTC"), relative: relative(at, now) }
    }

    /// Formats an expiry: one at midnight is shown as the end of the day before.
    pub fn expiry(at: Timestamp, now: Timestamp) -> Self {
        let moment = Self::new(at, now);
        if ended_day(at).is_some() { Self { text: end(at), ..moment } } else { moment }
    }
}

fn relative(at: Timestamp, now: Timestamp) -> String {
    let (past, future) = (now.since(at).as_secs(), at.since(now).as_secs());
    match past.max(future) {
        0..60 if future == 0 => "just now".to_owned(),
        0..60 => "in a moment".to_owned(),
        seconds => {
            let (count, unit) = match seconds {
                60..3600 => (seconds / 60, "minute"),
                3600..172_800 => (seconds / 3600, "hour"),
                172_800..63_072_000 => (seconds / DAY, "day"),
                _ => (seconds / (365 * DAY), "year"),
            };
            let length = counted(count, unit);
            if past > 0 { format!("{length} ago") } else { format!("in {length}") }
        }
    }
}

/// “1 server”, “2 servers”, “3 deliveries”.
pub fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    match (count.try_into().unwrap_or(u64::MAX), noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (count, Some(stem)) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {stem}ies"),
        (count, _) => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_number_and_its_noun_agree() {
        for (count, noun, expected) in [
            (0, "server", "0 servers"),
            (1, "server", "1 server"),
            (2, "server", "2 servers"),
            (1, "delivery", "1 delivery"),
            (3, "pending delivery", "3 pending deliveries"),
            (2, "day", "2 days"),
        ] {
            assert_eq!(counted(count, noun), expected);
        }
    }

    #[test]
    fn times_are_shown_relative_to_now() {
        let now = at("2026-03-01T12:00:00Z");
        let table = [
            ("2026-03-01T12:00:00Z", "just now"),
            ("2026-03-01T11:59:01Z", "just now"),
            ("2026-03-01T11:59:00Z", "1 minute ago"),
            ("2026-03-01T11:00:00Z", "1 hour ago"),
            ("2026-02-27T12:00:01Z", "47 hours ago"),
            ("2026-02-27T12:00:00Z", "2 days ago"),
            ("2024-03-01T12:00:00Z", "2 years ago"),
            ("2026-03-01T12:00:30Z", "in a moment"),
            ("2026-03-11T12:00:00Z", "in 10 days"),
        ];
        for (text, expected) in table {
            assert_eq!(Moment::new(at(text), now).relative, expected, "{text}");
        }
        assert_eq!(Moment::new(now, now).text, "2026-03-01 12:00 UTC");
    }

    #[test]
    fn an_expiry_at_midnight_is_the_end_of_the_day_before() {
        let now = at("2026-03-01T12:00:00Z");
        let table = [("2026-04-01T00:00:00Z", "end of 2026-03-31"), ("2026-04-01T10:30:00Z", "2026-04-01 10:30 UTC")];
        for (text, expected) in table {
            assert_eq!(Moment::expiry(at(text), now).text, expected);
        }
    }

    #[test]
    fn an_end_at_midnight_is_the_end_of_the_day_before() {
        let table = [
            ("2026-04-01T00:00:00Z", "end of 2026-03-31", "2026-03-31"),
            ("1970-01-01T00:00:00Z", "end of 1969-12-31", "1969-12-31"),
            ("1969-01-01T00:00:00Z", "end of 1968-12-31", "1968-12-31"),
            ("2026-04-01T10:30:00Z", "2026-04-01T10:30:00Z", "2026-04-01"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "9999-12-31"),
        ];
        for (text, expected, day) in table {
            let at = Timestamp::parse_rfc3339(text).unwrap();
            assert_eq!((end(at).as_str(), last_day(at).as_str()), (expected, day));
        }
        let typed = Timestamp::parse_expiry("2026-03-31").unwrap();
        assert_eq!(last_day(typed), "2026-03-31", "the day that was entered is the day that is shown");
        assert_eq!(the_end(typed), "the end of 2026-03-31");
    }
}
