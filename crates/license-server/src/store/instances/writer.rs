//! The writer of one instance among several.

use std::collections::HashSet;
use std::time::Duration;

use super::super::engine::{Connection, Queries, Transaction, Value, params};
use super::super::error::Error;
use super::super::job::{Job, Waiting};
use super::super::transactions::WriteTransaction;
use super::batch::{Asked, Batch};
use super::prefetch::prefetch;
use opterius_base::clock::{Clock, Timestamp};

/// The most changes that are taken from the queue at once.
pub(crate) const BATCH: usize = 64;

/// How long a verification waits for a license that other transactions have locked.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long a verification leaves the way to changes; then it waits for its turn.
const TURN: Duration = Duration::from_millis(100);

/// How long what was in flight when a connection broke is repeated.
const REPEAT_TIME: Duration = Duration::from_secs(1);

/// Licenses are locked by number; one that another transaction has locked is left out.
const LOCK: &str = "SELECT id FROM licenses WHERE id IN (SELECT unnest(?1)) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED";

const LOCK_ONE: &str = "SELECT id FROM licenses WHERE key = ?1 FOR NO KEY UPDATE";

const NUMBERS: &str =
    "SELECT nextval(pg_get_serial_sequence('events', 'id')) FROM generate_series(1, ?1) ORDER BY 1 DESC";

/// What became of the changes taken from the queue.
#[derive(Default)]
pub(crate) struct Done {
    /// Changes that were committed.
    pub changes: u64,
    /// Commits.
    pub commits: u64,
    /// The last failure of the database, if one was seen.
    pub failure: Option<Error>,
}

/// The writer of one instance.
pub(crate) struct InstanceWriter<'w> {
    connection: &'w Connection,
    clock: &'w dyn Clock,
    done: Done,
}

impl<'w> InstanceWriter<'w> {
    /// A writer on this connection.
    pub(crate) fn new(connection: &'w Connection, clock: &'w dyn Clock) -> Self {
        Self { connection, clock, done: Done::default() }
    }

    /// Makes the changes and answers them, except those that have to wait for a license: these are returned.
    pub(crate) fn make(mut self, jobs: Vec<Waiting>) -> (Vec<Waiting>, Done) {
        let (verifications, changes): (Vec<Waiting>, Vec<Waiting>) =
            jobs.into_iter().partition(|waiting| waiting.job.asked().is_some());
        let waiting = self.verify(verifications);
        let mut last = self.done.failure.clone();
        for change in changes {
            match last.clone().filter(|_| self.has_waited(&change)) {
                // While the database is gone, or another transaction keeps changes from beginning, each attempt takes its time:
                // what comes after must not wait for all of them.
                Some(failure) => change.job.finish(Some(failure)),
                None => last = self.change(change.job),
            }
        }
        (waiting, self.done)
    }

    /// Whether a change has waited so long that it is not attempted after another one has failed.
    fn has_waited(&self, waiting: &Waiting) -> bool {
        self.clock.monotonic().saturating_duration_since(waiting.since) >= REPEAT_TIME
    }

    /// Makes a change that is no verification, alone; returns the failure of the database.
    fn change(&mut self, mut job: Box<dyn Job>) -> Option<Error> {
        let now = self.clock.wall();
        let made = (|| {
            let open = self.connection.begin_change()?;
            let keep = job.apply(&WriteTransaction::new(self.connection, now));
            if keep { open.commit() } else { Ok(()) }
        })();
        let failure = made.err();
        self.count(1, failure.as_ref());
        job.finish(failure.clone());
        failure
    }

    fn count(&mut self, changes: usize, failure: Option<&Error>) {
        match failure {
            None if changes == 0 => {}
            None => {
                self.done.commits = self.done.commits.saturating_add(1);
                self.done.changes = self.done.changes.saturating_add(u64::try_from(changes).unwrap_or(0));
            }
            // Others have locked what this change needs; the database works.
            Some(Error::Busy) => {}
            Some(failure) => self.done.failure = Some(failure.clone()),
        }
    }

    /// Decides verifications; returns those that have to wait.
    fn verify(&mut self, mut jobs: Vec<Waiting>) -> Vec<Waiting> {
        if jobs.is_empty() {
            return jobs;
        }
        let decided = self.decide_unlocked(&mut jobs);
        let Some(undecided) = self.answer(jobs, decided) else { return Vec::new() };
        self.verify_locked(undecided)
    }

    /// Decides verifications under the locks of their licenses; returns those whose license is locked by others.
    fn verify_locked(&mut self, mut jobs: Vec<Waiting>) -> Vec<Waiting> {
        if jobs.is_empty() {
            return jobs;
        }
        // The order in which all instances lock.
        jobs.sort_by_key(|waiting| waiting.license);
        let decided = self.decide_locked(&mut jobs);
        let undecided = self.answer(jobs, decided).unwrap_or_default();
        let now = self.clock.monotonic();
        let (waiting, late): (Vec<Waiting>, Vec<Waiting>) =
            undecided.into_iter().partition(|waiting| now.saturating_duration_since(waiting.since) < PATIENCE);
        late.into_iter().for_each(|waiting| waiting.job.finish(Some(Error::Busy)));
        waiting
    }

