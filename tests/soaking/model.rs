//! A model of the license states that are possible at a time: an independent implementation of the license rules, over all
//! states of knowledge that the Agent can have, as far as they can be observed from outside.
//!
//! A check becomes visible when the license server receives a request. From then on, the Agent may or may not know the
//! response; it does at the latest when it sends the next request, or when its status shows it. Likewise, it may have
//! written its knowledge to disk, and has when its status says so. The model keeps all possibilities, and each response
//! of the Agent must match one of them.

/// The grace period after a grant, and the tolerance for a clock that is behind it, in seconds.
const GRACE: f64 = 48.0 * 3600.0;
const TOLERANCE: i64 = 3600;

/// Longest time of a check from the request until its result is known, in seconds.
const MAX_CHECK_TIME: f64 = 12.0;

/// Seconds by which readings of two clocks in whole seconds can disagree.
const ROUNDING: i64 = 1;

/// A verdict of the license server.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Granted at this time of its clock, until an optional expiry.
    Granted { at: i64, until: Option<i64> },
    /// Denied for a reason.
    Denied { reason: String },
}

/// The result of a check; none if the response was not a verdict.
pub type Outcome = Option<Verdict>;

/// A verdict, when it was requested by the Agent's wall clock and in which boot, and the minimum and maximum uptime that has
/// passed since, up to `since` on the boot clock.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    verdict: Verdict,
    wall: i64,
    boot_of_arrival: u64,
    used: (f64, f64),
    since: f64,
    boot: u64,
}

impl Record {
    /// The record as read by an Agent that starts at `now` in this boot.
    fn read_in(&self, boot: u64, now: Moment) -> Record {
        if self.boot == boot { self.clone() } else { Record { since: now.boot, boot, ..self.clone() } }
    }
}

/// A possible state of the Agent's knowledge.
#[derive(Clone, Debug, PartialEq)]
struct Knowledge {
    record: Option<Record>,
    confirmed: bool,
}

/// A short time span, on the Agent's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The first and the last second of the wall clock.
    pub wall: (i64, i64),
    /// The boot clock at its end.
    pub boot: f64,
}

/// The license state that follows from the knowledge.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub state: &'static str,
    pub source: &'static str,
    pub reason: Option<String>,
}

/// An observation of the Agent.
#[derive(Clone, Debug)]
pub enum Observation {
    /// These members of its status.
    Status { state: String, source: String, reason: Option<String>, cache: String },
    /// The gate allowed a write.
    Passed,
    /// The gate refused a write for this reason.
    Refused(String),
}

impl Observation {
    /// The name of its counter.
    pub fn kind(&self) -> &'static str {
        let Observation::Status { state, source, reason, .. } = self else { return "standings checked: at the gate" };
        match (state.as_str(), source.as_str(), reason.as_deref()) {
            ("active", ..) => "standings checked: active",
            ("grace", ..) => "standings checked: grace",
            (_, _, Some("expired")) => "standings checked: expired",
            (_, "none", _) => "standings checked: never verified",
            (_, _, Some("unreachable")) => "standings checked: grace is over",
            _ => "standings checked: denied",
        }
    }

    fn fits(&self, standing: &Standing) -> bool {
        match self {
            Observation::Status { state, source, reason, .. } => {
                state == standing.state && source == standing.source && *reason == standing.reason
            }
            Observation::Passed => standing.state != "restricted",
            Observation::Refused(reason) => standing.reason.as_ref() == Some(reason),
        }
    }
}

/// A time since the arrival of a verdict, by each clock of the Agent.
#[derive(Clone, Copy)]
struct Passed {
    wall: i64,
    by_wall: i64,
    by_uptime: f64,
    in_boot_of_arrival: bool,
}

/// The license rule.
fn standing(known: &Knowledge, passed: Passed) -> Standing {
    let wall = passed.wall;
    let source = match (&known.record, known.confirmed) {
        (None, _) => "none",
        (Some(_), true) => "server",
        (Some(_), false) => "cache",
    };
    let restricted = |reason: &str| Standing { state: "restricted", source, reason: Some(reason.to_owned()) };
    let (at, until) = match known.record.as_ref().map(|record| &record.verdict) {
        None => return restricted("unreachable"),
        Some(Verdict::Denied { reason }) => return restricted(reason),
        Some(Verdict::Granted { at, until }) => (*at, *until),
    };
    // A wall clock that was set during this boot proves nothing. After a boot, it does as far as both anchors agree.
    let since_answer = wall - at;
    let off = if passed.in_boot_of_arrival { 0.0 } else { passed.by_wall.min(since_answer) as f64 };
    let age = passed.by_uptime.max(off);
    let servers_clock = at + age as i64;
    let deciding = if (wall - servers_clock).abs() > TOLERANCE { servers_clock } else { wall };
    if until.is_some_and(|until| deciding >= until) {
        return restricted("expired");
    }
    if known.confirmed {
        return Standing { state: "active", source, reason: None };
    }
    let rolled_back = passed.by_wall < -TOLERANCE && since_answer < -TOLERANCE;
    if !rolled_back && age < GRACE {
        Standing { state: "grace", source, reason: None }
    } else {
        restricted("unreachable")
    }
}

