//! Licenses and their plans.

use std::net::IpAddr;

use serde::Serialize;

use super::string_enum::string_enum;
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;

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

string_enum! {
    /// Whether a license may be used, as far as its vendor decides it.
    pub enum Status {
        /// It may.
        Active = "active",
        /// Not for now.
        Suspended = "suspended",
        /// Never again, unless it is resumed.
        Cancelled = "cancelled",
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
        if self.status == Status::Active && self.is_expired(now) { "expired" } else { self.status.as_str() }
    }
}
