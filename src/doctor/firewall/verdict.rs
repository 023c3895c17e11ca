//! The local firewall's verdict on a connection, from iptables and nftables rules.

use std::net::SocketAddr;

use crate::doctor::firewall::chains::Destination;
use crate::doctor::firewall::{iptables, nftables};
use crate::doctor::system::System;

/// The verdict on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirewallVerdict {
    /// No rule that the parser understands blocks it.
    Allowed,
    /// A rule blocks it.
    Blocked {
        /// The rule or policy.
        rule: String,
        /// The command that allows the connection.
        fix: String,
    },
    /// The rules cannot be read.
    Unknown,
}

/// The verdict on a connection to this address.
pub fn evaluate(system: &System<'_>, address: SocketAddr) -> FirewallVerdict {
    if address.ip().is_loopback() {
        return FirewallVerdict::Allowed;
    }
    if !system.is_root {
        return FirewallVerdict::Unknown;
    }
    let destination = Destination { address: address.ip(), port: address.port() };
    let program = if address.is_ipv4() { "iptables" } else { "ip6tables" };
    let by_iptables = system.printed(program, &["-S"]);
    let by_nftables = system.printed("nft", &["-j", "list", "ruleset"]);
    if by_iptables.is_none() && by_nftables.is_none() && is_installed(system) {
        return FirewallVerdict::Unknown;
    }
    let blocked = |rule: String, fix: String| FirewallVerdict::Blocked {
        rule,
        fix: if has_ufw(system) { ufw_rule(destination) } else { fix },
    };
    let port = destination.port;
    if let Some(rule) = by_iptables.and_then(|rules| iptables::refusal(&rules, destination)) {
        blocked(rule, format!("{program} -I OUTPUT -p tcp --dport {port} -j ACCEPT"))
    } else if let Some(found) = by_nftables.and_then(|rules| nftables::refusal(&rules, destination)) {
        blocked(found.shown, format!("nft insert rule {} tcp dport {port} accept", found.chain))
    } else {
        FirewallVerdict::Allowed
    }
}

/// Whether iptables or nftables is installed.
pub fn is_installed(system: &System<'_>) -> bool {
    ["iptables", "nft"].iter().any(|program| system.probe.has(program))
}

/// Whether ufw manages the rules: it would undo rules added with other tools.
fn has_ufw(system: &System<'_>) -> bool {
    system.printed("ufw", &["status"]).is_some_and(|text| text.starts_with("Status: active"))
}

fn ufw_rule(destination: Destination) -> String {
    format!("ufw allow out {}/tcp", destination.port)
}
