//! The request body of `POST /api/license/verify`.

use std::net::IpAddr;

use serde::Serialize;

/// The request body.
#[derive(Serialize)]
pub struct Inquiry<'a> {
    /// The license key.
    pub key: &'a str,
    /// The public address of this host, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_ip: Option<IpAddr>,
    /// The Agent's version.
    pub agent_version: &'a str,
    /// Kernel name and release.
    pub os: &'a str,
    /// The host name.
    pub hostname: &'a str,
    /// The identity of this host, see [`crate::identity::server_id`].
    pub server_id: &'a str,
    /// A random value that a signed answer must repeat.
    pub nonce: &'a str,
}
