//! Figures about all licenses and servers.

use serde::{Deserialize, Serialize};

use super::day::Day;
use super::license::Standing;
use opterius_base::clock::Timestamp;

/// An active license that expires within this number of days counts as expiring.
pub const EXPIRING_DAYS: u32 = 30;

/// Versions of the Agent that have a figure of their own.
pub const MAX_VERSIONS: usize = 10;

/// Licenses with suspected clones that are named.
pub const MAX_CLONED: usize = 10;

/// All licenses and servers, as they were counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// When the count began.
    pub at: Timestamp,
    /// The licenses of each plan that has any, by slug.
    pub plans: Vec<PlanFigures>,
    /// Active servers.
    pub servers: u64,
    /// Those by version of the Agent, the most frequent first.
    pub versions: Vec<VersionFigures>,
    /// Active servers with other versions than these.
    pub other_versions: u64,
    /// Active servers whose identity another active server of the same license has, without the first of each.
    pub clones: u64,
    /// The licenses with the most of these.
    pub cloned: Vec<ClonedLicense>,
}

/// The licenses of a plan, by standing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanFigures {
    /// The slug of the plan.
    pub plan: String,
    /// Active licenses.
    pub active: u64,
    /// Suspended licenses.
    pub suspended: u64,
    /// Cancelled licenses.
    pub cancelled: u64,
    /// Expired licenses.
    pub expired: u64,
    /// Active licenses that expire within [`EXPIRING_DAYS`].
    pub expiring: u64,
}

/// The active servers with a version of the Agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionFigures {
    /// The version; `None` if the servers report none, as a Panel does.
    pub version: Option<String>,
    /// Their number.
    pub servers: u64,
}

/// A license with suspected clones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClonedLicense {
    /// The number of the license.
    pub license: i64,
    /// The number of suspected clones.
    pub clones: u64,
}

/// The figures of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayFigures {
    /// The day.
    pub day: Day,
    /// Verifications that were granted and refused.
    pub checks: Checks,
    /// Active servers when they were last counted on that day, if they were.
    pub servers: Option<u64>,
}

/// Numbers of verifications that got a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Granted ones.
    pub granted: u64,
    /// Refused ones.
    pub refused: u64,
}

impl Figures {
    /// The licenses of the plan with this slug.
    pub fn of_plan(&self, slug: &str) -> PlanFigures {
        self.plans.iter().find(|counted| counted.plan == slug).cloned().unwrap_or_default()
    }

    /// The licenses of all plans.
    pub fn licenses(&self) -> PlanFigures {
        let mut all = PlanFigures::default();
        self.plans.iter().for_each(|plan| all.add(plan));
        all
    }
}

impl PlanFigures {
    /// The licenses with this standing.
    pub const fn of(&self, standing: Standing) -> u64 {
        match standing {
            Standing::Active => self.active,
            Standing::Suspended => self.suspended,
            Standing::Cancelled => self.cancelled,
            Standing::Expired => self.expired,
        }
    }

    /// All licenses.
    pub fn all(&self) -> u64 {
        Standing::ALL.iter().fold(0, |all, standing| all.saturating_add(self.of(*standing)))
    }

    /// Adds the licenses of another plan, or other licenses of this one.
    pub fn add(&mut self, other: &Self) {
        let add = |number: &mut u64, more: u64| *number = number.saturating_add(more);
        add(&mut self.active, other.active);
        add(&mut self.suspended, other.suspended);
        add(&mut self.cancelled, other.cancelled);
        add(&mut self.expired, other.expired);
        add(&mut self.expiring, other.expiring);
    }
}

impl Checks {
    /// All that got a verdict.
    pub const fn all(self) -> u64 {
        self.granted.saturating_add(self.refused)
    }

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.granted = self.granted.saturating_add(other.granted);
        self.refused = self.refused.saturating_add(other.refused);
    }
}
