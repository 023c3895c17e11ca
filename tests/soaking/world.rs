//! What all threads of a phase share: what the Agent may know, what time it is for the Agent, and what was counted.

use crate::model::{Belief, Moment, Outcome, Seen};
use crate::support::eventually;
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// The world of one phase.
pub struct World {
    pub port: u16,
    inner: Mutex<Inner>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    violation: Mutex<Option<String>>,
    calm: AtomicBool,
    over: AtomicBool,
}

/// What changes together.
pub struct Inner {
    pub belief: Belief,
    /// Seconds by which the Agent's wall clock is ahead.
    pub wall: i64,
    /// Seconds by which its boot clock is.
    pub boot: i64,
    /// Which process of the Agent it is.
    pub life: u64,
    /// Whether that can be asked: it listens and was not killed.
    pub running: bool,
    /// How often the wall clock was set.
    pub steps: u64,
    pub reachable: bool,
}

/// When something was begun, and in which state of things.
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

    /// Begins something as soon as the Agent can be asked; none when it is too late for that.
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

    /// The license server answers this to the Agent's process `life`.
    pub fn received(&self, life: u64, outcome: Outcome) {
        let mut inner = self.lock();
        // Of a process that was killed meanwhile it changes nothing.
        if life == inner.life {
            let (now, reachable) = (inner.now(), inner.reachable);
            inner.belief.received(outcome, reachable, now);
            self.count("license checks");
        }
    }

    /// The Agent has shown this, asked when it was `begun`.
    pub fn sees(&self, seen: &Seen, begun: Begun) {
        let mut inner = self.lock();
        let now = inner.now();
        let moment = Moment { wall: (begun.wall.min(now.wall.0), now.wall.1), boot: now.boot };
        match inner.belief.sees(seen, begun.generation, moment) {
            Ok(true) => self.count(seen.kind()),
            Ok(false) => self.count("standings seen across a change"),
            Err(contradiction) => self.violated(&format!("a wrong standing: {contradiction}")),
        }
    }

    /// Whether the Agent was killed since then.
    pub fn was_killed(&self, begun: Begun) -> bool {
        let inner = self.lock();
        inner.life != begun.life || !inner.running
    }

    /// Whether the Agent's wall clock was set since then.
    pub fn was_set(&self, begun: Begun) -> bool {
        self.lock().steps != begun.steps
    }

    pub fn count(&self, what: &'static str) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
    }

    /// Keeps the highest of these numbers.
    pub fn highest(&self, what: &'static str, number: usize) {
        let mut counts = self.counts.lock().unwrap();
        let highest = counts.entry(what).or_default();
        *highest = (*highest).max(number as u64);
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().unwrap().clone()
    }

    /// Something that must not be. The first one ends the phase.
    pub fn violated(&self, what: &str) {
        self.violation.lock().unwrap().get_or_insert_with(|| what.to_owned());
        self.end();
    }

    pub fn violation(&self) -> Option<String> {
        self.violation.lock().unwrap().clone()
    }

    /// From now on nothing disturbs the Agent, and whoever works with accounts brings them to their end.
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
