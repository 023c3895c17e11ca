//! The servers of a license: those that use it, those that it was refused to, and those that it keeps out.

mod change;
mod list;

use std::net::IpAddr;

pub(super) use self::change::{revoke, transfer, unblock};
pub(super) use self::list::{blocks, list, refusals};
use super::call::Call;
use super::error::ApiError;
use super::fields::{CURSOR, LIMIT, optional, required};
use super::members::{Kind, Member};

/// The parameters of the list of servers.
pub(super) const PAGE: &[Member] = &[LIMIT, CURSOR];

/// The parameters of a revocation.
pub(super) const REVOCATION: &[Member] = &[optional(
    "block",
    Kind::BlockTime,
    "Also keep the server out for this time: 1h to 2160h, or 1d to 90d, such as 7d. A server without an activation can be kept \
     out, too.",
)];

/// The body of a move.
pub(super) const MOVE: &[Member] = &[required(
    "to",
    Kind::Address,
    "The new address. Loopback, link-local, multicast and reserved addresses are refused; of a private one the answer warns.",
)];

/// The address in the path.
fn address(call: &Call) -> Result<IpAddr, ApiError> {
    let parsed = call.parameter("ip").parse::<IpAddr>().map(|ip| ip.to_canonical());
    parsed.map_err(|_| ApiError::invalid("ip", "It must be an IP address, such as 203.0.113.5."))
}
