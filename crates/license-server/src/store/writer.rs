//! The writer thread: it combines the changes of several requests in one commit and answers each request once the commit
//! is on disk.
//!
//! While a commit waits for the disk, further requests queue up. So the busier the server, the more requests share a commit.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use log::{error, info, warn};

use super::checkpoint::{self, CheckpointTrigger, Checkpointer};
use super::database::Database;
use super::deferral::Allowance;
use super::error::Error;
use super::instances::batch::Asked;
use super::instances::writer::{self as instance, InstanceWriter};
use super::job::{Change, Job, Verification, Waiting};
use super::transactions::WriteTransaction;
use crate::model::{Action, Actor, Role};
use opterius_base::clock::{Clock, Now};

/// The maximum number of queued changes. Each connection has at most one, so the queue never fills in practice.
const QUEUE: usize = 4096;

/// Pages that the changes of a commit share: the ends of tables that grow.
const SHARED_PAGES: u64 = 2;

/// The maximum number of changes in one commit.
const BATCH: usize = 256;

/// How often the writer looks whether the database can be changed, if there is nothing to do.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How often the clock is compared with that of the database.
const COMPARISON_INTERVAL: Duration = Duration::from_secs(60);

/// How often verifications are tried again that wait for a license.
const RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// The difference between wall clock and boot time, in seconds, that counts as a clock step.
const MIN_STEP: i64 = 60;

/// Statistics for `/health` and `/metrics`.
#[derive(Debug, Default)]
pub struct Work {
    /// Successful commits.
    pub commits: AtomicU64,
    /// Changes in these commits.
    pub changes: AtomicU64,
    /// Time spent on commits, in microseconds.
    pub microseconds: AtomicU64,
    /// Whether the last commit failed.
    pub failing: AtomicBool,
}

/// The handle for submitting changes.
#[derive(Clone)]
pub struct Writer {
    queue: Sender<Box<dyn Job>>,
    work: Arc<Work>,
    is_closed: Arc<AtomicBool>,
    is_among_several: bool,
}

/// The writer thread.
pub struct WriterThread {
    queue: Receiver<Box<dyn Job>>,
    work: Arc<Work>,
    is_closed: Arc<AtomicBool>,
    database: Database,
    clock: Arc<dyn Clock>,
    readings: Arc<Mutex<Readings>>,
    /// `None` leaves checkpoints to SQLite.
    checkpoints: Option<CheckpointTrigger>,
    /// `None` writes each check-in at once.
    allowance: Option<Allowance>,
    /// Whether it records steps of the clock and warns about differences.
    watches_clock: bool,
}

/// What the writers of one process know of the clock.
struct Readings {
    /// The last one.
    last: Now,
    /// When it was last compared with the clock of the database.
    compared_at: Option<Instant>,
    /// Whether it differed then.
    differed: bool,
}

impl Writer {
    /// Creates the handle and the thread of the writer of this database.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> (Self, WriterThread) {
        let (sender, receiver) = bounded(QUEUE);
        let work = Arc::new(Work::default());
        let is_closed = Arc::new(AtomicBool::new(false));
        let is_among_several = database.location().file().is_none();
        let readings = Readings { last: clock.now(), compared_at: None, differed: false };
        let writer_thread = WriterThread {
            queue: receiver,
            work: Arc::clone(&work),
            is_closed: Arc::clone(&is_closed),
            database,
            clock,
            readings: Arc::new(Mutex::new(readings)),
            checkpoints: None,
            allowance: None,
            watches_clock: true,
        };
        (Self { queue: sender, work, is_closed, is_among_several }, writer_thread)
    }

    /// The statistics.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// Whether other instances can write into the same database.
    pub fn is_among_several(&self) -> bool {
        self.is_among_several
    }

    /// Submits a change. `finish` is called on the writer thread once the change is on disk or has failed.
    pub fn submit<T, E>(
        &self,
        change: impl FnOnce(&WriteTransaction<'_>) -> Result<T, E> + Send + 'static,
        finish: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: Send + From<Error> + 'static,
    {
        self.queue(Box::new(Change::new(change, finish)));
    }

    /// Submits a verification, which will look up what `asked` says. Where several instances change the database, it can be
    /// decided more than once: the last decision counts.
    pub fn verify<T, E>(
        &self,
        asked: Asked,
        decide: impl Fn(&WriteTransaction<'_>) -> Result<T, E> + Send + 'static,
        finish: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: Send + From<Error> + 'static,
    {
        self.queue(Box::new(Verification::new(asked, decide, finish)));
    }

    fn queue(&self, job: Box<dyn Job>) {
        if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) = self.queue.try_send(job) {
            job.finish(Some(Error::Busy));
        }
    }

    /// Makes a change and waits until it is on disk.
    ///
    /// # Errors
    /// What `change` returns, or a store error; nothing was changed.
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
            // The caller waits below.
            let _ = sender.send(result);
        };
        self.submit(change, finish);
        receiver.recv().unwrap_or_else(|_| Err(Error::Busy.into()))
    }

    /// Waits for what is queued. With SQLite, nothing that comes later is written to the file.
    pub fn close(&self) {
        // The writer sets this by itself, so that it does not end before it has answered.
        let is_closed = Arc::clone(&self.is_closed);
        let _ = self.change(move |_| {
            is_closed.store(true, Ordering::Relaxed);
            Ok::<(), Error>(())
        });
    }
}

