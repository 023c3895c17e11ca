//! How values are shown: times, expiries, limits, lines of the history.

use super::routes::Route;
use crate::clock::Timestamp;
use crate::server::actions::limit;
use crate::server::dates;
use crate::server::model::Event;
use crate::server::store::counting::counted as counted_servers;
use crate::text::one_line;

const DAY: u64 = 86_400;

/// Characters of a text from elsewhere that are shown.
const SHOWN: usize = 300;

/// An instant, in the forms in which pages show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// RFC 3339, for programs.
    pub(super) exact: String,
    /// Date and time, for people.
    pub(super) text: String,
    /// How long ago it was, or how long until it will be.
    pub(super) relative: String,
}

impl Moment {
    /// How `at` is shown at `now`.
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        let exact = at.to_string();
        let text = exact.chars().take(16).map(|letter| if letter == 'T' { ' ' } else { letter }).collect::<String>();
        Self { exact, text: format!("{text} UTC"), relative: relative(at, now) }
    }

    /// How an expiry is shown: one at midnight ends a day, and people think of that day.
    pub(super) fn expiry(at: Timestamp, now: Timestamp) -> Self {
        let moment = Self::new(at, now);
        if dates::ended_day(at).is_some() { Self { text: dates::end(at), ..moment } } else { moment }
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

/// “1 server”, “2 servers”.
pub(super) fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// “2 of 5”, “3 of unlimited”, “1000+ of unlimited”.
pub(super) fn used(servers: u32, allowed: u32) -> String {
    format!("{} of {}", counted_servers(servers, allowed), limit(allowed))
}

/// Text that a server said of itself.
pub(super) fn text(text: &str) -> String {
    one_line(text, SHOWN)
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: i64,
    pub(super) at: Moment,
    pub(super) role: &'static str,
    pub(super) who: String,
    pub(super) license: Option<(i64, Route)>,
    pub(super) action: &'static str,
    pub(super) detail: String,
}

impl Line {
    /// How an event is shown at `now`.
    pub(super) fn new(event: &Event, now: Timestamp) -> Self {
        Self {
            id: event.id,
            at: Moment::new(event.at, now),
            role: event.actor.role.word(),
            who: text(&event.actor.name),
            license: event.license.map(|id| (id, Route::License(id))),
            action: event.action.word(),
            detail: text(&event.detail),
        }
    }
}

/// The first `most` of what was read, and the last of them when there are more.
pub(super) fn split<T>(mut read: Vec<T>, most: usize, id: impl Fn(&T) -> i64) -> (Vec<T>, Option<i64>) {
    let more = read.len() > most;
    read.truncate(most);
    let last = read.last().map(id).filter(|_| more);
    (read, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn times_are_shown_as_people_think_of_them() {
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
    fn a_list_goes_on_only_when_there_is_more() {
        let id = |number: &i64| *number;
        assert_eq!(split(vec![9, 8, 7], 2, id), (vec![9, 8], Some(8)));
        assert_eq!(split(vec![9, 8], 2, id), (vec![9, 8], None));
        assert_eq!(split(vec![], 2, id), (vec![], None));
    }
}
