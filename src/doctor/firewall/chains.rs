//! Chains of firewall rules, and their decision on one new outbound connection.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The destination of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The remote address.
    pub address: IpAddr,
    /// The remote TCP port.
    pub port: u16,
}

impl Destination {
    /// Whether an address or a network such as `203.0.113.0/24` contains the destination; `None` if `network` is neither.
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

/// The action of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Allow the connection.
    Accept,
    /// Drop or reject the connection.
    Refuse,
    /// Evaluate another chain, then continue with this one.
    Jump(String),
    /// Evaluate another chain and do not return to this one.
    Goto(String),
    /// Leave this chain.
    Return,
    /// No effect on the connection, such as counting.
    Nothing,
}

/// A rule that matches the connection. Other rules, and those that the parser does not understand, are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The action.
    pub target: Target,
    /// The rule as shown to the operator.
    pub shown: String,
}

/// Chains by name.
pub type Chains = BTreeMap<String, Vec<Rule>>;

/// The deepest nesting of chains; the kernel's limit is also 16.
const DEEPEST: usize = 16;

/// The decision of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The connection is allowed.
    Accepted,
    /// This rule drops or rejects the connection.
    Refused(String),
    /// The chain ends without a decision.
    Undecided,
}

/// Evaluates the chain `name`.
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
    fn networks_contain_addresses() {
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
    fn the_first_decisive_rule_wins() {
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
