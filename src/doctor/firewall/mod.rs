//! The firewall of this server: whether a rule of it keeps the license server out of reach, and the line that lets it
//! through. What is understood are the conditions that such rules have; one with others is taken as not meant for us.

pub mod chains;
pub mod iptables;
pub mod nftables;

use std::net::SocketAddr;

use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::firewall::chains::Wanted;

/// What the firewall does with the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing that was understood keeps it in.
    Passes,
    /// It is kept in.
    Blocked {
        /// By what.
        rule: String,
        /// The line that lets it through.
        fix: String,
    },
    /// The rules cannot be seen.
    Unseen,
}

/// What the firewall does with a connection to the first address of the license server or its proxy.
pub fn fate(case: &Case<'_>, addresses: &[SocketAddr]) -> Fate {
    let Some(address) = addresses.first().filter(|address| !address.ip().is_loopback()) else { return Fate::Passes };
    if !case.around.is_root {
        return Fate::Unseen;
    }
    let wanted = Wanted { address: address.ip(), port: address.port() };
    let program = if address.is_ipv4() { "iptables" } else { "ip6tables" };
    let by_iptables = case.around.printed(program, &["-S"]);
    let by_nftables = case.around.printed("nft", &["-j", "list", "ruleset"]);
    if by_iptables.is_none() && by_nftables.is_none() && is_installed(case) {
        return Fate::Unseen;
    }
    let blocked =
        |rule: String, fix: String| Fate::Blocked { rule, fix: if has_ufw(case) { of_ufw(wanted) } else { fix } };
    let port = wanted.port;
    if let Some(rule) = by_iptables.and_then(|rules| iptables::refusal(&rules, wanted)) {
        blocked(rule, format!("{program} -I OUTPUT -p tcp --dport {port} -j ACCEPT"))
    } else if let Some(found) = by_nftables.and_then(|rules| nftables::refusal(&rules, wanted)) {
        blocked(found.shown, format!("nft insert rule {} tcp dport {port} accept", found.chain))
    } else {
        Fate::Passes
    }
}

fn is_installed(case: &Case<'_>) -> bool {
    ["iptables", "nft"].iter().any(|program| case.around.outside.has(program))
}

/// Whether ufw makes the rules: it would undo what others add.
fn has_ufw(case: &Case<'_>) -> bool {
    case.around.printed("ufw", &["status"]).is_some_and(|text| text.starts_with("Status: active"))
}

fn of_ufw(wanted: Wanted) -> String {
    format!("ufw allow out {}/tcp", wanted.port)
}

/// The check.
pub fn judge(case: &Case<'_>, fate: &Fate, port: u16) -> Finding {
    let check = "firewall";
    match fate {
        Fate::Unseen if case.around.is_root => {
            Finding::warn(check, "neither iptables nor nft tells its rules", "iptables -S; nft list ruleset")
        }
        Fate::Unseen => case.unseen(check, "the firewall's rules"),
        Fate::Blocked { rule, fix } => {
            Finding::fail(check, format!("TCP port {port} is kept in by {rule}"), fix.clone())
        }
        Fate::Passes if is_installed(case) => {
            Finding::pass(check, format!("no rule of this server keeps TCP port {port} in"))
        }
        Fate::Passes => Finding::pass(check, "neither iptables nor nft is installed"),
    }
}
