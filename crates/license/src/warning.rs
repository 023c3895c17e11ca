//! What a valid license is about to lose, said before it does.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::model::Terms;
use crate::standing::Standing;
use opterius_base::clock::Timestamp;
use opterius_base::dates::{Moment, counted, the_end};
use opterius_base::text::duration;

/// Grace shorter than this causes a warning.
const SHORT_GRACE: Duration = Duration::from_secs(12 * 3600);

/// An expiry no further away than this causes a warning.
const NEAR_EXPIRY: Duration = Duration::from_secs(14 * 86_400);

/// A limit that is near or exceeded; written as a sentence, followed by one with the remedy. Times left are in whole
/// minutes, so that a text about them is the same for a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// More accounts than the plan allows, as after a downgrade.
    Accounts {
        /// Accounts in use.
        used: u64,
        /// Accounts that the plan allows.
        allowed: u64,
    },
    /// The grace period ends soon.
    Grace {
        /// When it ends.
        until: Timestamp,
        /// The time left.
        left: Duration,
    },
    /// The license expires soon.
    Expiry {
        /// The first instant at which it is no longer valid.
        at: Timestamp,
        /// The time left.
        left: Duration,
    },
}

impl Warning {
    /// Identifies warnings about the same limit, whatever the figures.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Accounts { .. } => "accounts",
            Self::Grace { .. } => "grace",
            Self::Expiry { .. } => "expiry",
        }
    }

    /// What is about to end, as a sentence without its period.
    pub fn sentence(&self) -> String {
        match self {
            Self::Accounts { used, allowed } => format!(
                "{used} accounts are in use, the plan allows {allowed}: new accounts are refused, existing ones work"
            ),
            Self::Grace { until, left } => {
                let left = match left.as_secs() / 60 {
                    0 => "less than a minute".to_owned(),
                    minutes @ 1..60 => counted(minutes, "minute"),
                    _ => duration(*left),
                };
                format!("The grace period ends in {left}, at {until}: then the Agent rejects changes")
            }
            Self::Expiry { at, left } => {
                format!("The license expires {}, at {}", Moment::new(*at, at.minus(*left)).relative, the_end(*at))
            }
        }
    }

    /// What to do about it, as a sentence that ends with a command.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Accounts { .. } => {
                "Delete accounts in the Panel or upgrade the plan in the license dashboard, then run: opterius-agent reverify"
            }
            Self::Grace { .. } => "Find out why the license server cannot be reached: opterius-agent doctor",
            Self::Expiry { .. } => "Renew the license in the license dashboard, then run: opterius-agent reverify",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}. {}", self.sentence(), self.remedy())
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The warnings at `now` about a license with these terms; `deciding` is the time that decides about its expiry, see
/// [`crate::clocks::deciding`]. A license that is not valid needs none: its message says more.
pub fn warnings(
    standing: &Standing,
    terms: &Terms,
    accounts_used: Option<u64>,
    now: Timestamp,
    deciding: Timestamp,
) -> Vec<Warning> {
    if !standing.is_valid() {
        return Vec::new();
    }
    // The last minute is still to come.
    let left = |end: Timestamp, now| Duration::from_secs((end.since(now).as_secs() / 60 * 60).max(1));
    // A full plan is normal; 0 allowed is unlimited.
    let accounts = accounts_used.zip(terms.max_accounts).filter(|(used, allowed)| *allowed != 0 && used > allowed);
    let grace = standing.grace_until().filter(|until| until.since(now) < SHORT_GRACE);
    let expiry = terms.expires_at.filter(|at| *at > deciding && at.since(deciding) <= NEAR_EXPIRY);
    let mut warnings = Vec::new();
    if let Some((used, allowed)) = accounts {
        warnings.push(Warning::Accounts { used, allowed });
    }
    if let Some(until) = grace {
        warnings.push(Warning::Grace { until, left: left(until, now) });
    }
    if let Some(at) = expiry {
        warnings.push(Warning::Expiry { at, left: left(at, deciding) });
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-03-01T12:00:00Z").unwrap()
    }

    fn in_seconds(seconds: u64) -> Timestamp {
        now().plus(Duration::from_secs(seconds))
    }

    fn texts(standing: &Standing, terms: &Terms, used: Option<u64>) -> Vec<String> {
        warnings(standing, terms, used, now(), now()).iter().map(ToString::to_string).collect()
    }

    fn assert_begins(actual: &[String], expected: Option<&str>, name: &str) {
        match expected {
            None => assert!(actual.is_empty(), "{name}: {actual:?}"),
            Some(start) => assert!(actual.len() == 1 && actual[0].starts_with(start), "{name}: {actual:?}"),
        }
    }

    #[test]
    fn only_more_accounts_than_allowed_cause_a_warning() {
        let refused = "7 accounts are in use, the plan allows 5: new accounts are refused, existing ones work. Delete accounts in the Panel or upgrade";
        let table = [
            (Some(4), Some(5), None),
            (Some(5), Some(5), None),
            (Some(6), Some(5), Some("6 accounts are in use, the plan allows 5: ")),
            (Some(7), Some(5), Some(refused)),
            (Some(2), Some(1), Some("2 accounts are in use, the plan allows 1: ")),
            (Some(7), Some(0), None),
            (Some(7), None, None),
            (None, Some(5), None),
        ];
        for (used, max_accounts, expected) in table {
            let terms = Terms { max_accounts, ..Terms::default() };
            assert_begins(&texts(&Standing::Active, &terms, used), expected, &format!("{used:?} {max_accounts:?}"));
        }
    }

    #[test]
    fn grace_below_twelve_hours_causes_a_warning() {
        let hours = |hours: u64| hours * 3600;
        let table = [
            (hours(48), None),
            (hours(12), None),
            (hours(12) - 1, Some("The grace period ends in 11 h 59 min, at 2026-03-01T23:59:59Z: ")),
            (hours(11) + 1800, Some("The grace period ends in 11 h 30 min, at 2026-03-01T23:30:00Z: ")),
            (90 * 60, Some("The grace period ends in 1 h 30 min, at 2026-03-01T13:30:00Z: ")),
            (59 * 60, Some("The grace period ends in 59 minutes, at 2026-03-01T12:59:00Z: ")),
            (119, Some("The grace period ends in 1 minute, at 2026-03-01T12:01:59Z: ")),
            (1, Some("The grace period ends in less than a minute, at 2026-03-01T12:00:01Z: ")),
        ];
        for (left, expected) in table {
            let standing = Standing::Grace { until: in_seconds(left) };
            assert_begins(&texts(&standing, &Terms::default(), None), expected, &left.to_string());
        }
    }

    #[test]
    fn an_expiry_within_fourteen_days_causes_a_warning() {
        let days = |days: u64| days * 86_400;
        let table = [
            (days(14) + 1, None),
            (days(14), Some("The license expires in 14 days, at 2026-03-15T12:00:00Z. Renew the license in the")),
            (days(14) - 1, Some("The license expires in 13 days, at 2026-03-15T11:59:59Z. ")),
            (days(13) + 43_200, Some("The license expires in 13 days, at the end of 2026-03-14. ")),
            (days(1), Some("The license expires in 24 hours, at 2026-03-02T12:00:00Z. ")),
            (1, Some("The license expires in a moment, at 2026-03-01T12:00:01Z. ")),
            (0, None),
        ];
        for (left, expected) in table {
            let terms = Terms { expires_at: Some(in_seconds(left)), ..Terms::default() };
            assert_begins(&texts(&Standing::Active, &terms, None), expected, &left.to_string());
        }
    }

    #[test]
    fn a_restricted_license_has_no_warnings_and_a_valid_one_can_have_all() {
        let terms = Terms { max_accounts: Some(5), expires_at: Some(in_seconds(3600)), ..Terms::default() };
        let kinds = |standing: &Standing| -> Vec<&'static str> {
            warnings(standing, &terms, Some(6), now(), now()).iter().map(Warning::kind).collect()
        };
        assert_eq!(kinds(&Standing::Grace { until: in_seconds(60) }), ["accounts", "grace", "expiry"]);
        let (reason, message) = ("suspended".to_owned(), String::new());
        assert!(kinds(&Standing::Restricted { reason, message }).is_empty());
    }

    #[test]
    fn a_text_is_the_same_for_a_minute() {
        let terms = Terms { expires_at: Some(in_seconds(7200)), ..Terms::default() };
        let at = |second| warnings(&Standing::Active, &terms, None, in_seconds(second), in_seconds(second));
        assert_eq!(at(1), at(60));
        assert_ne!(at(60), at(61));
    }
}
