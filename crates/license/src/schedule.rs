//! When the next verification is due: pure, with the random number passed in.

use std::time::Duration;

use crate::outcome::{Failure, Outcome};
use crate::reason::UNREACHABLE;
use crate::standing::Standing;
use opterius_base::clock::{Now, Timestamp};

/// After a grant.
pub const INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// After a denial, and in the last [`EXPIRY_WATCH`] before an expiry.
pub const HOURLY: Duration = Duration::from_secs(3600);
/// How long before an expiry the checks come every hour: a renewal is seen before it matters.
pub const EXPIRY_WATCH: Duration = Duration::from_secs(48 * 3600);
/// The widest spread of a fleet over the time after its checks fall due.
pub const MAX_OFFSET: Duration = Duration::from_secs(600);
/// The least time between the starts of two checks that somebody asked for.
pub const SPACING: Duration = Duration::from_secs(5);
/// The longest wait between checks that fail while the license is restricted because of just that.
pub const RESTRICTED_CAP: Duration = Duration::from_secs(5 * 60);
/// The longest wait between checks that fail otherwise.
pub const GRACE_CAP: Duration = HOURLY;

/// The first step of the back-off; it doubles with each failure.
const BACKOFF_BASE: Duration = Duration::from_secs(5);
/// The least wait after a failure, so that jitter never makes a busy loop.
const BACKOFF_FLOOR: Duration = Duration::from_secs(1);
/// Checks around an expiry: a renewal that is booked at that very moment is seen soon.
const AFTER_EXPIRY: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

/// This host's place in the spread of its fleet, by its identity: up to 10 minutes.
pub fn offset(server_id: &str) -> Duration {
    let sum = server_id.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_secs(sum.checked_rem(MAX_OFFSET.as_secs().saturating_add(1)).unwrap_or(0))
}

/// What the wait after a check depends on.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// What the check came to.
    pub outcome: &'a Outcome,
    /// The standing that followed.
    pub standing: &'a Standing,
    /// When the license ends, as known after the check.
    pub expires_at: Option<Timestamp>,
    /// How many checks in a row have failed, this one included.
    pub failures: u32,
    /// This host's place in the spread.
    pub offset: Duration,
    /// A random number from 0 to 1.
    pub random: f64,
}

/// How long to wait after a check that ended at `now`.
pub fn wait(finished: &Finished<'_>, now: Now) -> Duration {
    match finished.outcome {
        Outcome::Granted { .. } => after_grant(finished, now),
        Outcome::Denied { .. } => HOURLY,
        Outcome::Inconclusive(failure) => after_failure(finished, failure),
    }
}

fn after_grant(finished: &Finished<'_>, now: Now) -> Duration {
    let usual = INTERVAL.saturating_add(finished.offset);
    match finished.expires_at {
        None => usual,
        Some(expiry) => usual.min(expiry.since(now.wall).saturating_sub(EXPIRY_WATCH).max(HOURLY)),
    }
}

/// Full jitter: anything up to the current step, so that a fleet that lost its server does not come back in step. The
/// server's Retry-After is the least wait, within the same cap.
fn after_failure(finished: &Finished<'_>, failure: &Failure) -> Duration {
    let cap = if finished.standing.reason() == Some(UNREACHABLE) { RESTRICTED_CAP } else { GRACE_CAP };
    let doublings = finished.failures.saturating_sub(1).min(20);
    let step = BACKOFF_BASE.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(cap);
    let jittered = step.mul_f64(finished.random.clamp(0.0, 1.0)).max(BACKOFF_FLOOR);
    jittered.max(failure.retry_after.unwrap_or_default()).min(cap)
}

/// The state between two checks.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// When the last check ended.
    pub since: Now,
    /// The wait that [`wait`] gave for it.
    pub wait: Duration,
    /// When the license ends.
    pub expires_at: Option<Timestamp>,
}

/// How long it is at `now` until the next check; zero when it is due.
///
/// The wait runs on the boot clock, which a clock change does not touch; the checks around an expiry are instants of
/// civil time, as the expiry is.
pub fn due_in(pending: &Pending, now: Now) -> Duration {
    let by_wait = pending.wait.saturating_sub(now.boot.saturating_sub(pending.since.boot));
    let instants = AFTER_EXPIRY.iter().filter_map(|after| Some(pending.expires_at?.plus(*after)));
    let by_expiry =
        instants.filter(|instant| *instant > pending.since.wall).map(|instant| instant.since(now.wall)).min();
    by_expiry.map_or(by_wait, |until_expiry| until_expiry.min(by_wait))
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
