//! The firewall of this server: whether a rule of it keeps the license server out of reach, and the line that lets it
//! through. What is understood are the conditions that such rules have; one with others is taken as not meant for us.

pub mod chains;
pub mod iptables;
pub mod nftables;
pub mod verdict;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::firewall::verdict::FirewallVerdict;

/// Whether it lets the connection to the license server, or to the proxy before it, out.
pub fn check(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    let port = network_path.endpoint().as_ref().ok()?.port;
    Some(match network_path.firewall_verdict()? {
        FirewallVerdict::Unknown if context.system.is_root => {
            Finding::warn("neither iptables nor nft tells its rules", "iptables -S; nft list ruleset")
        }
        FirewallVerdict::Unknown => context.needs_root("the firewall's rules"),
        FirewallVerdict::Blocked { rule, fix } => {
            Finding::fail(format!("TCP port {port} is kept in by {rule}"), fix.clone())
        }
        FirewallVerdict::Allowed if verdict::is_installed(context.system) => {
            Finding::pass(format!("no rule of this server keeps TCP port {port} in"))
        }
        FirewallVerdict::Allowed => Finding::pass("neither iptables nor nft is installed"),
    })
}
