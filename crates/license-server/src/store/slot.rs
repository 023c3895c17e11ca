//! What a verification reads and writes of the slots of a license.

use std::net::IpAddr;

use crate::model::{ActivationState, Details};
use opterius_base::clock::Timestamp;

/// The part of an activation that the slot rule needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The address.
    pub ip: IpAddr,
    /// The order of activation over all licenses.
    pub sequence: i64,
    /// The last check-in.
    pub last_seen_at: Timestamp,
}

impl Slot {
    /// Whether the slot is in use at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        ActivationState::at(self.last_seen_at, now) == ActivationState::Active
    }
}

/// What is stored about an address of a license.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The slot that the address has or had; it can be inactive.
    pub own: Option<OwnSlot>,
    /// Whether other addresses can have the identity that the server reports.
    pub may_have_relatives: bool,
    /// Whether a refusal of this address is stored.
    pub was_refused: bool,
    /// Whether the license keeps servers out, this one or others.
    pub has_blocks: bool,
}

/// The slot of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnSlot {
    /// The slot. Its address is that of the activation, which can be the other one of a pair.
    pub slot: Slot,
    /// Whether the server has a pair of addresses.
    pub is_pair: bool,
    /// What the server reports otherwise than before.
    pub news: News,
}

/// What a check-in says that is not stored yet, besides its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    Nothing,
    /// Perhaps addresses or versions.
    Details,
    /// The identity or the host name.
    Identity,
}

/// A check-in of a server.
pub struct Heartbeat<'a> {
    /// The address that identifies the server.
    pub ip: IpAddr,
    /// The source address of the request.
    pub observed_ip: IpAddr,
    /// The address that the server reported.
    pub reported_ip: Option<IpAddr>,
    /// What the server reports about itself.
    pub details: &'a Details,
}

/// The end of an INSERT that replaces what an earlier activation of the address left.
macro_rules! replacing_activation {
    () => {
        "
    ON CONFLICT (license, ip) DO UPDATE SET sequence = excluded.sequence, started_at = excluded.started_at,
        last_seen_at = excluded.last_seen_at, observed_ip = excluded.observed_ip, reported_ip = excluded.reported_ip,
        hostname = excluded.hostname, agent_version = excluded.agent_version, panel_version = excluded.panel_version,
        os = excluded.os, server_id = excluded.server_id, other_server_id = NULL, other_seen_at = NULL,
        own_seen_at = NULL, pair_ip = NULL, pair_seen_at = NULL, pair_hostname = NULL, former_ips = NULL"
    };
}
pub(super) use replacing_activation;
