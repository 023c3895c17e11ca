//! How the machine has been in the last minutes, for whoever watches it now.
//!
//! A thread of its own looks every few seconds while somebody has asked lately; else it sleeps without a wake-up. An open
//! route asks it, so asking costs nothing: an answer is made once for each look and shared.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde::Serialize;

use opterius_base::clock::Clock;
use opterius_host::measure::system_stats::{Reading, Snapshot};

/// How many snapshots are kept.
const KEPT: usize = 60;

/// How many may wait for the first snapshot.
const MAX_WAITING: usize = 64;

/// How often is looked, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From the first question to the first snapshot: a processor's use is known after some time only.
    pub first: Duration,
    /// From one snapshot to the next.
    pub interval: Duration,
    /// How long it goes on after the last question.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_millis(200), interval: Duration::from_secs(5), patience: Duration::from_secs(600) }
    }
}

/// What there is to tell after a look.
#[derive(Debug)]
pub struct Published {
    /// `{"snapshots": […]}`, oldest first.
    pub body: Arc<Vec<u8>>,
    /// The latest of them.
    pub latest: Snapshot,
}

/// What is done with the first snapshot; with none when too many wait for it already.
pub type HelperReply = Box<dyn FnOnce(Option<Arc<Published>>) + Send>;

/// What both sides see.
#[derive(Default)]
struct Board {
    asked_at: Duration,
    published: Option<Arc<Published>>,
    waiting: Vec<HelperReply>,
}

/// The handle of those who ask. The thread ends when all of them are gone.
#[derive(Clone)]
pub struct Metrics {
    board: Arc<Mutex<Board>>,
    wake: Sender<()>,
}

/// The thread's own memory.
pub struct Sampler {
    board: Arc<Mutex<Board>>,
    woken: Receiver<()>,
    clock: Arc<dyn Clock>,
    root: PathBuf,
    pace: Pace,
}

#[derive(Serialize)]
struct Body<'a> {
    snapshots: &'a VecDeque<Snapshot>,
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// A handle, and what the thread runs; it tells of the disk that `root` is on.
    pub fn new(clock: Arc<dyn Clock>, root: PathBuf, pace: Pace) -> (Self, Sampler) {
        let (wake, woken) = bounded(1);
        let board = Arc::new(Mutex::default());
        (Self { board: Arc::clone(&board), wake }, Sampler { board, woken, clock, root, pace })
    }

    /// What is known, asked for `now` after boot; none while nothing is.
    pub fn latest(&self, now: Duration) -> Option<Arc<Published>> {
        let mut board = lock(&self.board);
        board.asked_at = now;
        board.published.clone()
    }

    /// Has what is known replied, as soon as something is.
    pub fn ask(&self, now: Duration, reply: HelperReply) {
        let mut board = lock(&self.board);
        board.asked_at = now;
        if board.published.is_none() && board.waiting.len() < MAX_WAITING {
            board.waiting.push(reply);
            // Full means that a wake-up is on its way already.
            let _ = self.wake.try_send(());
        } else {
            let published = board.published.clone();
            drop(board);
            reply(published);
        }
    }
}

impl Sampler {
    /// Runs until nobody can ask any more.
    pub fn run(self) {
        while self.woken.recv().is_ok() {
            self.watch();
        }
    }

    /// Looks again and again until nobody has asked for long.
    fn watch(&self) {
        let mut snapshots = VecDeque::with_capacity(KEPT);
        let mut before = Reading::take(self.clock.boot());
        let mut pause = self.pace.first;
        while self.pause(pause) && self.is_asked_for() {
            let reading = Reading::take(self.clock.boot());
            let latest = Snapshot::between(&before, &reading, &self.root);
            if snapshots.len() == KEPT {
                snapshots.pop_front();
            }
            snapshots.push_back(latest);
            self.publish(Published { body: Arc::new(rendered(&snapshots)), latest });
            before = reading;
            pause = self.pace.interval;
        }
    }

    /// Waits this long; false when nobody can ask any more.
    fn pause(&self, time: Duration) -> bool {
        let until = self.clock.monotonic() + time;
        loop {
            let left = until.saturating_duration_since(self.clock.monotonic());
            match self.woken.recv_timeout(left) {
                // Somebody else waits for the same.
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Whether somebody has asked lately; if not, what is known is forgotten, because it will be old when somebody does.
    fn is_asked_for(&self) -> bool {
        let mut board = lock(&self.board);
        let in_flight =
            !board.waiting.is_empty() || self.clock.boot().saturating_sub(board.asked_at) < self.pace.patience;
        if !in_flight {
            board.published = None;
        }
        in_flight
    }

    fn publish(&self, published: Published) {
        let published = Arc::new(published);
        let mut board = lock(&self.board);
        board.published = Some(Arc::clone(&published));
        let waiting = std::mem::take(&mut board.waiting);
        drop(board);
        for reply in waiting {
            reply(Some(Arc::clone(&published)));
        }
    }
}

fn rendered(snapshots: &VecDeque<Snapshot>) -> Vec<u8> {
    // Numbers always serialize; were they not to, an empty list is still what the Panel can read.
    serde_json::to_vec(&Body { snapshots }).unwrap_or_else(|_| b"{\"snapshots\":[]}".to_vec())
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
