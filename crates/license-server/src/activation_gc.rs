//! What happens by the passing of time: activations without a sign of life for 30 days are deleted.
//!
//! No answer waits for it: a slot counts by when it was last seen, and what is to be deleted is not shown.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use log::{info, warn};

use crate::model::{Action, Actor, KEPT_TIME, Life, Role};
use crate::shared::Shared;
use crate::store::{Error, Slot, WriteTransaction};
use opterius_base::clock::{Now, Timestamp};

/// Between two sweeps.
const PAUSE: Duration = Duration::from_secs(3600);

/// Licenses of which the activations are looked at in one read, so that none takes long.
const STRIDE: i64 = 5000;

/// How far the clock may be off before nothing is deleted by it.
const TRUSTED_STEP: Duration = Duration::from_secs(3600);

/// For how long nothing is deleted then: every server that lives checks in meanwhile.
const HELD_TIME: Duration = Duration::from_secs(25 * 3600);

/// Living servers check in once a day, so some do in every minute of a day.
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// An activation seen further in the future than this was seen by a wrong clock.
const FUTURE: Duration = Duration::from_secs(86_400);

/// Sweeps until `stop` has nobody at its other end.
pub fn run(shared: &Arc<Shared>, stop: &Receiver<()>) {
    let mut last = shared.clock.now();
    let mut held_until =
        if has_slept(shared, last.wall) { last.boot.saturating_add(HELD_TIME) } else { Duration::ZERO };
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(PAUSE) {
        let now = shared.clock.now();
        if !is_trusted(last, now) {
            warn!("The clock was set by more than an hour: no activation is deleted for the next 25 hours");
            held_until = now.boot.saturating_add(HELD_TIME);
        }
        last = now;
        if now.boot < held_until {
            continue;
        }
        match activation_gc(shared, now.wall) {
            Ok(0) => {}
            Ok(count) => info!("Deleted {count} activations without a sign of life for 30 days"),
            Err(error) => warn!("Activations without a sign of life could not be deleted: {error}"),
        }
    }
}

/// Whether nobody has checked in for longer than a day: the license server was away, its clock was set meanwhile, or a
/// backup was restored. Then silence says nothing about the servers.
fn has_slept(shared: &Shared, now: Timestamp) -> bool {
    let latest = shared.readers.read(|transaction| transaction.latest_sign());
    let slept = matches!(latest, Ok(Some(latest)) if now.since(latest) > LONGEST_PAUSE);
    if slept {
        warn!("No server has checked in for more than a day: no activation is deleted for the next 25 hours");
    }
    slept
}

fn is_trusted(last: Now, now: Now) -> bool {
    let ran = now.boot.saturating_sub(last.boot);
    let expected = last.wall.plus(ran);
    now.wall.since(expected).max(expected.since(now.wall)) <= TRUSTED_STEP
}

/// Deletes what is to be deleted at `now`; how many.
///
/// # Errors
/// The store's own; what was deleted until then stays deleted.
pub fn activation_gc(shared: &Shared, now: Timestamp) -> Result<usize, Error> {
    let (earliest, latest) = (now.minus(KEPT_TIME), now.plus(FUTURE));
    let mut deleted: usize = 0;
    let mut from = Some(0);
    while let Some(start) = from {
        let expired_activations =
            shared.readers.read(|transaction| transaction.expired_activations(start, STRIDE, earliest, latest))?;
        from = expired_activations.next;
        for stray in expired_activations.found {
            let forgotten = shared.writer.change(move |transaction| tidy(transaction, stray, latest))?;
            deleted = deleted.saturating_add(usize::from(forgotten));
        }
    }
    shared.metrics.forgotten(deleted);
    Ok(deleted)
}

/// Deletes the activation, unless it has shown a sign of life meanwhile; whether it did. One that was seen by a clock in
/// the future is seen now instead: else it would hold its slot until then.
fn tidy(transaction: &WriteTransaction<'_>, (license, stray): (i64, Slot), latest: Timestamp) -> Result<bool, Error> {
    let Some(slot) = transaction.slot(license, stray.ip)? else { return Ok(false) };
    if slot.last_seen_at > latest {
        transaction.set_last_seen(license, slot.ip, transaction.now())?;
        return Ok(false);
    }
    if Life::at(slot.last_seen_at, transaction.now()) != Life::Gone {
        return Ok(false);
    }
    transaction.delete_activation(license, slot.ip)?;
    let actor = Actor { role: Role::System, name: "clock".to_owned() };
    let detail = format!("{}, last seen {}", slot.ip, slot.last_seen_at);
    transaction.add_event(Some(license), &actor, Action::Forgotten, &detail)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumped_is_not_trusted_with_deleting() {
        let at = |wall, boot| Now { wall: Timestamp::from_unix(wall), boot: Duration::from_secs(boot) };
        let table = [
            (at(10_000, 0), at(13_600, 3600), true),
            (at(10_000, 0), at(17_200, 3600), true),
            (at(10_000, 0), at(17_201, 3600), false),
            (at(10_000, 0), at(10_000, 3600), true),
            (at(10_000, 0), at(9_999, 3600), false),
        ];
        for (last, now, expected) in table {
            assert_eq!(is_trusted(last, now), expected, "{last:?} {now:?}");
        }
    }
}
