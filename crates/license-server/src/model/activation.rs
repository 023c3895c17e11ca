//! The servers on which licenses are used.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use opterius_base::clock::Timestamp;

/// Without a sign of life for this long an activation is Inactive and no longer counts.
pub const ACTIVE_TIME: Duration = Duration::from_secs(7 * 86_400);

/// Without a sign of life for this long an activation is deleted.
pub const RETENTION_TIME: Duration = Duration::from_secs(30 * 86_400);

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
    pub fn state(&self, now: Timestamp) -> ActivationState {
        ActivationState::at(self.last_seen_at, now)
    }
}

/// How alive an activation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationState {
    /// Seen within [`ACTIVE_TIME`]: it holds a slot.
    Active,
    /// Not seen for longer: it holds none, and counts as new when it returns.
    Inactive,
    /// Not seen for [`RETENTION_TIME`]: to be deleted.
    Expired,
}

impl ActivationState {
    /// The life of what was last seen then.
    pub fn at(last_seen: Timestamp, now: Timestamp) -> Self {
        let silence = now.since(last_seen);
        if silence < ACTIVE_TIME {
            Self::Active
        } else if silence < RETENTION_TIME {
            Self::Inactive
        } else {
            Self::Expired
        }
    }
}
