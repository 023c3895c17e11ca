//! The local firewall: whether it blocks the license server, and the command that allows the connection. The parsers know
//! the usual conditions of such rules; they assume that a rule with any other condition does not match.

pub mod chains;
pub mod iptables;
pub mod nftables;
pub mod verdict;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::firewall::verdict::FirewallVerdict;

/// Whether it allows the connection to the license server or the proxy in front of it.
pub fn check(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    let port = network_path.trace().endpoint.as_ref()?.port;
    Some(match network_path.firewall_verdict()? {
        FirewallVerdict::Unknown if context.system.is_root => {
            Finding::warn("neither iptables nor nft lists its rules", "iptables -S; nft list ruleset")
        }
        FirewallVerdict::Unknown => context.needs_root("the firewall's rules"),
        FirewallVerdict::Blocked { rule, fix } => {
            Finding::fail(format!("outbound TCP port {port} is blocked by {rule}"), fix.clone())
        }
        FirewallVerdict::Allowed if verdict::is_installed(context.system) => {
            Finding::pass(format!("no local rule blocks outbound TCP port {port}"))
        }
        FirewallVerdict::Allowed => Finding::pass("neither iptables nor nft is installed"),
    })
}
