//! The one writer: changes of many requests share one commit, and each is answered when it is on the disk.
//!
//! While a commit waits for the disk, the next requests gather; so the busier the server, the more of them share one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use log::{error, info, warn};
use rusqlite::TransactionBehavior;

use super::checkpoint::{self, Checkpointer, Log};
use super::database::Database;
use super::error::Error;
use super::transactions::WriteTransaction;
use crate::model::{Action, Actor, Role};
use opterius_base::clock::{Clock, Now};

/// Changes that wait at one time. Each connection has one at most, so it is never full in practice.
const WAITING: usize = 4096;

/// Changes that share a commit.
const BATCH: usize = 256;

/// How far the clock may drift from the machine's own count before it counts as having been set.
const STEP: i64 = 60;

/// What the writer has done, for `/health` and `/metrics`.
#[derive(Debug, Default)]
pub struct Work {
    /// Commits that came through.
    pub commits: AtomicU64,
    /// Changes in them.
    pub changes: AtomicU64,
    /// Time spent in committing, in microseconds.
    pub microseconds: AtomicU64,
    /// Whether the last commit failed.
    pub failing: AtomicBool,
}

/// The handle by which changes are asked for.
#[derive(Clone)]
pub struct Writer {
    queue: Sender<Box<dyn Job>>,
    work: Arc<Work>,
}

/// The thread's end.
pub struct WriterThread {
    queue: Receiver<Box<dyn Job>>,
    work: Arc<Work>,
    database: Database,
    clock: Arc<dyn Clock>,
    last: Now,
    /// SQLite's own checkpoints without it.
    log: Option<Log>,
}

