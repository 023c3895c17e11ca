//! When the next verification is due. Pure: the random number is an argument.

use std::time::Duration;

use crate::outcome::{Failure, Outcome};
use crate::reason::UNREACHABLE;
use crate::standing::Standing;
use opterius_base::clock::{Now, Timestamp};

/// The wait after a grant.
pub const INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// The wait after a denial, and during [`EXPIRY_WATCH`].
pub const HOURLY: Duration = Duration::from_secs(3600);
/// How long before an expiry the checks become hourly, so that a renewal is noticed in time.
pub const EXPIRY_WATCH: Duration = Duration::from_secs(48 * 3600);
/// The longest per-host delay that spreads the checks of a fleet.
pub const MAX_OFFSET: Duration = Duration::from_secs(600);
/// The minimum time between the starts of two requested checks.
pub const SPACING: Duration = Duration::from_secs(5);
/// The longest wait between failing checks while the license is restricted as unreachable.
pub const RESTRICTED_CAP: Duration = Duration::from_secs(5 * 60);
/// The longest wait between failing checks in every other state.
pub const GRACE_CAP: Duration = HOURLY;

/// The first step of the backoff; it doubles with each failure.
const BACKOFF_BASE: Duration = Duration::from_secs(5);
/// The shortest wait after a failure, so that jitter never causes a busy loop.
const BACKOFF_FLOOR: Duration = Duration::from_secs(1);
/// Extra checks after an expiry, to notice a renewal booked at the last moment.
const AFTER_EXPIRY: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

/// This host's delay within [`MAX_OFFSET`], derived from its identity.
pub fn offset(server_id: &str) -> Duration {
    let sum = server_id.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_secs(sum.checked_rem(MAX_OFFSET.as_secs().saturating_add(1)).unwrap_or(0))
}

/// A finished check, as far as the next wait depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// The outcome of the check.
    pub outcome: &'a Outcome,
    /// The license standing after the check.
    pub standing: &'a Standing,
    /// When the license expires.
    pub expires_at: Option<Timestamp>,
    /// How many checks in a row have failed, including this one.
    pub failures: u32,
    /// This host's delay, see [`offset`].
    pub offset: Duration,
    /// A random number from 0 to 1.
    pub random: f64,
}

/// How long to wait after a check that finished at `now`.
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

/// Full jitter: a random wait up to the current step, so that a fleet does not return all at once after an outage. The
/// server's Retry-After is the minimum, within the same cap.
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
    /// When the last check finished.
    pub since: Now,
    /// The wait that [`wait`] returned for it.
    pub wait: Duration,
    /// When the license expires.
    pub expires_at: Option<Timestamp>,
}

/// The time from `now` until the next check; zero when it is due.
///
/// The wait runs on the boot clock, which wall-clock changes do not affect. The checks after an expiry follow the clock
/// that decides about the expiry itself, [`crate::clocks::deciding`], and so must every `wall` here.
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