    /// Answers the verifications that were decided; returns the others. After a failure each is decided alone, so that one
    /// does not fail the others, and all are answered.
    fn answer(&mut self, jobs: Vec<Waiting>, decided: Result<HashSet<usize>, Error>) -> Option<Vec<Waiting>> {
        let undecided = match decided {
            Ok(undecided) => undecided,
            Err(error) => {
                self.repeat_alone(jobs, &error);
                return None;
            }
        };
        self.count(jobs.len().saturating_sub(undecided.len()), None);
        let mut rest = Vec::new();
        for (number, waiting) in jobs.into_iter().enumerate() {
            if undecided.contains(&number) {
                rest.push(waiting);
            } else {
                waiting.job.finish(None);
            }
        }
        Some(rest)
    }

    /// Decides by what is found for all, and refreshes the servers that keep their slots. Returns the numbers of those that
    /// need the lock of their license.
    fn decide_unlocked(&self, jobs: &mut [Waiting]) -> Result<HashSet<usize>, Error> {
        let now = self.clock.wall();
        let open = self.connection.begin_one_change()?;
        let found = prefetch(self.connection, asked(jobs), now)?;
        for (waiting, found) in jobs.iter_mut().zip(&found) {
            waiting.license = found.license_number();
        }
        let batch = Batch::unlocked(found, now);
        let mut undecided = self.apply(jobs, &HashSet::new(), &batch, now)?;
        undecided.extend(batch.flush(self.connection)?);
        open.map_or(Ok(()), Transaction::commit)?;
        Ok(undecided)
    }

    /// Decides under the locks. Returns the numbers of those whose license is locked by others, or is gone.
    fn decide_locked(&self, jobs: &mut [Waiting]) -> Result<HashSet<usize>, Error> {
        let now = self.clock.wall();
        let open = self.connection.begin_verifications()?;
        let at = self.clock.monotonic();
        let waits = jobs.iter().any(|job| at.saturating_duration_since(job.since) >= TURN);
        match self.connection.share_changes(waits) {
            Ok(true) => {}
            Ok(false) | Err(Error::Busy) => return Ok((0..jobs.len()).collect()),
            Err(error) => return Err(error),
        }
        let licenses = Value::Integers(jobs.iter().map(|waiting| waiting.license).collect());
        let locked: Vec<i64> = self.connection.query(LOCK, &[licenses], |row| row.get(0))?;
        let locked: HashSet<Option<i64>> = locked.into_iter().map(Some).collect();
        let is_locked = |waiting: &Waiting| locked.contains(&waiting.license);
        let undecided: HashSet<usize> =
            (0..).zip(jobs.iter()).filter_map(|(number, waiting)| (!is_locked(waiting)).then_some(number)).collect();
        if undecided.len() == jobs.len() {
            return Ok(undecided);
        }
        let found = prefetch(self.connection, asked(jobs), now)?;
        let count = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
        let numbers = self.connection.query(NUMBERS, params![count], |row| row.get(0))?;
        let batch = Batch::locked(found, numbers, now);
        self.apply(jobs, &undecided, &batch, now)?;
        batch.flush(self.connection)?;
        open.commit()?;
        Ok(undecided)
    }

    /// Applies the verifications but those that are left out; returns the numbers of those that need the lock.
    fn apply(
        &self,
        jobs: &mut [Waiting],
        left_out: &HashSet<usize>,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<HashSet<usize>, Error> {
        let transaction = WriteTransaction::of_batch(self.connection, batch, now);
        let mut undecided = HashSet::new();
        for (number, waiting) in jobs.iter_mut().enumerate().filter(|(number, _)| !left_out.contains(number)) {
            batch.begin(number);
            let is_decided = waiting.job.apply(&transaction);
            if batch.needs_lock() {
                undecided.insert(number);
            } else if !is_decided {
                return Err(Error::Failed("a statement of a batch failed".to_owned()));
            }
        }
        Ok(undecided)
    }

    /// Decides and answers each verification in a transaction of its own. Repeating one is harmless: a server that has its slot
    /// is refreshed.
    fn repeat_alone(&mut self, jobs: Vec<Waiting>, cause: &Error) {
        let mut lost = cause.is_unavailable().then(|| cause.clone());
        for mut waiting in jobs {
            let made = match &lost {
                Some(error) if self.has_waited(&waiting) => Err(error.clone()),
                _ => self.decide_alone(&mut waiting),
            };
            lost = made.as_ref().err().filter(|error| error.is_unavailable() || **error == Error::Busy).cloned();
            self.count(1, made.as_ref().err());
            waiting.job.finish(made.err());
        }
    }

    fn decide_alone(&self, waiting: &mut Waiting) -> Result<(), Error> {
        let now = self.clock.wall();
        let open: Transaction<'_> = self.connection.begin_verifications()?;
        self.connection.share_changes(true)?;
        if let Some(asked) = waiting.job.asked() {
            self.connection.query_optional(LOCK_ONE, params![asked.key], |row| row.get::<i64>(0))?;
        }
        if waiting.job.apply(&WriteTransaction::new(self.connection, now)) { open.commit() } else { Ok(()) }
    }
}

fn asked(jobs: &[Waiting]) -> Vec<Asked> {
    jobs.iter().filter_map(|waiting| waiting.job.asked().cloned()).collect()
}
