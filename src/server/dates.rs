//! Ends, as people think of them: one at midnight (UTC) is the end of the day before. Programs read RFC 3339.

use std::time::Duration;

use crate::clock::Timestamp;

const DAY: i64 = 86_400;

/// The last day of what ends at this instant, as a date field has it.
pub fn last_day(end: Timestamp) -> String {
    end.minus(Duration::from_secs(1)).to_string().chars().take(10).collect()
}

/// The day that ends at this instant, if one does.
pub fn ended_day(end: Timestamp) -> Option<String> {
    (end.unix().rem_euclid(DAY) == 0).then(|| last_day(end))
}

/// An end in a table: a day, or an instant.
pub fn end(end: Timestamp) -> String {
    ended_day(end).map_or_else(|| end.to_string(), |day| format!("end of {day}"))
}

/// An end in a sentence.
pub fn the_end(end: Timestamp) -> String {
    ended_day(end).map_or_else(|| end.to_string(), |day| format!("the end of {day}"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(last_day(typed), "2026-03-31", "what was typed is shown");
        assert_eq!(the_end(typed), "the end of 2026-03-31");
    }
}
