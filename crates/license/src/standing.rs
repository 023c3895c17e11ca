//! The license standing: one pure function of the recorded verdict and the current time.
//!
//! The rules, in order:
//!
//! 1. Without a license key: restricted (`no_key`, or `malformed_key` with a text that cannot be one).
//! 2. Without a verdict for this key: restricted (`unreachable`).
//! 3. A denial stands until the next grant, across restarts and without grace.
//! 4. A grant ends exactly at its `expires_at`; [`clocks::deciding`] is the time that counts.
//! 5. A grant that the latest check confirmed: active.
//! 6. Any other grant stays valid for 48 hours after its arrival, by [`clocks::age`] (grace). Nothing extends it: no
//!    restart, no SIGHUP, no clock set back. A clock that is wrong does not shorten it.

use std::time::Duration;

use crate::clocks;
use crate::model::{Record, Verdict};
use crate::outcome::Failure;
use crate::reason::{self, EXPIRED, MALFORMED_KEY, NO_KEY, UNREACHABLE};
use opterius_base::clock::{Now, Timestamp};

/// How long a grant stays valid while the license server is unreachable.
pub const GRACE: Duration = Duration::from_secs(48 * 3600);

/// Whether the license is valid, and on what basis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Valid: the latest check confirmed it.
    Active,
    /// Valid for now, based on an earlier check.
    Grace {
        /// When the grace period ends unless a check succeeds first.
        until: Timestamp,
    },
    /// Not valid: the Agent rejects writes.
    Restricted {
        /// The reason code, see [`crate::reason`].
        reason: String,
        /// The reason as a sentence.
        message: String,
    },
}

impl Standing {
    /// Whether writes are allowed.
    pub fn is_valid(&self) -> bool {
        !matches!(self, Self::Restricted { .. })
    }

    /// The value of `state` in the status.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Grace { .. } => "grace",
            Self::Restricted { .. } => "restricted",
        }
    }

    /// The reason code; `None` while the license is valid.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Restricted { reason, .. } => Some(reason),
            Self::Active | Self::Grace { .. } => None,
        }
    }

    /// When the grace period ends; `None` outside it.
    pub fn grace_until(&self) -> Option<Timestamp> {
        match self {
            Self::Grace { until } => Some(*until),
            Self::Active | Self::Restricted { .. } => None,
        }
    }

    /// Whether state or reason differ. A new message or grace end alone is not a change worth reporting.
    pub fn differs(&self, other: &Self) -> bool {
        self.state() != other.state() || self.reason() != other.reason()
    }
}

/// The inputs of [`standing`], except the time.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Whether a license key is configured.
    pub has_key: bool,
    /// The recorded verdict on that key.
    pub record: Option<&'a Record>,
    /// Whether the latest check in this process produced the recorded verdict.
    pub confirmed: bool,
    /// Why the latest check produced no verdict.
    pub failure: Option<&'a Failure>,
    /// The kernel's boot ID of the current boot.
    pub boot_id: &'a str,
}

/// The standing at `now`.
pub fn standing(evidence: &Evidence<'_>, now: Now) -> Standing {
    if !evidence.has_key {
        return restricted(NO_KEY, reason::explain(NO_KEY).sentence);
    }
    let Some(record) = evidence.record else { return never_verified(evidence.failure) };
    let grant = match &record.verdict {
        Verdict::Denied(denial) => return restricted(&denial.reason, &denial.message),
        Verdict::Granted(grant) => grant,
    };
    let deciding = clocks::deciding(record, evidence.boot_id, now);
    if let Some(expiry) = grant.terms.expires_at.filter(|expiry| deciding >= *expiry) {
        return restricted(EXPIRED, format!("The license expired on {expiry}."));
    }
    if evidence.confirmed { Standing::Active } else { unconfirmed(record, evidence, now) }
}

/// The standing with a text in place of the license key that cannot be one: like no key, but with the cause.
pub fn malformed_key(fault: &str) -> Standing {
    restricted(MALFORMED_KEY, format!("{fault}."))
}

/// How long until the standing changes without a check; `None` if time alone never changes it.
pub fn time_until_change(standing: &Standing, evidence: &Evidence<'_>, now: Now) -> Option<Duration> {
    match standing {
        Standing::Active => time_until_expiry(evidence.record?, evidence.boot_id, now),
        Standing::Grace { until } => Some(until.since(now.wall)),
        Standing::Restricted { .. } => None,
    }
}

fn time_until_expiry(record: &Record, boot_id: &str, now: Now) -> Option<Duration> {
    let Verdict::Granted(grant) = &record.verdict else { return None };
    Some(grant.terms.expires_at?.since(clocks::deciding(record, boot_id, now)))
}

/// The standing of a grant that the latest check did not confirm.
fn unconfirmed(record: &Record, evidence: &Evidence<'_>, now: Now) -> Standing {
    if clocks::is_rolled_back(record, now) {
        let message = format!(
            "This server's clock shows {}, but the license server's last answer is from {}: the cached license is not \
             valid (clock_rolled_back). Set the clock, then run: opterius-agent reverify",
            now.wall,
            clocks::earliest(record)
        );
        return restricted(UNREACHABLE, message);
    }
    match GRACE.checked_sub(clocks::age(record, evidence.boot_id, now)) {
        None | Some(Duration::ZERO) => {
            let cause = evidence.failure.map_or("no check has finished yet", |failure| failure.cause.as_str());
            restricted(UNREACHABLE, format!("The license server has not confirmed the license for 48 hours: {cause}."))
        }
        Some(left) => {
            let expiry = time_until_expiry(record, evidence.boot_id, now);
            Standing::Grace { until: now.wall.plus(expiry.map_or(left, |expiry| expiry.min(left))) }
        }
    }
}

fn never_verified(failure: Option<&Failure>) -> Standing {
    restricted(
        UNREACHABLE,
        match failure {
            Some(failure) => format!("The Agent could not verify the license: {failure}."),
            None => "The license has not been verified yet; the first check is in progress.".to_owned(),
        },
    )
}

fn restricted(reason: &str, message: impl Into<String>) -> Standing {
    Standing::Restricted { reason: reason.to_owned(), message: message.into() }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
