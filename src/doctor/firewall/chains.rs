//! Chains of rules, as every Linux firewall has them, and what becomes of one new connection that goes through them.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The connection that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Where it leads.
    pub address: IpAddr,
    /// The TCP port there.
    pub port: u16,
}

impl Destination {
    /// Whether a network such as `203.0.113.0/24`, or an address, holds the destination; none where it is neither.
    pub fn is_in(&self, network: &str) -> Option<bool> {
        let (address, length) =
            network.split_once('/').map_or((network, None), |(address, length)| (address, Some(length)));
        let prefix = |all: u32| match length {
            None => Some(all),
            Some(length) => length.parse().ok().filter(|length| *length <= all),
        };
        Some(match (address.parse::<IpAddr>().ok()?, self.address) {
            (IpAddr::V4(network), IpAddr::V4(own)) => {
                let host_bits = 32_u32.saturating_sub(prefix(32)?);
                let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
                network.to_bits() & mask == own.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(own)) => {
                let host_bits = 128_u32.saturating_sub(prefix(128)?);
                let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                network.to_bits() & mask == own.to_bits() & mask
            }
            _ => false,
        })
    }
}

/// What a rule does to what it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// It may go out.
    Accept,
    /// It may not.
    Refuse,
    /// Another chain decides; after it, this one goes on.
    Jump(String),
    /// Another chain decides, and this one no more.
    Goto(String),
    /// This chain decides no more.
    Return,
    /// Nothing, such as counting it.
    Nothing,
}

/// A rule that matches our connection. Rules that match others, or of which that cannot be told, are not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub target: Target,
    /// The rule as a person knows it.
    pub shown: String,
}

/// Chains by name.
pub type Chains = BTreeMap<String, Vec<Rule>>;

/// How deep chains may lie in each other; the kernel's own limit is 16.
const DEEPEST: usize = 16;

/// What a chain decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may go out.
    Accepted,
    /// It may not, because of this rule.
    Refused(String),
    /// The chain does not decide.
    Undecided,
}

/// What the chain with this name decides on the connection that its rules were read for.
pub fn decide(chains: &Chains, name: &str) -> Decision {
    within(chains, name, 0)
}

fn within(chains: &Chains, name: &str, depth: usize) -> Decision {
    if depth > DEEPEST {
        return Decision::Undecided;
    }
    for Rule { target, shown } in chains.get(name).into_iter().flatten() {
        let deeper = |chain: &str| within(chains, chain, depth.saturating_add(1));
        match target {
            Target::Accept => return Decision::Accepted,
            Target::Refuse => return Decision::Refused(shown.clone()),
            Target::Return => return Decision::Undecided,
            Target::Goto(chain) => return deeper(chain),
            Target::Jump(chain) => match deeper(chain) {
                Decision::Undecided => {}
                decision => return decision,
            },
            Target::Nothing => {}
        }
    }
    Decision::Undecided
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_addresses() {
        let destination = |address: &str| Destination { address: address.parse().unwrap(), port: 443 };
        let table = [
            ("203.0.113.5", "203.0.113.0/24", Some(true)),
            ("203.0.113.5", "203.0.113.5", Some(true)),
            ("203.0.113.5", "203.0.114.0/24", Some(false)),
            ("203.0.113.5", "0.0.0.0/0", Some(true)),
            ("203.0.113.5", "::/0", Some(false)),
            ("2001:db8::1", "2001:db8::/32", Some(true)),
            ("2001:db8::1", "::/0", Some(true)),
            ("203.0.113.5", "203.0.113.0/33", None),
            ("203.0.113.5", "@set", None),
        ];
        for (address, network, expected) in table {
            assert_eq!(destination(address).is_in(network), expected, "{address} in {network}");
        }
    }

    #[test]
    fn the_first_rule_that_decides_counts() {
        let rule = |target: Target| Rule { shown: format!("{target:?}"), target };
        let jump = |name: &str| rule(Target::Jump(name.to_owned()));
        let chains = Chains::from([
            ("a".to_owned(), vec![rule(Target::Nothing), jump("b"), rule(Target::Refuse)]),
            ("b".to_owned(), vec![rule(Target::Return), rule(Target::Accept)]),
            ("c".to_owned(), vec![rule(Target::Goto("b".to_owned())), rule(Target::Refuse)]),
            ("d".to_owned(), vec![jump("e"), rule(Target::Refuse)]),
            ("e".to_owned(), vec![rule(Target::Accept)]),
            ("loop".to_owned(), vec![jump("loop")]),
        ]);
        let table = [
            ("a", Decision::Refused("Refuse".to_owned())),
            ("b", Decision::Undecided),
            ("c", Decision::Undecided),
            ("d", Decision::Accepted),
            ("loop", Decision::Undecided),
            ("none", Decision::Undecided),
        ];
        for (name, expected) in table {
            assert_eq!(decide(&chains, name), expected, "{name}");
        }
    }
}
