//! Announces to webhooks that licenses expire: 30, 7 and 1 days before, and once it has happened.
//!
//! What was announced is in the database, so a notice is given once for each license and expiry, also after a restart or
//! while the server was down. While no webhook wants to know, nothing is looked for.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use log::{info, warn};

use crate::activation_gc::is_steady;
use crate::model::EventType;
use crate::shared::Shared;
use crate::store::{Error, WriteTransaction};
use opterius_base::clock::Timestamp;
use opterius_base::dates::counted;

/// Time between two runs.
const INTERVAL: Duration = Duration::from_secs(20);

/// Licenses that are announced in one transaction: a verification waits no longer than that takes.
const BATCH: u32 = 100;

/// Runs until the sender of `stop` is dropped.
pub fn run(shared: &Arc<Shared>, stop: &Receiver<()>) {
    let mut last = shared.clock.now();
    let mut is_failing = false;
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(INTERVAL) {
        let now = shared.clock.now();
        let was_steady = is_steady(last, now);
        last = now;
        if !was_steady {
            warn!("The clock was set by more than an hour: no expiry is announced until it keeps still");
            continue;
        }
        if !shared.sweeping.is_ours() {
            continue;
        }
        let announced = announce(shared, now.wall);
        match &announced {
            Ok(0) => {}
            Ok(count) => info!("Announced the expiry of {} to webhooks", counted(*count, "license")),
            Err(error) if !is_failing => warn!("Expiries could not be announced: {error}"),
            Err(_) => {}
        }
        is_failing = announced.is_err();
    }
}

/// Announces what is due at `now` and returns the number of licenses.
///
/// # Errors
/// A store error; what was announced up to then persists.
pub fn announce(shared: &Shared, now: Timestamp) -> Result<usize, Error> {
    let mut count: usize = 0;
    loop {
        let due = shared.readers.read(|transaction| {
            let wanted = [EventType::LicenseExpiring, EventType::LicenseExpired];
            let since: Result<Vec<_>, Error> =
                wanted.into_iter().map(|event_type| transaction.wanted_since(event_type)).collect();
            match since?.into_iter().flatten().min() {
                Some(since) => transaction.due_notices(now, since, BATCH),
                None => Ok(Vec::new()),
            }
        })?;
        let announced = shared.writer.change(move |transaction| announce_batch(transaction, &due))?;
        count = count.saturating_add(announced);
        if announced == 0 {
            return Ok(count);
        }
    }
}

fn announce_batch(transaction: &WriteTransaction<'_>, due: &[i64]) -> Result<usize, Error> {
    let mut count: usize = 0;
    for license in due {
        count = count.saturating_add(usize::from(transaction.notify_of_expiry(*license)?));
    }
    Ok(count)
}
