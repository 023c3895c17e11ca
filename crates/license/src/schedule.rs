//! When the next verification is due. Pure: the random number is an argument.
//!
//! A fleet must not move in step, whatever happened to all of it at once: a restart, an outage, a license server that turned it
//! away. Every host therefore has its own second of the day, at which it returns after a verdict, and every retry is random.
//! `benches/fleet` simulates what these rules do to a license server.

use std::time::Duration;

use ring::digest::{SHA256, digest};

use crate::outcome::{Failure, Outcome};
use crate::reason::UNREACHABLE;
use crate::standing::Standing;
use opterius_base::clock::{Now, Timestamp};

/// The time between two checks after a grant.
pub const INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// The time between two checks after a denial, and during [`EXPIRY_WATCH`].
pub const HOURLY: Duration = Duration::from_secs(3600);
/// How long before an expiry the checks become hourly, so that a renewal is noticed in time.
pub const EXPIRY_WATCH: Duration = Duration::from_secs(48 * 3600);
/// The minimum time between the starts of two requested checks.
pub const SPACING: Duration = Duration::from_secs(5);
/// The longest wait between failing checks while the license is restricted as unreachable.
pub const RESTRICTED_CAP: Duration = Duration::from_secs(5 * 60);
/// The longest wait between failing checks during the grace period.
pub const GRACE_CAP: Duration = Duration::from_secs(3 * 3600);

/// How many checks at least fit into what is left of the grace period.
const CHECKS_IN_GRACE: u32 = 3;
/// The longest wait after a first failure that restricts nothing.
const FIRST_RETRY: Duration = Duration::from_secs(600);
/// The longest wait after a first failure while the license is restricted as unreachable; it doubles with each failure.
const BACKOFF_BASE: Duration = Duration::from_secs(5);
/// The shortest wait after a failure, so that jitter never causes a busy loop.
const BACKOFF_FLOOR: Duration = Duration::from_secs(1);
/// Extra checks after an expiry, to notice a renewal booked at the last moment.
const AFTER_EXPIRY: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

/// This host's own second of the day, derived from what identifies it.
pub fn offset(identity: &str) -> Duration {
    let hash = digest(&SHA256, identity.as_bytes());
    let number = hash.as_ref().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Duration::from_secs(number.checked_rem(INTERVAL.as_secs()).unwrap_or(0))
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
    /// This host's second of the day, see [`offset`].
    pub offset: Duration,
    /// A random number from 0 to 1.
    pub random: f64,
}

/// How long to wait after a check that finished at `now`.
pub fn wait(finished: &Finished<'_>, now: Now) -> Duration {
    match finished.outcome {
        Outcome::Granted { .. } => after_grant(finished, now),
        Outcome::Denied { .. } => until_own(HOURLY, finished.offset, now.wall),
        Outcome::Inconclusive(failure) => after_failure(finished, failure, now.wall),
    }
}

fn after_grant(finished: &Finished<'_>, now: Now) -> Duration {
    let usual = until_own(INTERVAL, finished.offset, now.wall);
    let Some(expiry) = finished.expires_at else { return usual };
    let watch = expiry.minus(EXPIRY_WATCH);
    if watch <= now.wall {
        return until_own(HOURLY, finished.offset, now.wall);
    }
    // Many licenses expire at the same midnight: each host begins at its own second of the hour.
    usual.min(watch.since(now.wall).saturating_add(until_own(HOURLY, finished.offset, watch)))
}

/// The time from `now` until this host's own second of the period, or until the next one if that is near.
fn until_own(period: Duration, offset: Duration, now: Timestamp) -> Duration {
    let near = period / 144;
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let left = seconds(offset).saturating_sub(now.unix()).checked_rem_euclid(seconds(period)).unwrap_or(0);
    let left = Duration::from_secs(left.unsigned_abs());
    if left < near { left.saturating_add(period) } else { left }
}

/// A random wait, so that a fleet does not return all at once after an outage. It is not shorter than the server's Retry-After,
/// which is the same for all Agents, and not always as long. The cap holds for both together.
fn after_failure(finished: &Finished<'_>, failure: &Failure, now: Timestamp) -> Duration {
    let (step, cap): (fn(u32) -> Duration, Duration) = match finished.standing {
        standing if standing.reason() == Some(UNREACHABLE) => (hurried, RESTRICTED_CAP),
        Standing::Grace { until } => (unhurried, grace_cap(until.since(now))),
        _ => (unhurried, HOURLY),
    };
    let asked = failure.retry_after.unwrap_or_default();
    let most = step(finished.failures).max(asked.saturating_mul(2)).min(cap);
    // One random wait up to the cap has spread the fleet over it. From then on, shorter waits are only more requests.
    let is_spread = finished.failures > 1 && step(finished.failures.saturating_sub(1)) >= cap;
    let least = if is_spread { cap } else { asked }.min(most * 4 / 5);
    least.saturating_add(most.saturating_sub(least).mul_f64(finished.random.clamp(0.0, 1.0))).max(BACKOFF_FLOOR)
}

/// The longest wait after this many failures while nothing works without the license server.
fn hurried(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    BACKOFF_BASE.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
}

/// The longest wait while nothing is lost: during an outage, each step that a fleet goes through adds one normal load.
fn unhurried(failures: u32) -> Duration {
    if failures <= 1 { FIRST_RETRY } else { Duration::MAX }
}

/// The longest wait with this much of the grace period left. The closer the end, the more often: a license server that returns
/// in time is found before the license is restricted.
fn grace_cap(left: Duration) -> Duration {
    (left / CHECKS_IN_GRACE).clamp(RESTRICTED_CAP, GRACE_CAP).min(left)
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
