//! Which standings are possible at a moment: the rule of the license said again, in nothing of the product's words, and
//! what an Agent may know, as far as it can be told from outside.
//!
//! A check is seen when the license server is asked. From then on the Agent may have learned the answer or not yet; it
//! has at the latest when it asks again, and has when it says so. What it has learned it may have written, and has when
//! it says so. Everything that is possible is kept, and each answer of the Agent must fit one possibility.

/// Seconds for which a yes carries the license, and by which the clock may be behind it.
const GRACE: f64 = 48.0 * 3600.0;
const TOLERANCE: i64 = 3600;

/// How long a check may take from the question to what is learned, in seconds.
const LONGEST_CHECK: f64 = 12.0;

/// What the license server has said.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Yes, at this instant of its clock, until an instant.
    Granted { at: i64, until: Option<i64> },
    /// No, for a reason.
    Denied { reason: String },
}

/// What a check comes to; nothing when the answer says nothing about the license.
pub type Outcome = Option<Verdict>;

/// A verdict and the least and most of the machine's time that counts since then, up to `since` on the clock of a boot.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    verdict: Verdict,
    used: (f64, f64),
    since: f64,
    boot: u64,
}

impl Record {
    /// As it is known by an Agent that starts at `now` in this boot.
    fn read_in(&self, boot: u64, now: Moment) -> Record {
        if self.boot == boot { self.clone() } else { Record { since: now.boot, boot, ..self.clone() } }
    }
}

/// One thing that the Agent may know.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    record: Option<Record>,
    confirmed: bool,
}

/// A short span of time, on the clocks of the Agent.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The first and the last second of the wall clock.
    pub wall: (i64, i64),
    /// The boot clock at its end.
    pub boot: f64,
}

/// What follows from what is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub state: &'static str,
    pub source: &'static str,
    pub reason: Option<String>,
}

/// What the Agent has shown.
#[derive(Clone, Debug)]
pub enum Seen {
    /// The members of its status of these names.
    Status { state: String, source: String, reason: Option<String>, cache: String },
    /// The gate has let a write pass.
    Passed,
    /// The gate has refused one for this reason.
    Refused(String),
}

impl Seen {
    /// What it is counted as.
    pub fn kind(&self) -> &'static str {
        let Seen::Status { state, source, reason, .. } = self else { return "standings checked: at the gate" };
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
            Seen::Status { state, source, reason, .. } => {
                state == standing.state && source == standing.source && *reason == standing.reason
            }
            Seen::Passed => standing.state != "restricted",
            Seen::Refused(reason) => standing.reason.as_ref() == Some(reason),
        }
    }
}

/// The rule itself.
fn standing(known: &Known, wall: i64, used: f64) -> Standing {
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
    if until.is_some_and(|until| wall >= until) {
        return restricted("expired");
    }
    if known.confirmed {
        return Standing { state: "active", source, reason: None };
    }
    let carried = wall + TOLERANCE >= at && used.max((wall - at) as f64) < GRACE;
    if carried { Standing { state: "grace", source, reason: None } } else { restricted("unreachable") }
}

impl Known {
    fn learns(&self, outcome: &Outcome, since: f64, boot: u64) -> Known {
        match outcome {
            None => Known { confirmed: false, ..self.clone() },
            Some(verdict) => {
                let record = Record { verdict: verdict.clone(), used: (-LONGEST_CHECK, 0.0), since, boot };
                Known { record: Some(record), confirmed: true }
            }
        }
    }

    /// The standings of a moment: at its beginning and at its end, after the least and the most of machine time.
    fn standings(&self, moment: Moment) -> [Standing; 2] {
        let (least, most) = self.record.as_ref().map_or((0.0, 0.0), |record| {
            let since = moment.boot - record.since;
            (record.used.0 + since, record.used.1 + since)
        });
        [standing(self, moment.wall.0, least), standing(self, moment.wall.1, most)]
    }
}

/// Everything that the Agent may know, in memory and on the disk.
#[derive(Debug)]
pub struct Belief {
    memory: Vec<Known>,
    disk: Vec<Option<Record>>,
    /// The answer that it has or is about to have, and when it was given.
    pending: Option<(Outcome, f64)>,
    /// Whether a check may fail before it reaches the license server.
    unreachable: bool,
    /// Whether this process has ended a check. By then it has written what there was to write.
    checked: bool,
    /// Counts the boots of the machine.
    boot: u64,
    /// Counts what has happened: what is seen across a change is not held against either side of it.
    pub generation: u64,
    /// When the license last may have been valid.
    valid_in: u64,
}