impl WriterThread {
    /// Moves checkpoints out of the commits, to the returned thread, and writes check-ins of a burst in two steps. `None` if the
    /// database has no checkpoints of ours.
    ///
    /// # Errors
    /// A store error.
    pub fn checkpointer(&mut self) -> Result<Option<Checkpointer>, Error> {
        let Some((trigger, checkpointer)) = checkpoint::channel(&self.database, None)? else { return Ok(None) };
        self.checkpoints = Some(trigger);
        self.allowance = Some(Allowance::new(self.clock.monotonic()));
        Ok(Some(checkpointer))
    }

    /// A second thread for the same changes, with a connection of its own: one decides and signs while the other waits for the
    /// database. `None` with SQLite, which has one writer.
    ///
    /// # Errors
    /// A store error.
    pub fn second(&self) -> Result<Option<Self>, Error> {
        if self.database.location().file().is_some() {
            return Ok(None);
        }
        let mut database = Database::open(self.database.location())?;
        database.limit_to_requests();
        Ok(Some(Self {
            queue: self.queue.clone(),
            work: Arc::clone(&self.work),
            is_closed: Arc::clone(&self.is_closed),
            database,
            clock: Arc::clone(&self.clock),
            readings: Arc::clone(&self.readings),
            checkpoints: None,
            allowance: None,
            watches_clock: self.watches_clock,
        }))
    }

    /// Leaves the clock to another process that writes into the same database.
    #[must_use]
    pub fn without_clock_steps(mut self) -> Self {
        self.watches_clock = false;
        self
    }

    /// Runs until all handles are dropped, or one is closed.
    pub fn run(mut self) {
        if self.database.connection.sqlite().is_none() {
            return self.run_among_several();
        }
        while let Ok(first) = self.queue.recv() {
            let mut batch = vec![first];
            batch.extend(self.queue.try_iter().take(BATCH - 1));
            let committed = self.commit(&mut batch);
            let (pages, failure) = (committed.clone().unwrap_or_default(), committed.err());
            self.log_failure(failure.as_ref());
            for job in batch {
                job.finish(failure.clone());
            }
            if let Some(checkpoints) = &mut self.checkpoints {
                checkpoints.after_commit(pages, &self.database);
            }
            if self.is_closed.load(Ordering::Relaxed) {
                return self.queue.try_iter().for_each(|job| job.finish(Some(Error::Busy)));
            }
        }
    }

    /// Runs as the writer of one instance among several.
    fn run_among_several(mut self) {
        let mut waiting: Vec<Waiting> = Vec::new();
        loop {
            let patience = if waiting.is_empty() { CHECK_INTERVAL } else { RETRY_INTERVAL };
            match self.queue.recv_timeout(patience) {
                Ok(job) => waiting.push(self.waiting(job)),
                Err(RecvTimeoutError::Timeout) if waiting.is_empty() => {
                    let failure = self.database.connection.check_changes().err();
                    self.log_failure(failure.as_ref());
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) if waiting.is_empty() => return,
                Err(_) => {}
            }
            // Those that wait for a license hold up no others.
            let most = waiting.len().saturating_add(instance::BATCH);
            while waiting.len() < most
                && let Ok(job) = self.queue.try_recv()
            {
                waiting.push(self.waiting(job));
            }
            self.record_step_among_several();
            self.compare_clocks();
            let began = self.clock.monotonic();
            let (undecided, done) = InstanceWriter::new(&self.database.connection, &*self.clock).make(waiting);
            waiting = undecided;
            let took = self.clock.monotonic().saturating_duration_since(began);
            self.count(done.commits, done.changes, took);
            // Where all waited for others in vain, nothing is known, and requests are waiting: no time for a probe.
            if done.commits > 0 || done.failure.is_some() {
                self.log_failure(done.failure.as_ref());
            }
        }
    }

    /// Warns when this machine's clock differs from that of the database: expiry and activity depend on it, and other instances go
    /// by their own. Warns again only after it was right.
    fn compare_clocks(&self) {
        if !self.watches_clock || !self.is_comparison_due() {
            return;
        }
        // The other writer must not wait for this answer.
        let Ok(Some(theirs)) = self.database.connection.server_time() else { return };
        let difference = self.clock.wall().unix().saturating_sub(theirs);
        let differs = difference.abs() > MIN_STEP;
        let differed = std::mem::replace(&mut self.readings().differed, differs);
        if differs && !differed {
            let (length, direction) = (difference.unsigned_abs(), if difference > 0 { "ahead of" } else { "behind" });
            warn!(
                "The clock of this machine is {length} s {direction} that of PostgreSQL. Expiry and activity depend on the clock: \
                 check both with timedatectl"
            );
        }
    }