impl Knowledge {
    fn fails(&self) -> Knowledge {
        Knowledge { confirmed: false, ..self.clone() }
    }

    fn learns(verdict: &Verdict, wall: i64, since: f64, boot: u64) -> Knowledge {
        let (verdict, used) = (verdict.clone(), (-MAX_CHECK_TIME, 0.0));
        let record = Record { verdict, wall, boot_of_arrival: boot, used, since, boot };
        Knowledge { record: Some(record), confirmed: true }
    }

    /// The states at the start and at the end of a moment, after the minimum and the maximum time since the arrival.
    fn standings(&self, moment: Moment) -> [Standing; 2] {
        let Some(record) = &self.record else {
            let passed = Passed { wall: moment.wall.0, by_wall: 0, by_uptime: 0.0, in_boot_of_arrival: true };
            return [standing(self, passed), standing(self, passed)];
        };
        let since = moment.boot - record.since;
        let in_boot_of_arrival = record.boot_of_arrival == record.boot;
        let at = |wall: i64, early: i64, used: f64| Passed {
            wall,
            by_wall: wall - record.wall - early,
            by_uptime: used + since,
            in_boot_of_arrival,
        };
        let latest = MAX_CHECK_TIME as i64 + ROUNDING;
        [standing(self, at(moment.wall.0, latest, record.used.0)), standing(self, at(moment.wall.1, 0, record.used.1))]
    }
}

/// All possible states of the Agent's knowledge, in memory and on disk.
#[derive(Debug)]
pub struct Belief {
    memory: Vec<Knowledge>,
    disk: Vec<Option<Record>>,
    /// The latest response, which the Agent may not know yet, and its time.
    pending: Option<(Outcome, f64)>,
    /// What the wall clock may have shown when it was requested and when it arrived: the clock can be set around it.
    walls: Vec<i64>,
    /// The latest changes of the wall clock: when, on the boot clock, and what it had shown before.
    sets: Vec<(f64, i64)>,
    /// Whether the disk is full now.
    is_disk_full: bool,
    /// Whether a write may have failed since the last successful one, so that a denial removed the file instead.
    disk_full: bool,
    /// Whether a check can fail before it reaches the license server.
    unreachable: bool,
    /// Whether this process has completed a check, and so has written its knowledge.
    checked: bool,
    /// The number of reboots.
    boot: u64,
    /// The number of changes. An observation that spans a change is not checked.
    pub generation: u64,
    /// The last generation in which the license may have been valid.
    valid_in: u64,
}

impl Belief {
    /// An Agent that has never run.
    pub fn new() -> Belief {
        let (memory, disk) = (Vec::new(), vec![None]);
        let (pending, walls, sets) = (None, Vec::new(), Vec::new());
        let (unreachable, is_disk_full, disk_full, checked) = (false, false, false, false);
        Belief {
            memory,
            disk,
            pending,
            walls,
            sets,
            is_disk_full,
            disk_full,
            unreachable,
            checked,
            boot: 0,
            generation: 1,
            valid_in: 0,
        }
    }

    /// Records a change that affects all observations.
    pub fn transaction(&mut self, now: Moment) {
        self.note(now);
        self.generation += 1;
    }

    /// Records that the wall clock was set.
    pub fn clock_was_set(&mut self, before: Moment, now: Moment) {
        self.walls.push(now.wall.0);
        self.sets.push((now.boot, before.wall.0));
        self.note(now);
    }

    /// Records that the disk becomes full, or has space again.
    pub fn disk_fills(&mut self, is_full: bool) {
        self.is_disk_full = is_full;
        self.disk_full |= is_full;
        self.may_be_on_disk(self.possible());
    }

    /// Records whether the license may be valid now.
    pub fn note(&mut self, now: Moment) {
        if self.possible().iter().any(|known| known.standings(now).iter().any(|it| it.reason.is_none())) {
            self.valid_in = self.generation;
        }
    }

    /// Records that the license server becomes reachable or unreachable.
    pub fn reachable(&mut self, reachable: bool, now: Moment) {
        // A failure is observed with a delay: only the next request shows that the outage is over.
        self.unreachable |= !reachable;
        self.transaction(now);
    }

    /// Records a request to the license server and its response.
    pub fn received(&mut self, outcome: Outcome, reachable: bool, now: Moment) {
        self.memory = self.learned();
        self.checked |= self.pending.is_some();
        self.unreachable = !reachable;
        (self.pending, self.walls) = (Some((outcome, now.boot)), vec![now.wall.0]);
        // The Agent dates a request before the license server reports it.
        self.sets.retain(|(at, _)| now.boot - at < MAX_CHECK_TIME);
        self.walls.extend(self.sets.iter().map(|(_, before)| before));
        self.may_be_on_disk(self.learned());
        self.transaction(now);
        self.note(now);
    }

