//! What the license server knows: plain values, no clock and no I/O.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;

/// Without a sign of life for this long an activation is Inactive and no longer counts.
pub const ACTIVE_TIME: Duration = Duration::from_secs(7 * 86_400);

/// Without a sign of life for this long an activation is deleted.
pub const KEPT_TIME: Duration = Duration::from_secs(30 * 86_400);

/// What a license allows. Plans are data: an administrator sets them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The name that programs use, such as `business`.
    pub slug: String,
    /// The name that people read, such as `Business`.
    pub name: String,
    /// Accounts on each server; 0 is unlimited.
    pub max_accounts: u32,
    /// Servers; 0 is unlimited.
    pub max_servers: u32,
}

/// Whether a license may be used, as far as its vendor decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It may.
    Active,
    /// Not for now.
    Suspended,
    /// Never again, unless it is resumed.
    Cancelled,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Suspended, Self::Cancelled];

    /// The word that is stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Billing facts that only the Panel reads; all of them are optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Billing {
    /// `active`, `past_due`, `trialing` or `canceled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_status: Option<String>,
    /// Whether the subscription ends with the current period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_at_period_end: Option<bool>,
    /// When the current period ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_period_end: Option<Timestamp>,
}

/// One license.
#[derive(Clone, PartialEq, Eq)]
pub struct License {
    /// Its number, which names it in addresses and on the command line.
    pub id: i64,
    /// The key, which is a secret of its owner.
    pub key: Secret,
    /// The user whose license it is.
    pub owner: i64,
    /// That user's name.
    pub owner_name: String,
    /// What it allows.
    pub plan: Plan,
    /// Whether it may be used.
    pub status: Status,
    /// The instant from which it no longer counts; none is never.
    pub expires_at: Option<Timestamp>,
    /// The only address that may use it, where it is locked to one.
    pub locked_ip: Option<IpAddr>,
    /// Billing facts.
    pub billing: Billing,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts the changes that people made, so that nobody overwrites what they have not seen.
    pub revision: i64,
}

impl License {
    /// Whether it has expired.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// The one word that says how it stands, as lists show it.
    pub fn standing(&self, now: Timestamp) -> &'static str {
        if self.status == Status::Active && self.is_expired(now) { "expired" } else { self.status.word() }
    }
}

/// One server on which a license is used: its address is its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activation {
    /// The address that counts.
    pub ip: IpAddr,
    /// The order of activation, over all licenses: the number of the history line that tells of it.
    pub sequence: i64,
    /// When it was activated.
    pub started_at: Timestamp,
    /// The last verification.
    pub last_seen_at: Timestamp,
    /// The address that the last request came from.
    pub observed_ip: IpAddr,
    /// The address that the last request named.
    pub reported_ip: Option<IpAddr>,
    /// What the server says of itself.
    pub details: Details,
    /// Another identity that asked from the same address, and when: two machines behind one address, or a clone.
    pub other_server_id: Option<String>,
    /// When that was.
    pub other_seen_at: Option<Timestamp>,
}

/// What a server says of itself. None of it decides anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The host name.
    pub hostname: Option<String>,
    /// The Agent's version.
    pub agent_version: Option<String>,
    /// The Panel's version.
    pub panel_version: Option<String>,
    /// Kernel name and release.
    pub os: Option<String>,
    /// The Agent's identity of the host.
    pub server_id: Option<String>,
}

impl Activation {
    /// How alive it is.
    pub fn life(&self, now: Timestamp) -> Life {
        Life::at(self.last_seen_at, now)
    }
}

/// How alive an activation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// Seen within [`ACTIVE_TIME`]: it holds a slot.
    Active,
    /// Not seen for longer: it holds none, and counts as new when it returns.
    Inactive,
    /// Not seen for [`KEPT_TIME`]: to be deleted.
    Gone,
}

impl Life {
    /// The life of what was last seen then.
    pub fn at(last_seen: Timestamp, now: Timestamp) -> Self {
        let silence = now.since(last_seen);
        if silence < ACTIVE_TIME {
            Self::Active
        } else if silence < KEPT_TIME {
            Self::Inactive
        } else {
            Self::Gone
        }
    }
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// In which role.
    pub role: Role,
    /// The user's name, the operator's login, the server's address.
    pub name: String,
}

/// The roles in which something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The license's owner, in the dashboard.
    Owner,
    /// An administrator, in the dashboard.
    Administrator,
    /// Whoever runs the command line on the server.
    Operator,
    /// A server that verifies its license.
    Server,
    /// The license server itself, by the passing of time.
    System,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Owner, Self::Administrator, Self::Operator, Self::Server, Self::System];

    /// The word that is stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Administrator => "administrator",
            Self::Operator => "operator",
            Self::Server => "server",
            Self::System => "system",
        }
    }
}

/// What the history tells. Each line is a change of state, never a mere request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A license was made.
    Created,
    /// A server took a slot.
    Activated,
    /// An activation was deleted after [`KEPT_TIME`].
    Forgotten,
    /// An activation was taken away.
    Revoked,
    /// An activation or a lock went to another address.
    Moved,
    /// The license was suspended.
    Suspended,
    /// The license was resumed.
    Resumed,
    /// The license was cancelled.
    Cancelled,
    /// The license got another expiry.
    Renewed,
    /// The license was deleted.
    Deleted,
    /// The license got another plan.
    PlanChanged,
    /// The license was locked to an address.
    Locked,
    /// The lock was taken off.
    Unlocked,
    /// Billing facts were set.
    BillingChanged,
    /// The key was shown in full.
    KeyShown,
    /// A plan was made or changed.
    PlanSet,
    /// A user was made.
    UserAdded,
    /// A user got another password.
    PasswordChanged,
    /// A signing key was added or ended.
    KeysChanged,
    /// The license server's clock was set.
    ClockStepped,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Created,
        Self::Activated,
        Self::Forgotten,
        Self::Revoked,
        Self::Moved,
        Self::Suspended,
        Self::Resumed,
        Self::Cancelled,
        Self::Renewed,
        Self::Deleted,
        Self::PlanChanged,
        Self::Locked,
        Self::Unlocked,
        Self::BillingChanged,
        Self::KeyShown,
        Self::PlanSet,
        Self::UserAdded,
        Self::PasswordChanged,
        Self::KeysChanged,
        Self::ClockStepped,
    ];

    /// The word that is stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Activated => "activated",
            Self::Forgotten => "forgotten",
            Self::Revoked => "revoked",
            Self::Moved => "moved",
            Self::Suspended => "suspended",
            Self::Resumed => "resumed",
            Self::Cancelled => "cancelled",
            Self::Renewed => "renewed",
            Self::Deleted => "deleted",
            Self::PlanChanged => "plan changed",
            Self::Locked => "locked",
            Self::Unlocked => "unlocked",
            Self::BillingChanged => "billing changed",
            Self::KeyShown => "key shown",
            Self::PlanSet => "plan set",
            Self::UserAdded => "user added",
            Self::PasswordChanged => "password changed",
            Self::KeysChanged => "keys changed",
            Self::ClockStepped => "clock stepped",
        }
    }
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number: the order of what happened, whatever the clock did.
    pub id: i64,
    /// When, by the license server's clock.
    pub at: Timestamp,
    /// The license that it is about; none for plans, users and the server itself.
    pub license: Option<i64>,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// The particulars, in words.
    pub detail: String,
}

/// Somebody who may sign in to the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The number.
    pub id: i64,
    /// The name to sign in with, compared without case.
    pub name: String,
    /// Whether this user sees and changes everything.
    pub administrator: bool,
    /// When the user was made.
    pub created_at: Timestamp,
}
