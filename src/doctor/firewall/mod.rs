//! The firewall of this server: whether a rule of it keeps the license server out of reach, and the line that lets it
//! through. What is understood are the conditions that such rules have; one with others is taken as not meant for us.

pub mod chains;
pub mod fate;
pub mod iptables;
pub mod nftables;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::firewall::fate::Fate;

/// Whether it lets the connection to the license server, or to the proxy before it, out.
pub fn check(context: &Context<'_>) -> Option<Finding> {
    let way = context.way.as_ref()?;
    let port = way.hop().as_ref().ok()?.port;
    Some(match way.fate()? {
        Fate::Unseen if context.system.is_root => {
            Finding::warn("neither iptables nor nft tells its rules", "iptables -S; nft list ruleset")
        }
        Fate::Unseen => context.unseen("the firewall's rules"),
        Fate::Blocked { rule, fix } => Finding::fail(format!("TCP port {port} is kept in by {rule}"), fix.clone()),
        Fate::Passes if fate::is_installed(context.system) => {
            Finding::pass(format!("no rule of this server keeps TCP port {port} in"))
        }
        Fate::Passes => Finding::pass("neither iptables nor nft is installed"),
    })
}