    /// Whether the clocks are to be compared now; the other writer then need not.
    fn is_comparison_due(&self) -> bool {
        let now = self.clock.monotonic();
        let mut readings = self.readings();
        let is_recent = |at: Instant| now.saturating_duration_since(at) < COMPARISON_INTERVAL;
        if readings.compared_at.is_some_and(is_recent) {
            return false;
        }
        readings.compared_at = Some(now);
        true
    }

    /// Records a step of the clock in the history, in a transaction of its own. The other writer waits for it, so that nothing has
    /// a later number and an earlier time.
    fn record_step_among_several(&mut self) {
        let readings = Arc::clone(&self.readings);
        let mut readings = lock(&readings);
        let now = self.clock.now();
        let step = step(readings.last, now).filter(|_| self.watches_clock);
        let recorded = step.map(|step| self.database.change(now.wall, |transaction| record_step(transaction, step)));
        if !matches!(recorded, Some(Err(_))) {
            readings.last = now;
        }
    }

    fn readings(&self) -> MutexGuard<'_, Readings> {
        lock(&self.readings)
    }

    fn waiting(&self, job: Box<dyn Job>) -> Waiting {
        Waiting { job, since: self.clock.monotonic(), license: None }
    }

    fn count(&self, commits: u64, changes: u64, took: Duration) {
        let add = |counter: &AtomicU64, by: u64| counter.fetch_add(by, Ordering::Relaxed);
        add(&self.work.commits, commits);
        add(&self.work.changes, changes);
        add(&self.work.microseconds, u64::try_from(took.as_micros()).unwrap_or(0));
    }

    /// Makes the changes; returns about how many pages were written, if each changes one.
    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<u64, Error> {
        let now = self.clock.now();
        let began = self.clock.monotonic();
        let step = step(self.readings().last, now);
        let connection = &self.database.connection;
        let open = connection.begin_change()?;
        let is_burst = self.allowance.as_mut().is_some_and(|allowance| !allowance.take(batch.len(), began));
        let transaction = WriteTransaction::new(connection, now.wall).deferring(is_burst);
        if let Some(step) = step.filter(|_| self.watches_clock) {
            record_step(&transaction, step)?;
        }
        for job in batch.iter_mut() {
            open.attempt(|| job.apply(&transaction))?;
        }
        open.commit()?;
        let more_pages = transaction.more_pages.get();
        self.readings().last = now;
        let took = self.clock.monotonic().saturating_duration_since(began);
        let changes = u64::try_from(batch.len()).unwrap_or(0);
        self.count(1, changes, took);
        Ok(changes.saturating_add_signed(more_pages).saturating_add(SHARED_PAGES))
    }

    /// Logs once when commits start to fail, and once when they work again.
    fn log_failure(&mut self, failure: Option<&Error>) {
        let was_failing = self.work.failing.load(Ordering::Relaxed);
        // A commit without changes, as after a denial, writes nothing and proves nothing.
        let probe_failure = if was_failing && failure.is_none() { self.probe().err() } else { None };
        let failure = failure.or(probe_failure.as_ref());
        let failed = failure.is_some();
        if self.work.failing.swap(failed, Ordering::Relaxed) == failed {
            return;
        }
        match failure {
            Some(failure) => error!("Changes cannot be stored: {failure}. Requests get 503 until they can"),
            None => info!("Changes can be stored again"),
        }
    }

    /// Stores a new random value.
    fn probe(&mut self) -> Result<(), Error> {
        let now = self.clock.wall();
        self.database.change(now, |transaction| transaction.put_random_setting("proof_of_storage"))
    }
}

fn lock(readings: &Mutex<Readings>) -> MutexGuard<'_, Readings> {
    readings.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The clock step between two readings, in seconds; `None` if the clock only advanced.
fn step(before: Now, now: Now) -> Option<i64> {
    let ran = i64::try_from(now.boot.saturating_sub(before.boot).as_secs()).unwrap_or(i64::MAX);
    let step = now.wall.unix().saturating_sub(before.wall.unix()).saturating_sub(ran);
    (step.abs() > MIN_STEP).then_some(step)
}

/// Records the step in the history, to explain a jump in its timestamps.
fn record_step(transaction: &WriteTransaction<'_>, step: i64) -> Result<(), Error> {
    let length = Duration::from_secs(step.unsigned_abs()).as_secs();
    let direction = if step > 0 { "forward" } else { "back" };
    let sentence = format!("the clock of the license server was set {direction} by {length} s");
    warn!("{sentence}. Expiry and activity depend on the clock: check it with timedatectl");
    let actor = Actor { role: Role::System, name: "clock".to_owned() };
    transaction.add_event(None, &actor, Action::ClockStepped, &sentence)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_base::clock::Timestamp;

    #[test]
    fn a_clock_step_is_detected() {
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
