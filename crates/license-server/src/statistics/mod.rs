//! The figures of the overview: verifications are counted in memory as they are answered, and all licenses and servers are
//! counted from time to time.
//!
//! A verification writes nothing for them. What was counted is added to the row of its day once a minute and when the server
//! stops; if it is killed, at most the last minute is missing.

pub mod count;
pub mod daily_checks;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use log::warn;
use rustix::process::setpriority_process;

use self::count::{BATCH, Count};
use crate::model::{Checks, Day, Figures};
use crate::shared::Shared;
use crate::store::{Error, WriteTransaction};

/// Time between two commits.
const INTERVAL: Duration = Duration::from_secs(60);

/// The pause after a count, in times of what the count took, so that it costs at most a hundredth of a processor.
const REST: u32 = 100;

/// The nice value of the thread: verifications go first.
const NICE: i32 = 10;

/// Runs until the sender of `stop` is dropped.
pub fn run(shared: &Arc<Shared>, stop: &Receiver<()>) {
    // On Linux this is about the calling thread. If it fails, the thread has the usual priority.
    let _ = setpriority_process(None, NICE);
    let mut due = shared.clock.monotonic();
    let mut was_failing = false;
    loop {
        let began = shared.clock.monotonic();
        let done = if began < due || !shared.sweeping.is_ours() {
            store(shared, None)
        } else {
            let done = update(shared);
            let took = shared.clock.monotonic().saturating_duration_since(began);
            due = began + took.saturating_mul(REST);
            done
        };
        if let Err(error) = &done
            && !was_failing
        {
            warn!("The figures of the overview could not be stored: {error}");
        }
        was_failing = done.is_err();
        if !matches!(stop.recv_timeout(INTERVAL), Err(RecvTimeoutError::Timeout)) {
            return;
        }
    }
}

/// Counts everything and stores it.
///
/// # Errors
/// A store error; what is not stored stays in memory.
pub fn update(shared: &Shared) -> Result<(), Error> {
    let now = shared.clock.wall();
    let figures = Count::of(now, |from| shared.readers.read(|transaction| transaction.figures_part(from, BATCH, now)))?;
    store(shared, Some(figures))
}

/// Stores the verifications since the last time, and the figures if there are new ones. Today gets a row in any case,
/// because that tells a day without verifications from one on which the server did not run.
///
/// # Errors
/// A store error; what is not stored stays in memory.
pub(crate) fn store(shared: &Shared, figures: Option<Figures>) -> Result<(), Error> {
    let counted = shared.daily_checks.take();
    let added = counted.clone();
    let stored = shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        for (day, checks) in added {
            transaction.add_to_day(day, checks, None)?;
        }
        transaction.add_to_day(Day::of(transaction.now()), Checks::default(), None)?;
        if let Some(figures) = figures {
            transaction.put_figures(&figures)?;
        }
        Ok(())
    });
    if stored.is_err() {
        shared.daily_checks.put_back(counted);
    }
    stored
}