impl Belief {
    /// An Agent that has never run.
    pub fn new() -> Belief {
        let (memory, disk) = (Vec::new(), vec![None]);
        let (pending, unreachable, checked) = (None, false, false);
        Belief { memory, disk, pending, unreachable, checked, boot: 0, generation: 1, valid_in: 0 }
    }

    /// Something that everything depends on changes.
    pub fn transaction(&mut self, now: Moment) {
        self.note(now);
        self.generation += 1;
    }

    /// Remembers whether the license may be valid now.
    pub fn note(&mut self, now: Moment) {
        if self.possible().iter().any(|known| known.standings(now).iter().any(|it| it.reason.is_none())) {
            self.valid_in = self.generation;
        }
    }

    /// The license server goes, or is there again.
    pub fn reachable(&mut self, reachable: bool, now: Moment) {
        // What fails just now is seen a little later: only the next question tells that it is over.
        self.unreachable |= !reachable;
        self.transaction(now);
    }

    /// The license server is asked and answers this.
    pub fn received(&mut self, outcome: Outcome, reachable: bool, now: Moment) {
        self.memory = self.learned();
        self.checked |= self.pending.is_some();
        self.unreachable = !reachable;
        self.pending = Some((outcome, now.boot));
        self.may_be_on_disk(self.learned());
        self.transaction(now);
        self.note(now);
    }

    /// The Agent is gone from one moment to the next.
    pub fn killed(&mut self, now: Moment) {
        self.may_be_on_disk(self.possible());
        self.transaction(now);
        (self.memory, self.pending) = (Vec::new(), None);
    }

    /// The machine goes down and comes up again; `ended` is what its boot clock shows at last.
    pub fn boots(&mut self, ended: f64) {
        for record in self.disk.iter_mut().flatten().filter(|record| record.boot == self.boot) {
            // How much was written of what has passed since then is not known.
            record.used.1 += ended - record.since;
        }
        self.boot += 1;
    }

    /// The Agent starts.
    pub fn starts(&mut self, reachable: bool, now: Moment) {
        let known = |record: &Option<Record>| Known {
            record: record.as_ref().map(|record| record.read_in(self.boot, now)),
            confirmed: false,
        };
        self.memory = without_copies(self.disk.iter().map(known).collect());
        (self.unreachable, self.checked) = (!reachable, false);
        self.may_be_on_disk(self.possible());
        self.transaction(now);
    }

    /// Whether what was seen is possible, asked for in the generation `begun`.
    pub fn sees(&mut self, seen: &Seen, begun: u64, moment: Moment) -> Result<bool, String> {
        self.note(moment);
        if begun != self.generation {
            // A write may have waited for long, but at some moment the license must have been good.
            let wrong = matches!(seen, Seen::Passed) && self.valid_in < begun;
            return if wrong { Err(self.contradiction(seen, moment)) } else { Ok(false) };
        }
        let fitting = |known: Vec<Known>| -> Vec<Known> {
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
        if matches!(seen, Seen::Status { cache, .. } if cache == "ok") {
            let possible = self.possible();
            let checked = self.checked;
            let boot = self.boot;
            self.disk.retain(|record| !checked && record.as_ref().is_some_and(|record| record.boot != boot));
            self.may_be_on_disk(possible);
        }
        Ok(true)
    }

    fn contradiction(&self, seen: &Seen, moment: Moment) -> String {
        let possible: Vec<_> = self.possible().iter().map(|known| known.standings(moment)).collect();
        format!("seen {seen:?}\nat {moment:?}; possible {possible:#?}\nof {self:#?}")
    }

    fn before(&self) -> Vec<Known> {
        self.or_unreachable(self.memory.clone())
    }

    /// What is known once the answer that is under way has come.
    fn learned(&self) -> Vec<Known> {
        let before = self.before();
        let Some((outcome, at)) = &self.pending else { return before };
        self.or_unreachable(before.iter().map(|known| known.learns(outcome, *at, self.boot)).collect())
    }

    fn or_unreachable(&self, known: Vec<Known>) -> Vec<Known> {
        let failed =
            known.iter().filter(|_| self.unreachable).map(|known| known.learns(&None, 0.0, self.boot)).collect();
        without_copies([known, failed].concat())
    }

    fn possible(&self) -> Vec<Known> {
        [self.before(), self.learned()].concat()
    }

    fn may_be_on_disk(&mut self, known: Vec<Known>) {
        self.disk.extend(known.into_iter().map(|known| known.record));
        self.disk = without_copies(std::mem::take(&mut self.disk));
    }
}

fn without_copies<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    for one in all {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}
