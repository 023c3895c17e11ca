//! The thread that stores the refusals that [`crate::refusal_log`] counts.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, select};

use crate::refusal_log::REPEAT;
use crate::shared::Shared;
use crate::store::Error;
use opterius_base::clock::{Clock, SystemClock};

/// The least and the most time between two commits.
const INTERVAL: Duration = Duration::from_secs(1);
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// The pause after a commit, in times of what the commit took. Verifications wait for the disk meanwhile: so a flood of
/// refusals costs them about this part of their time, however slow the disk is.
const REST: u32 = 50;

/// The time until the next attempt after a commit failed.
const RETRY: Duration = Duration::from_secs(30);

/// Stores what is counted, until the sender of `stop` is dropped.
pub(crate) fn run(shared: &Arc<Shared>, stop: &Receiver<()>) {
    let mut pause = Duration::ZERO;
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(pause) {
        pause = match shared.refusal_log.wait(shared.clock.monotonic()) {
            Some(wait) if wait.is_zero() => store(shared).unwrap_or(RETRY),
            wait => select! {
                recv(stop) -> _ => return,
                recv(shared.refusal_log.woken()) -> _ => Duration::ZERO,
                default(wait.unwrap_or(REPEAT)) => Duration::ZERO,
            },
        };
    }
}

/// Stores what is due, and returns the time until the next commit. On the writer thread, so that no refusal is stored after a later grant has deleted it.
///
/// # Errors
/// A store error, which the writer logs; nothing is lost.
fn store(shared: &Arc<Shared>) -> Result<Duration, Error> {
    let now = shared.clock.monotonic();
    // The pause is real time, so what the commit took is, too.
    let began = SystemClock.monotonic();
    let log = Arc::clone(shared);
    let stored = shared.writer.change(move |transaction| log.refusal_log.store(transaction, now))?;
    shared.refusal_log.stored(&stored, now);
    let took = SystemClock.monotonic().saturating_duration_since(began);
    Ok(took.saturating_mul(REST).clamp(INTERVAL, MAX_INTERVAL))
}