    /// Records that the Agent was killed.
    pub fn killed(&mut self, now: Moment) {
        self.may_be_on_disk(self.possible());
        self.transaction(now);
        (self.memory, self.pending) = (Vec::new(), None);
    }

    /// Records a reboot; `ended` is the last value of the boot clock.
    pub fn boots(&mut self, ended: f64) {
        for record in self.disk.iter_mut().flatten().filter(|record| record.boot == self.boot) {
            // It is unknown how much of the time since then was written.
            record.used.1 += ended - record.since;
        }
        self.boot += 1;
        // No check outlives a reboot.
        self.sets.clear();
    }

    /// Records that the Agent starts.
    pub fn starts(&mut self, reachable: bool, now: Moment) {
        let known = |record: &Option<Record>| Knowledge {
            record: record.as_ref().map(|record| record.read_in(self.boot, now)),
            confirmed: false,
        };
        self.memory = deduplicated(self.disk.iter().map(known).collect());
        (self.unreachable, self.checked) = (!reachable, false);
        self.may_be_on_disk(self.possible());
        self.transaction(now);
    }

    /// Checks whether an observation is possible; `begun` is the generation in which its request was sent.
    pub fn observe(&mut self, seen: &Observation, begun: u64, moment: Moment) -> Result<bool, String> {
        self.note(moment);
        if begun != self.generation {
            // A write may have waited for long, but the license must have been valid at some time.
            let wrong = matches!(seen, Observation::Passed) && self.valid_in < begun;
            return if wrong { Err(self.contradiction(seen, moment)) } else { Ok(false) };
        }
        let fitting = |known: Vec<Knowledge>| -> Vec<Knowledge> {
            known.into_iter().filter(|known| known.standings(moment).iter().any(|it| seen.fits(it))).collect()
        };
        let (before, after) = (fitting(self.before()), fitting(self.learned()));
        let memory = match (before.is_empty(), after.is_empty() || self.pending.is_none()) {
            (true, true) => return Err(self.contradiction(seen, moment)),
            (true, false) => {
                (self.pending, self.checked) = (None, true);
                after
            }
            (false, true) => before,
            (false, false) => self.memory.clone(),
        };
        if memory != self.memory {
            self.memory = memory;
            self.generation += 1;
        }
        let cache = if let Observation::Status { cache, .. } = seen { cache.as_str() } else { "" };
        if cache.ends_with("so that an earlier grant does not count again") {
            // What is on the disk is not an earlier grant, and nothing was written since.
            self.disk.retain(|record| !matches!(record, Some(Record { verdict: Verdict::Granted { .. }, .. })));
        }
        if cache == "ok" {
            // Without a write, a full disk goes unnoticed.
            self.disk_full = self.is_disk_full;
            let possible = self.possible();
            let checked = self.checked;
            let boot = self.boot;
            self.disk.retain(|record| !checked && record.as_ref().is_some_and(|record| record.boot != boot));
            self.may_be_on_disk(possible);
        }
        Ok(true)
    }

    fn contradiction(&self, seen: &Observation, moment: Moment) -> String {
        let possible: Vec<_> = self.possible().iter().map(|known| known.standings(moment)).collect();
        format!("observed {seen:?}\nat {moment:?}; possible {possible:#?}\nin {self:#?}")
    }

    fn before(&self) -> Vec<Knowledge> {
        self.or_unreachable(self.memory.clone())
    }

    /// The knowledge after the pending response.
    fn learned(&self) -> Vec<Knowledge> {
        let before = self.before();
        let Some((outcome, at)) = &self.pending else { return before };
        let learned = match outcome {
            None => before.iter().map(Knowledge::fails).collect(),
            Some(verdict) => self.walls.iter().map(|wall| Knowledge::learns(verdict, *wall, *at, self.boot)).collect(),
        };
        self.or_unreachable(learned)
    }

    fn or_unreachable(&self, known: Vec<Knowledge>) -> Vec<Knowledge> {
        let failed = known.iter().filter(|_| self.unreachable).map(Knowledge::fails).collect();
        deduplicated([known, failed].concat())
    }

    fn possible(&self) -> Vec<Knowledge> {
        [self.before(), self.learned()].concat()
    }

    fn may_be_on_disk(&mut self, known: Vec<Knowledge>) {
        self.disk.extend(known.into_iter().map(|known| known.record));
        if self.disk_full {
            self.disk.push(None);
        }
        self.disk = deduplicated(std::mem::take(&mut self.disk));
    }
}

fn deduplicated<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut unique = Vec::new();
    for one in all {
        if !unique.contains(&one) {
            unique.push(one);
        }
    }
    unique
}
