//! An address of a server.

use std::net::IpAddr;

use serde::Serialize;

use opterius_base::clock::Timestamp;

/// An address of a server, with its last check-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The address.
    pub ip: IpAddr,
    /// The last granted verification from it.
    pub last_seen_at: Timestamp,
    /// The host name that was reported from it.
    #[serde(skip)]
    pub hostname: Option<String>,
}
