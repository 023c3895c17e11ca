//! What follows from what is known: one pure function from a record and the current time to a standing.
//!
//! The rules, in the order in which they are asked:
//!
//! 1. Without a license key: restricted (`no_key`).
//! 2. Without a verdict for this key: restricted (`unreachable`).
//! 3. A denial is remembered until a new grant comes, across restarts and without grace.
//! 4. A grant ends at its `expires_at`, exactly at that instant.
//! 5. A grant that the last check confirmed: active.
//! 6. A grant that it could not confirm carries the license for 48 hours of wall clock or of machine time since then,
//!    whichever has passed first. Nothing prolongs it: no restart, no SIGHUP, no clock set back.

use std::time::Duration;

use crate::model::{Grant, Record, Verdict};
use crate::outcome::Failure;
use crate::reason::{self, EXPIRED, NO_KEY, UNREACHABLE};
use opterius_base::clock::{Now, Timestamp};

/// How long a grant carries the license while the license server cannot be asked.
pub const GRACE: Duration = Duration::from_secs(48 * 3600);

/// How far the wall clock may be behind the last answer before a cached license stops counting.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(3600);

/// Whether the license is good, and how good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Good: the last check confirmed it.
    Active,
    /// Good on the word of an earlier check, until the instant given.
    Grace {
        /// When it ends unless a check succeeds before.
        until: Timestamp,
    },
    /// Not good: writes are refused.
    Restricted {
        /// Why, as one word.
        reason: String,
        /// Why, as a sentence.
        message: String,
    },
}

impl Standing {
    /// Whether writes are allowed.
    pub fn is_valid(&self) -> bool {
        !matches!(self, Self::Restricted { .. })
    }

    /// The word that the status shows as `state`.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Grace { .. } => "grace",
            Self::Restricted { .. } => "restricted",
        }
    }

    /// The reason; none while the license is good.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Restricted { reason, .. } => Some(reason),
            Self::Active | Self::Grace { .. } => None,
        }
    }

    /// When the grace ends; none outside of it.
    pub fn grace_until(&self) -> Option<Timestamp> {
        match self {
            Self::Grace { until } => Some(*until),
            Self::Active | Self::Restricted { .. } => None,
        }
    }

    /// Whether a person would call the step from `self` to `other` a change: another state, or another reason.
    pub fn differs(&self, other: &Self) -> bool {
        self.state() != other.state() || self.reason() != other.reason()
    }
}

/// Everything that the standing follows from, but for the time.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Whether a license key is configured.
    pub has_key: bool,
    /// What is known of that key.
    pub record: Option<&'a Record>,
    /// Whether the last check in this process gave the verdict in the record.
    pub confirmed: bool,
    /// Why the last check gave none.
    pub failure: Option<&'a Failure>,
    /// The kernel's id of the current boot.
    pub boot_id: &'a str,
}

/// The standing at `now`.
pub fn standing(known: &Evidence<'_>, now: Now) -> Standing {
    if !known.has_key {
        return restricted(NO_KEY, reason::explain(NO_KEY).sentence);
    }
    let Some(record) = known.record else { return never_verified(known.failure) };
    let grant = match &record.verdict {
        Verdict::Denied(denial) => return restricted(&denial.reason, &denial.message),
        Verdict::Granted(grant) => grant,
    };
    if let Some(expiry) = grant.terms.expires_at.filter(|expiry| now.wall >= *expiry) {
        return restricted(EXPIRED, format!("The license expired on {expiry}."));
    }
    if known.confirmed { Standing::Active } else { carried(record, grant, known, now) }
}

/// How long the standing lasts by itself, without a check; none when time alone does not change it.
pub fn time_until_change(standing: &Standing, record: Option<&Record>, now: Now) -> Option<Duration> {
    let expiry = record.and_then(|record| match &record.verdict {
        Verdict::Granted(grant) => grant.terms.expires_at,
        Verdict::Denied(_) => None,
    });
    match standing {
        Standing::Active => expiry.map(|expiry| expiry.since(now.wall)),
        Standing::Grace { until } => Some(until.since(now.wall)),
        Standing::Restricted { .. } => None,
    }
}

/// A license that lives on an earlier grant.
fn carried(record: &Record, grant: &Grant, known: &Evidence<'_>, now: Now) -> Standing {
    if now.wall.plus(CLOCK_TOLERANCE) < grant.at {
        let message = format!(
            "The clock of this server shows {}, but the license server's last answer is of {}: the cached license does \
             not count (clock_rolled_back). Correct the clock, then run: opterius-agent reverify",
            now.wall, grant.at
        );
        return restricted(UNREACHABLE, message);
    }
    let by_machine_time = Duration::from_secs(record.uptime.used(known.boot_id, now).as_secs());
    let elapsed = now.wall.since(grant.at).max(by_machine_time);
    match GRACE.checked_sub(elapsed) {
        None | Some(Duration::ZERO) => {
            let cause = known.failure.map_or("it has not been asked yet", |failure| failure.cause.as_str());
            restricted(UNREACHABLE, format!("The license server has not confirmed the license for 48 hours: {cause}."))
        }
        Some(left) => {
            let end = now.wall.plus(left);
            Standing::Grace { until: grant.terms.expires_at.map_or(end, |expiry| expiry.min(end)) }
        }
    }
}

fn never_verified(failure: Option<&Failure>) -> Standing {
    restricted(
        UNREACHABLE,
        match failure {
            Some(failure) => format!("The license could not be verified: {failure}."),
            None => "The license has not been verified yet; the first check is under way.".to_owned(),
        },
    )
}

fn restricted(reason: &str, message: impl Into<String>) -> Standing {
    Standing::Restricted { reason: reason.to_owned(), message: message.into() }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
