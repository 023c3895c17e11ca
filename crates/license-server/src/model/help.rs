//! What helps a refused server.

use serde::Serialize;

use super::license::{License, Status};
use super::refused_server::Block;
use opterius_base::clock::Timestamp;

/// A change that removes what stands in the way of a refused server, or makes room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Help {
    /// Resume the license.
    Resume,
    /// Renew the license.
    Renew,
    /// Move the lock to the address of the server.
    MoveLock,
    /// Let the server in again.
    Unblock,
    /// Move the slot of another server to it.
    Move,
    /// Revoke another server.
    Revoke,
    /// Change to a plan that allows more servers.
    Upgrade,
    /// Nothing: the server is granted at its next check.
    Wait,
}

/// Whether a slot is free for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// A slot is free, or the server has one.
    Free,
    /// All slots are taken.
    Taken,
}

/// What helps a refused server now, whatever it was refused for, first what stands first in its way. Empty never.
pub fn help(license: &License, ip: std::net::IpAddr, block: Option<&Block>, room: Room, now: Timestamp) -> Vec<Help> {
    let mut help = Vec::new();
    if license.status != Status::Active {
        help.push(Help::Resume);
    }
    if license.is_expired(now) {
        help.push(Help::Renew);
    }
    let is_locked_out = license.locked_ip.is_some_and(|locked| locked != ip);
    if is_locked_out {
        help.push(Help::MoveLock);
    }
    if block.is_some() {
        help.push(Help::Unblock);
    }
    // Moving the lock moves its slot along.
    if room == Room::Taken && !is_locked_out {
        help.extend([Help::Move, Help::Revoke, Help::Upgrade]);
    }
    if help.is_empty() {
        help.push(Help::Wait);
    }
    help
}
