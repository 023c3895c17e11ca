//! The sampler of host metrics.
//!
//! Its thread takes a snapshot every few seconds while clients request metrics, and otherwise sleeps without wake-ups. An
//! unauthenticated route uses it, so requests must be cheap: each response is rendered once per snapshot and shared.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde::Serialize;

use opterius_base::clock::Clock;
use opterius_host::measure::system_stats::{Reading, Snapshot};

/// The number of snapshots kept.
const MAX_SNAPSHOTS: usize = 60;

/// The most requests that can wait for the first snapshot.
const MAX_WAITING: usize = 64;

/// The sampling interval and duration.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The delay of the first snapshot: CPU usage can only be measured over time.
    pub first: Duration,
    /// The interval between snapshots.
    pub interval: Duration,
    /// How long sampling continues after the last request.
    pub idle_timeout: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            interval: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(600),
        }
    }
}

/// The metrics after a snapshot.
#[derive(Debug)]
pub struct Published {
    /// `{"snapshots": […]}`, oldest first.
    pub body: Arc<Vec<u8>>,
    /// The latest snapshot.
    pub latest: Snapshot,
}

/// Receives the metrics after the first snapshot, or `None` if too many requests are waiting.
pub type SnapshotReply = Box<dyn FnOnce(Option<Arc<Published>>) + Send>;

/// The state shared by the handles and the thread.
#[derive(Default)]
struct Shared {
    requested_at: Duration,
    published: Option<Arc<Published>>,
    waiting: Vec<SnapshotReply>,
}

/// A handle to request metrics. The thread ends when all handles are dropped.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Mutex<Shared>>,
    wake: Sender<()>,
}

/// The sampling thread.
pub struct Sampler {
    shared: Arc<Mutex<Shared>>,
    woken: Receiver<()>,
    clock: Arc<dyn Clock>,
    root: PathBuf,
    pace: Pace,
}

#[derive(Serialize)]
struct Body<'a> {
    snapshots: &'a VecDeque<Snapshot>,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// A handle and the sampler for the thread; disk usage is that of the file system of `root`.
    pub fn new(clock: Arc<dyn Clock>, root: PathBuf, pace: Pace) -> (Self, Sampler) {
        let (wake, woken) = bounded(1);
        let shared = Arc::new(Mutex::default());
        (Self { shared: Arc::clone(&shared), wake }, Sampler { shared, woken, clock, root, pace })
    }

    /// The latest metrics, requested `now` after boot; `None` if there are none yet.
    pub fn latest(&self, now: Duration) -> Option<Arc<Published>> {
        let mut shared = lock(&self.shared);
        shared.requested_at = now;
        shared.published.clone()
    }

    /// Calls `reply` with the metrics as soon as there are any.
    pub fn request(&self, now: Duration, reply: SnapshotReply) {
        let mut shared = lock(&self.shared);
        shared.requested_at = now;
        if shared.published.is_none() && shared.waiting.len() < MAX_WAITING {
            shared.waiting.push(reply);
            // A full channel means that a wake-up is already pending.
            let _ = self.wake.try_send(());
        } else {
            let published = shared.published.clone();
            drop(shared);
            reply(published);
        }
    }
}

impl Sampler {
    /// Runs until all handles are dropped.
    pub fn run(self) {
        while self.woken.recv().is_ok() {
            self.sample();
        }
    }

    /// Takes snapshots until there is no more demand.
    fn sample(&self) {
        let mut snapshots = VecDeque::with_capacity(MAX_SNAPSHOTS);
        let mut before = Reading::take(self.clock.boot());
        let mut pause = self.pace.first;
        while self.sleep(pause) && self.has_demand() {
            let reading = Reading::take(self.clock.boot());
            let latest = Snapshot::between(&before, &reading, &self.root);
            if snapshots.len() == MAX_SNAPSHOTS {
                snapshots.pop_front();
            }
            snapshots.push_back(latest);
            self.publish(Published { body: Arc::new(rendered(&snapshots)), latest });
            before = reading;
            pause = self.pace.interval;
        }
    }

    /// Sleeps for `time`; returns false if all handles are dropped.
    fn sleep(&self, time: Duration) -> bool {
        let until = self.clock.monotonic() + time;
        loop {
            let left = until.saturating_duration_since(self.clock.monotonic());
            match self.woken.recv_timeout(left) {
                // Another request waits for the same snapshot.
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Whether there was a recent request; if not, drops the metrics, which would be outdated at the next one.
    fn has_demand(&self) -> bool {
        let mut shared = lock(&self.shared);
        let has_demand = !shared.waiting.is_empty()
            || self.clock.boot().saturating_sub(shared.requested_at) < self.pace.idle_timeout;
        if !has_demand {
            shared.published = None;
        }
        has_demand
    }

    fn publish(&self, published: Published) {
        let published = Arc::new(published);
        let mut shared = lock(&self.shared);
        shared.published = Some(Arc::clone(&published));
        let waiting = std::mem::take(&mut shared.waiting);
        drop(shared);
        for reply in waiting {
            reply(Some(Arc::clone(&published)));
        }
    }
}

fn rendered(snapshots: &VecDeque<Snapshot>) -> Vec<u8> {
    // Numbers always serialize; if not, the Panel can still parse an empty list.
    serde_json::to_vec(&Body { snapshots }).unwrap_or_else(|_| b"{\"snapshots\":[]}".to_vec())
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
