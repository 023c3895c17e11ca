//! Activations: the servers that use a license.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::side::Side;
use opterius_base::clock::Timestamp;

/// An activation without a check-in for this long is inactive and holds no slot.
pub const ACTIVE_TIME: Duration = Duration::from_secs(7 * 86_400);

/// An activation without a check-in for this long is deleted.
pub const RETENTION_TIME: Duration = Duration::from_secs(30 * 86_400);

/// A server that uses a license, identified by its address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activation {
    /// The address that identifies the server.
    pub ip: IpAddr,
    /// All addresses of the server, with the last check-in from each: one, or an IPv4 and an IPv6 address.
    pub addresses: Vec<Side>,
    /// The order of activation over all licenses: the number of the history entry that records it.
    pub sequence: i64,
    /// Activation time.
    pub started_at: Timestamp,
    /// The time of the last granted verification, from any of the addresses.
    pub last_seen_at: Timestamp,
    /// The source address of the last request.
    pub observed_ip: IpAddr,
    /// The address that the last request reported.
    pub reported_ip: Option<IpAddr>,
    /// What the server reports about itself.
    pub details: Details,
    /// A different identity that checked in from the same address: two machines behind one address, or a clone.
    pub other_server_id: Option<String>,
    /// When the other identity was last replaced.
    pub other_seen_at: Option<Timestamp>,
}

/// What a server reports about itself. Informational only.
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
    /// The identity that the Agent derives from the host.
    pub server_id: Option<String>,
}

impl Activation {
    /// The other address of a pair.
    pub fn other_address(&self) -> Option<&Side> {
        self.addresses.iter().find(|side| side.ip != self.ip)
    }

    /// The state at `now`.
    pub fn state(&self, now: Timestamp) -> ActivationState {
        ActivationState::at(self.last_seen_at, now)
    }
}

/// The state of an activation, by its last check-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationState {
    /// Checked in within [`ACTIVE_TIME`]: it holds a slot.
    Active,
    /// No check-in for longer than that: it holds no slot, and is activated again when it returns.
    Inactive,
    /// No check-in for [`RETENTION_TIME`]: it is due for deletion.
    Expired,
}

impl ActivationState {
    /// The state at `now` of an activation with this last check-in.
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
