//! Garbage collection: deletes activations that have not checked in for 30 days, and keeps the use of licenses up to date
//! for lists, and deletes old answers of the vendor API.
//!
//! Verifications do not depend on it: whether an activation holds a slot follows from its last check-in, and the dashboard
//! hides activations that are due for deletion.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use log::{info, warn};

use crate::license_usage;
use crate::model::{Action, ActivationState, Actor, RETENTION_TIME, Role};
use crate::shared::Shared;
use crate::store::{Error, ServerTable, Slot, WriteTransaction};
use opterius_base::clock::{Now, Timestamp};
use opterius_base::dates::counted;

/// Time between two runs.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Licenses whose activations one read transaction scans, so that none takes long.
const BATCH: i64 = 5000;

/// Rows of refused servers that one read transaction scans.
const ROWS: u32 = 1000;

/// A clock step larger than this suspends deletion.
const MAX_CLOCK_STEP: Duration = Duration::from_secs(3600);

/// How long deletion stays suspended: every live server checks in meanwhile.
const HOLD_TIME: Duration = Duration::from_secs(25 * 3600);

/// Live servers check in daily. If none has for longer than this, the license server itself was down.
const MAX_SILENCE: Duration = Duration::from_secs(86_400);

/// A check-in further in the future than this was recorded by a wrong clock.
const MAX_FUTURE: Duration = Duration::from_secs(86_400);

/// Runs until the sender of `stop` is dropped.
pub fn run(shared: &Arc<Shared>, stop: &Receiver<()>) {
    let mut last = shared.clock.now();
    let mut suspended_until =
        if was_silent(shared, last.wall) { last.boot.saturating_add(HOLD_TIME) } else { Duration::ZERO };
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(INTERVAL) {
        let now = shared.clock.now();
        if !is_steady(last, now) {
            warn!("The clock was set by more than an hour: no activation is deleted for the next 25 hours");
            suspended_until = now.boot.saturating_add(HOLD_TIME);
        }
        last = now;
        if !shared.sweeping.is_ours() {
            continue;
        }
        if let Err(error) = license_usage::update(shared, now.wall) {
            warn!("The latest check-ins could not be stored for lists: {error}");
        }
        if let Err(error) = delete_old_answers(shared) {
            warn!("Old answers of the vendor API could not be deleted: {error}");
        }
        if now.boot < suspended_until {
            continue;
        }
        match collect(shared, now.wall) {
            Ok(0) => {}
            Ok(count) => info!("Deleted {} without a check-in for 30 days", counted(count, "activation")),
            Err(error) => warn!("Expired activations could not be deleted: {error}"),
        }
        if let Err(error) = collect_servers(shared, now.wall) {
            warn!("Old refusals could not be deleted: {error}");
        }
    }
}

/// Whether no server has checked in for more than a day: the license server was down, its clock was set, or a backup was
/// restored. Then a missing check-in says nothing about a server.
fn was_silent(shared: &Shared, now: Timestamp) -> bool {
    let latest = shared.readers.read(|transaction| transaction.latest_check_in());
    let is_silent = matches!(latest, Ok(Some(latest)) if now.since(latest) > MAX_SILENCE);
    if is_silent {
        warn!("No server has checked in for more than a day: no activation is deleted for the next 25 hours");
    }
    is_silent
}

/// Whether the wall clock has only advanced between two readings, give or take an hour.
pub(crate) fn is_steady(last: Now, now: Now) -> bool {
    let ran = now.boot.saturating_sub(last.boot);
    let expected = last.wall.plus(ran);
    now.wall.since(expected).max(expected.since(now.wall)) <= MAX_CLOCK_STEP
}

/// Deletes the answers that are kept for repeated calls, once they are too old: they contain license keys.
///
/// # Errors
/// A store error; deletions up to then persist.
pub fn delete_old_answers(shared: &Shared) -> Result<(), Error> {
    while shared.writer.change(|transaction: &WriteTransaction<'_>| transaction.delete_old_answers())? {}
    Ok(())
}

/// Deletes the activations that are expired at `now` and returns their number.
///
/// # Errors
/// A store error; deletions up to then persist.
pub fn collect(shared: &Shared, now: Timestamp) -> Result<usize, Error> {
    let (earliest, latest) = (now.minus(RETENTION_TIME), now.plus(MAX_FUTURE));
    let mut deleted: usize = 0;
    let mut from = Some(0);
    while let Some(start) = from {
        let expired_activations =
            shared.readers.read(|transaction| transaction.expired_activations(start, BATCH, earliest, latest))?;
        from = expired_activations.next;
        for expired in expired_activations.found {
            let is_deleted = shared.writer.change(move |transaction| collect_one(transaction, expired, latest))?;
            deleted = deleted.saturating_add(usize::from(is_deleted));
        }
    }
    shared.metrics.forgotten(deleted);
    Ok(deleted)
}

/// Deletes servers that were last refused 30 days ago, and those that are no longer kept out; returns their number.
///
/// # Errors
/// A store error; deletions up to then persist.
pub fn collect_servers(shared: &Shared, now: Timestamp) -> Result<usize, Error> {
    let latest = now.plus(MAX_FUTURE);
    let mut deleted: usize = 0;
    for (table, earliest) in [(ServerTable::Refusals, now.minus(RETENTION_TIME)), (ServerTable::Blocks, now)] {
        let mut from = Some((0, String::new()));
        while let Some(after) = from {
            let due =
                shared.readers.read(|transaction| transaction.due_servers(table, &after, ROWS, earliest, latest))?;
            from = due.next;
            let count = shared.writer.change(move |transaction: &WriteTransaction<'_>| {
                let mut count: usize = 0;
                for server in due.found {
                    count = count
                        .saturating_add(usize::from(transaction.delete_due_server(table, server, earliest, latest)?));
                }
                Ok::<_, Error>(count)
            })?;
            deleted = deleted.saturating_add(count);
        }
    }
    Ok(deleted)
}

/// Deletes the activation unless it has checked in meanwhile; returns whether it was deleted. A check-in dated in the
/// future is reset to now; otherwise the activation would hold its slot until that date.
fn collect_one(
    transaction: &WriteTransaction<'_>,
    (license, expired): (i64, Slot),
    latest: Timestamp,
) -> Result<bool, Error> {
    let Some(slot) = transaction.slot(license, expired.ip)? else { return Ok(false) };
    if slot.last_seen_at > latest {
        transaction.set_last_seen(license, slot.ip, transaction.now())?;
        return Ok(false);
    }
    if ActivationState::at(slot.last_seen_at, transaction.now()) != ActivationState::Expired {
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
    fn a_clock_step_suspends_deletion() {
        let at = |wall, boot| Now { wall: Timestamp::from_unix(wall), boot: Duration::from_secs(boot) };
        let table = [
            (at(10_000, 0), at(13_600, 3600), true),
            (at(10_000, 0), at(17_200, 3600), true),
            (at(10_000, 0), at(17_201, 3600), false),
            (at(10_000, 0), at(10_000, 3600), true),
            (at(10_000, 0), at(9_999, 3600), false),
        ];
        for (last, now, expected) in table {
            assert_eq!(is_steady(last, now), expected, "{last:?} {now:?}");
        }
    }
}
