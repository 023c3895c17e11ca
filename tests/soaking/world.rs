//! The shared state of a phase: the model, the Agent's clocks, and the counters.

use crate::model::{Belief, Moment, Observation, Outcome};
use crate::support::eventually;
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// The shared state of a phase.
pub struct World {
    pub port: u16,
    inner: Mutex<Inner>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    violation: Mutex<Option<String>>,
    calm: AtomicBool,
    over: AtomicBool,
}

/// State that changes together.
pub struct Inner {
    pub belief: Belief,
    /// Offset of the Agent's wall clock, in seconds.
    pub wall: i64,
    /// Offset of its boot clock, in seconds.
    pub boot: i64,
    /// The number of the Agent's process.
    pub life: u64,
    /// Whether the process answers requests.
    pub running: bool,
    /// How often the wall clock was set.
    pub steps: u64,
    pub reachable: bool,
}

/// The state when a request was started.
#[derive(Clone, Copy)]
pub struct Begun {
    generation: u64,
    life: u64,
    steps: u64,
    wall: i64,
}

impl Inner {
    pub fn now(&self) -> Moment {
        let wall = clock_gettime(ClockId::Realtime).tv_sec + self.wall;
        Moment { wall: (wall, wall), boot: self.boot_clock() }
    }

    /// The Agent's boot clock.
    pub fn boot_clock(&self) -> f64 {
        let boot = clock_gettime(ClockId::Boottime);
        (boot.tv_sec + self.boot) as f64 + boot.tv_nsec as f64 / 1e9
    }
}

impl World {
    pub fn new(port: u16) -> World {
        let belief = Belief::new();
        let inner = Inner { belief, wall: 0, boot: 0, life: 0, running: false, steps: 0, reachable: true };
        let (counts, violation) = (Mutex::default(), Mutex::default());
        let (calm, over) = (AtomicBool::new(false), AtomicBool::new(false));
        World { port, inner: Mutex::new(inner), counts, violation, calm, over }
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Starts a request once the Agent answers; none if the phase ends first.
    pub fn begin(&self) -> Option<Begun> {
        let mut begun = None;
        eventually(Duration::from_secs(60), || {
            let mut inner = self.lock();
            let now = inner.now();
            inner.belief.note(now);
            let Inner { life, steps, .. } = *inner;
            begun = inner.running.then(|| Begun { generation: inner.belief.generation, life, steps, wall: now.wall.0 });
            begun.is_some() || self.is_over()
        });
        begun.filter(|_| !self.is_over())
    }

    /// Records a response of the license server to process `life`.
    pub fn received(&self, life: u64, outcome: Outcome) {
        let mut inner = self.lock();
        // Ignore requests of a process that was killed meanwhile.
        if life == inner.life {
            let (now, reachable) = (inner.now(), inner.reachable);
            inner.belief.received(outcome, reachable, now);
            self.count("license checks");
        }
    }

    /// Checks an observation from a request that started at `begun`.
    pub fn observe(&self, seen: &Observation, begun: Begun) {
        let mut inner = self.lock();
        let now = inner.now();
        let moment = Moment { wall: (begun.wall.min(now.wall.0), now.wall.1), boot: now.boot };
        match inner.belief.observe(seen, begun.generation, moment) {
            Ok(true) => self.count(seen.kind()),
            Ok(false) => self.count("standings seen across a change"),
            Err(contradiction) => self.violated(&format!("an impossible license state: {contradiction}")),
        }
    }

    /// Whether the Agent has been killed since.
    pub fn was_killed(&self, begun: Begun) -> bool {
        let inner = self.lock();
        inner.life != begun.life || !inner.running
    }

    /// Whether the Agent's wall clock has been set since.
    pub fn was_set(&self, begun: Begun) -> bool {
        self.lock().steps != begun.steps
    }

    pub fn count(&self, what: &'static str) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
    }

    /// Records the maximum of a number.
    pub fn highest(&self, what: &'static str, number: usize) {
        let mut counts = self.counts.lock().unwrap();
        let highest = counts.entry(what).or_default();
        *highest = (*highest).max(number as u64);
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().unwrap().clone()
    }

    /// Records a violation. The first one ends the phase.
    pub fn violated(&self, what: &str) {
        self.violation.lock().unwrap().get_or_insert_with(|| what.to_owned());
        self.end();
    }

    pub fn violation(&self) -> Option<String> {
        self.violation.lock().unwrap().clone()
    }

    /// Ends the faults. The account threads finish their current account.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}
