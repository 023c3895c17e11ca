//! The thread that applies check-ins of a burst, which the store writes later, to their activations.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use log::{info, warn};

use crate::commands::progress::Progress;
use crate::shared::Shared;
use crate::store::{DEFERRAL_RATE, Database, Error, MAX_WAIT, WriteTransaction};
use opterius_base::clock::Timestamp;
use opterius_base::dates::counted;

/// Steps in a second while check-ins wait.
const STEPS: u32 = 10;

/// The time between two looks while none waits.
const INTERVAL: Duration = Duration::from_secs(1);

/// The seconds in which about two thirds of those that wait are applied, however many there are.
const SECONDS: u64 = 3600;

/// Check-ins that are applied in one transaction before the start.
const AT_START: u32 = 1000;

/// Applies check-ins until the sender of `stop` is dropped.
pub(crate) fn run(shared: &Arc<Shared>, stop: &Receiver<()>) {
    let mut pause = INTERVAL;
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(pause) {
        pause = match step(shared) {
            Ok(true) => Duration::from_secs(1) / STEPS,
            // The writer logs what prevents changes.
            Ok(false) | Err(_) => INTERVAL,
        };
    }
}

/// Applies some; returns whether more wait.
fn step(shared: &Shared) -> Result<bool, Error> {
    let deferred = shared.readers.read(|transaction| transaction.deferred_check_ins())?;
    let count = deferred.map_or(0, |deferred| deferred.count);
    shared.metrics.deferred(count);
    if count == 0 || !shared.sweeping.is_ours() {
        return Ok(false);
    }
    let most = (DEFERRAL_RATE / STEPS).max(u32::try_from(count / SECONDS / u64::from(STEPS)).unwrap_or(u32::MAX));
    shared.writer.change(move |transaction: &WriteTransaction<'_>| transaction.apply_deferred_check_ins(most))?;
    Ok(count > u64::from(most))
}

/// Applies all before the first question, if the oldest has waited for too long: the license server did not run. If that fails,
/// changes fail, too, and the thread applies them later.
pub(crate) fn apply_old(database: &mut Database, now: Timestamp) {
    match try_apply_old(database, now) {
        Ok(0) => {}
        Ok(count) => info!("Stored {} from before the last stop with their servers", counted(count, "check-in")),
        Err(error) => warn!("Check-ins from before the last stop could not be stored with their servers: {error}"),
    }
}

fn try_apply_old(database: &mut Database, now: Timestamp) -> Result<usize, Error> {
    let deferred = database.read(|transaction| transaction.deferred_check_ins())?;
    if deferred.is_none_or(|deferred| now.since(deferred.oldest) < MAX_WAIT) {
        return Ok(0);
    }
    let _progress = Progress::start_in_service("Storing check-ins from before the last stop");
    let mut total: usize = 0;
    loop {
        match database.change(now, |transaction| transaction.apply_deferred_check_ins(AT_START))? {
            0 => return Ok(total),
            count => total = total.saturating_add(count),
        }
    }
}
