//! What happens to a fleet: when the license server answers, and how; when all Agents restart.

/// Seconds of an hour and of a day.
pub(crate) const HOUR: u32 = 3600;
pub(crate) const DAY: u32 = 24 * HOUR;

/// The Agents start one after another within this first day, which is not measured.
pub(crate) const WARM_UP: u32 = DAY;
/// The end of the seven measured days.
pub(crate) const END: u32 = WARM_UP + 7 * DAY;
/// When something happens: at noon of the second measured day.
const EVENT: u32 = WARM_UP + DAY + 12 * HOUR;

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Normal,
    /// The license server does not answer.
    Outage,
    /// Every Agent restarts in the same second, with the verdict in its cache file.
    Restart,
    /// The license server answers every request with 429 and this `Retry-After`, in seconds.
    TooMany(u64),
}

/// A week of a fleet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// Its name, also as a file's.
    pub(crate) name: &'static str,
    /// What happens.
    pub(crate) kind: Kind,
    /// For how long, in seconds.
    length: u32,
}

/// All of them.
pub(crate) const SCENARIOS: [Scenario; 6] = [
    Scenario { name: "normal days", kind: Kind::Normal, length: 0 },
    Scenario { name: "outage of 1 h", kind: Kind::Outage, length: HOUR },
    Scenario { name: "outage of 23 h", kind: Kind::Outage, length: 23 * HOUR },
    Scenario { name: "outage of 47 h", kind: Kind::Outage, length: 47 * HOUR },
    Scenario { name: "restart of all", kind: Kind::Restart, length: 1 },
    Scenario { name: "429 for 1 h", kind: Kind::TooMany(60), length: HOUR },
];

/// What the license server does in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// It verifies as many requests as it can.
    Up,
    /// It does not answer.
    Down,
    /// It answers 429 with this `Retry-After`, in seconds.
    TooMany(u64),
}

impl Scenario {
    /// What the license server does at `second`.
    pub(crate) fn server(&self, second: u32) -> Server {
        match self.kind {
            Kind::Outage if self.event().contains(&second) => Server::Down,
            Kind::TooMany(wait) if self.event().contains(&second) => Server::TooMany(wait),
            _ => Server::Up,
        }
    }

    /// Whether every Agent restarts at `second`.
    pub(crate) fn restarts_at(&self, second: u32) -> bool {
        self.kind == Kind::Restart && second == EVENT
    }

    /// When something happens; empty where nothing does.
    pub(crate) fn event(&self) -> std::ops::Range<u32> {
        EVENT..EVENT + self.length
    }
}
