//! Licenses and their plans.

use std::net::IpAddr;

use serde::Serialize;

use super::string_enum::string_enum;
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;

/// The maximum length of a reference, in characters.
pub const MAX_REFERENCE: usize = 128;

/// The maximum length of a note, in characters.
pub const MAX_NOTE: usize = 4000;

/// The maximum length of the reason of a suspension, in characters.
pub const MAX_REASON: usize = 500;

/// The maximum number of labels of a license.
pub const MAX_LABELS: usize = 20;

/// The maximum length of a label, in characters.
pub const MAX_LABEL: usize = 40;

/// The limits of a license. Operators define plans with `plan set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The identifier, such as `business`.
    pub slug: String,
    /// The display name, such as `Business`.
    pub name: String,
    /// Accounts per server; 0 is unlimited.
    pub max_accounts: u32,
    /// Servers; 0 is unlimited.
    pub max_servers: u32,
}

string_enum! {
    /// The status that the vendor sets; expiry is separate.
    pub enum Status {
        /// The license can be used.
        Active = "active",
        /// Temporarily disabled.
        Suspended = "suspended",
        /// Permanently disabled, unless it is resumed.
        Cancelled = "cancelled",
    }
}

string_enum! {
    /// The status including expiry, as lists and the JSON show it.
    pub enum Standing {
        /// Servers can use the license.
        Active = "active",
        /// Temporarily disabled by the vendor.
        Suspended = "suspended",
        /// Permanently disabled by the vendor.
        Cancelled = "cancelled",
        /// Its expiry has passed.
        Expired = "expired",
    }
}

/// The billing status for the Panel; all members are optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Billing {
    /// `active`, `past_due`, `trialing` or `canceled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_status: Option<String>,
    /// Whether the subscription ends with the current period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_at_period_end: Option<bool>,
    /// The end of the current billing period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_period_end: Option<Timestamp>,
}

/// A license.
#[derive(Clone, PartialEq, Eq)]
pub struct License {
    /// The number that identifies it in URLs and on the command line.
    pub id: i64,
    /// The license key.
    pub key: Secret,
    /// The number of the user who owns it.
    pub owner: i64,
    /// The owner's name.
    pub owner_name: String,
    /// The plan.
    pub plan: Plan,
    /// The status.
    pub status: Status,
    /// The instant at which it expires; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// The only address that can use it, if it is locked.
    pub locked_ip: Option<IpAddr>,
    /// The billing status.
    pub billing: Billing,
    /// The vendor's own number of it, unique among all licenses.
    pub reference: Option<String>,
    /// The vendor's note; its owner does not see it.
    pub note: String,
    /// The vendor's labels.
    pub labels: Vec<String>,
    /// Why it is suspended, in the vendor's words.
    pub suspension_reason: Option<String>,
    /// Whether it is a trial.
    pub is_trial: bool,
    /// The latest check-in of any server, at most about an hour behind; `None` if no server has ever used it.
    pub last_check_at: Option<Timestamp>,
    /// Creation time.
    pub created_at: Timestamp,
    /// Incremented with each change by a user. A form carries the revision that it was based on, so that it cannot overwrite
    /// a newer change.
    pub revision: i64,
}

impl License {
    /// Whether it has expired.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// What must be done before servers can use it; `None` if they can.
    pub fn next_step(&self, now: Timestamp) -> Option<&'static str> {
        match (self.status, self.is_expired(now)) {
            (Status::Active, false) => None,
            (Status::Active, true) => Some("It has expired: renew it before it can be used."),
            (Status::Suspended, false) => Some("It is suspended: resume it before it can be used."),
            (Status::Suspended, true) => {
                Some("It is suspended and has expired: resume and renew it before it can be used.")
            }
            (Status::Cancelled, false) => Some("It is cancelled: resume it before it can be used."),
            (Status::Cancelled, true) => {
                Some("It is cancelled and has expired: resume and renew it before it can be used.")
            }
        }
    }

    /// The status including expiry.
    pub fn standing(&self, now: Timestamp) -> Standing {
        match self.status {
            Status::Active if self.is_expired(now) => Standing::Expired,
            Status::Active => Standing::Active,
            Status::Suspended => Standing::Suspended,
            Status::Cancelled => Standing::Cancelled,
        }
    }

    /// The status including expiry, as lists show it.
    pub fn effective_status(&self, now: Timestamp) -> &'static str {
        self.standing(now).as_str()
    }
}