trait Job: Send {
    /// Does the change; false when it is to be undone.
    fn apply(&mut self, transaction: &WriteTransaction<'_>) -> bool;

    /// Tells whoever waits: what the change returned, unless the commit failed.
    fn finish(self: Box<Self>, failure: Option<Error>);
}

struct Task<T, E, C, F> {
    change: Option<C>,
    result: Option<Result<T, E>>,
    finish: F,
}

impl<T, E, C, F> Job for Task<T, E, C, F>
where
    T: Send,
    E: Send + From<Error>,
    C: Send + FnOnce(&WriteTransaction<'_>) -> Result<T, E>,
    F: Send + FnOnce(Result<T, E>),
{
    fn apply(&mut self, transaction: &WriteTransaction<'_>) -> bool {
        let Some(change) = self.change.take() else { return false };
        let result = change(transaction);
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn finish(self: Box<Self>, failure: Option<Error>) {
        // A refusal, too, may rest on a change of the same batch that did not come through.
        let result = match (failure, self.result) {
            (None, Some(result)) => result,
            (Some(error), _) => Err(error.into()),
            (None, None) => Err(Error::Failed("the change was not tried".to_owned()).into()),
        };
        (self.finish)(result);
    }
}

impl Writer {
    /// A writer over this database, and what its thread runs.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> (Self, WriterThread) {
        let (sender, receiver) = bounded(WAITING);
        let work = Arc::new(Work::default());
        let last = clock.now();
        let writer_thread = WriterThread { queue: receiver, work: Arc::clone(&work), database, clock, last, log: None };
        (Self { queue: sender, work }, writer_thread)
    }

    /// What the writer has done.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// Asks for a change. `finish` is called on the writer's thread once the change is on the disk, or will not be.
    pub fn submit<T, E>(
        &self,
        change: impl FnOnce(&WriteTransaction<'_>) -> Result<T, E> + Send + 'static,
        finish: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: Send + From<Error> + 'static,
    {
        let task = Task { change: Some(change), result: None, finish };
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) = self.queue.try_send(Box::new(task)) {
            job.finish(Some(Error::Busy));
        }
    }

    /// Asks for a change and waits for it.
    ///
    /// # Errors
    /// What `change` returns, or the store's own; nothing was changed then.
    pub fn change<T, E>(
        &self,
        change: impl FnOnce(&WriteTransaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + From<Error> + 'static,
    {
        let (sender, receiver) = bounded(1);
        let finish = move |result| {
            // Whoever asked waits below.
            let _ = sender.send(result);
        };
        self.submit(change, finish);
        receiver.recv().unwrap_or_else(|_| Err(Error::Busy.into()))
    }
}

impl WriterThread {
    /// Takes the checkpoints out of the commits; what the thread for them runs.
    ///
    /// # Errors
    /// The store's own.
    pub fn checkpointer(&mut self) -> Result<Checkpointer, Error> {
        let (log, checkpointer) = checkpoint::take_over(&self.database, None)?;
        self.log = Some(log);
        Ok(checkpointer)
    }

    /// Writes until nobody can ask any more.
    pub fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            let mut batch = vec![first];
            batch.extend(self.queue.try_iter().take(BATCH - 1));
            let failure = self.commit(&mut batch).err();
            self.note(failure.as_ref());
            let transaction = u64::try_from(batch.len()).unwrap_or(0);
            for job in batch {
                job.finish(failure.clone());
            }
            if let Some(log) = &mut self.log {
                log.note_growth(transaction, &self.database);
            }
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Error> {
        let now = self.clock.now();
        let began = self.clock.monotonic();
        let step = step(self.last, now);
        let sql = self.database.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let transaction = WriteTransaction::new(&sql, now.wall);
        if let Some(step) = step {
            note_step(&transaction, step)?;
        }
        for job in batch.iter_mut() {
            sql.prepare_cached("SAVEPOINT change")?.execute([])?;
            if !job.apply(&transaction) {
                if sql.is_autocommit() {
                    return Err(Error::Failed("everything was undone: the disk is full or fails".to_owned()));
                }
                sql.prepare_cached("ROLLBACK TO change")?.execute([])?;
            }
            sql.prepare_cached("RELEASE change")?.execute([])?;
        }
        sql.commit()?;
        self.last = now;
        let count = |counter: &AtomicU64, by: u64| counter.fetch_add(by, Ordering::Relaxed);
        count(&self.work.commits, 1);
        count(&self.work.changes, u64::try_from(batch.len()).unwrap_or(0));
        let took = self.clock.monotonic().saturating_duration_since(began);
        count(&self.work.microseconds, u64::try_from(took.as_micros()).unwrap_or(0));
        Ok(())
    }

    /// Says once that nothing can be stored, and once that it can be again.
    fn note(&mut self, failure: Option<&Error>) {
        let was_failing = self.work.failing.load(Ordering::Relaxed);
        // A commit that changed nothing, as after a denial, needs no room on the disk and proves nothing.
        let unproven = if was_failing && failure.is_none() { self.prove().err() } else { None };
        let failure = failure.or(unproven.as_ref());
        let failed = failure.is_some();
        if self.work.failing.swap(failed, Ordering::Relaxed) == failed {
            return;
        }
        match failure {
            Some(failure) => error!("Nothing can be stored: {failure}. Requests are answered with 503 until it can"),
            None => info!("Changes can be stored again"),
        }
    }

    /// Stores something that was not there.
    fn prove(&mut self) -> Result<(), Error> {
        let now = self.clock.wall();
        self.database.change(now, |transaction| transaction.put_random_setting("proof_of_storage"))
    }
}

/// By how many seconds the clock was set between two readings; none when it only ran.
fn step(before: Now, now: Now) -> Option<i64> {
    let ran = i64::try_from(now.boot.saturating_sub(before.boot).as_secs()).unwrap_or(i64::MAX);
    let step = now.wall.unix().saturating_sub(before.wall.unix()).saturating_sub(ran);
    (step.abs() > STEP).then_some(step)
}

/// The history is in the order of what happened; where its times jump, it says why.
fn note_step(transaction: &WriteTransaction<'_>, step: i64) -> Result<(), Error> {
    let length = Duration::from_secs(step.unsigned_abs()).as_secs();
    let direction = if step > 0 { "forward" } else { "back" };
    let sentence = format!("the clock of the license server was set {direction} by {length} s");
    warn!("{sentence}. Expiry and activity are judged by it: check it with timedatectl");
    let actor = Actor { role: Role::System, name: "clock".to_owned() };
    transaction.add_event(None, &actor, Action::ClockStepped, &sentence)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_base::clock::Timestamp;

    #[test]
    fn a_clock_that_was_set_is_noticed_and_one_that_runs_is_not() {
        let at = |wall, boot| Now { wall: Timestamp::from_unix(wall), boot: Duration::from_secs(boot) };
        let table = [
            (at(1000, 10), at(1000, 10), None),
            (at(1000, 10), at(87_400, 86_410), None),
            (at(1000, 10), at(1060, 10), None),
            (at(1000, 10), at(1061, 10), Some(61)),
            (at(1000, 10), at(940, 10), None),
            (at(1000, 10), at(939, 10), Some(-61)),
            (at(100_000, 10), at(20, 20), Some(-99_990)),
        ];
        for (before, now, expected) in table {
            assert_eq!(step(before, now), expected, "{before:?} {now:?}");
        }
    }
}
