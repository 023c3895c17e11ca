//! What the license server is asked: the body of `POST /api/license/verify`.

use std::net::IpAddr;

use serde::Serialize;

/// The body of the request.
#[derive(Serialize)]
pub struct Inquiry<'a> {
    /// The license key.
    pub key: &'a str,
    /// The public address of this host, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_ip: Option<IpAddr>,
    /// The version of this program.
    pub agent_version: &'a str,
    /// Kernel name and release.
    pub os: &'a str,
    /// The host name.
    pub hostname: &'a str,
    /// The identity of this host.
    pub server_id: &'a str,
    /// A random text that a signed answer repeats.
    pub nonce: &'a str,
}
