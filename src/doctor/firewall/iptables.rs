//! iptables rules, as printed by `iptables -S`.

use crate::doctor::firewall::chains::{Chains, Decision, Destination, Rule, Target, decide};

/// The rule or policy in the output of `iptables -S` that blocks the connection.
pub fn refusal(text: &str, destination: Destination) -> Option<String> {
    let (mut chains, mut policy) = (Chains::new(), None);
    for line in text.lines() {
        if let Some(refusing) = line.strip_prefix("-P OUTPUT ") {
            policy = (refusing != "ACCEPT").then(|| line.to_owned());
        } else if let Some((chain, rest)) = line.strip_prefix("-A ").and_then(|rule| rule.split_once(' '))
            && let Some(target) = matching(rest, destination)
        {
            chains.entry(chain.to_owned()).or_default().push(Rule { target, shown: line.to_owned() });
        }
    }
    match decide(&chains, "OUTPUT") {
        Decision::Accepted => None,
        Decision::Refused(rule) => Some(rule),
        Decision::Undecided => policy,
    }
}

/// The rule's action on the connection; `None` if it does not match, or has a condition that this parser does not know.
fn matching(rule: &str, destination: Destination) -> Option<Target> {
    let mut words = rule.split_ascii_whitespace();
    while let Some(word) = words.next() {
        match word {
            "-p" => matches!(words.next()?, "tcp" | "all").then_some(())?,
            "-m" => _ = words.next()?,
            "--dport" | "--dports" => holds_port(words.next()?, destination.port).then_some(())?,
            "-d" => destination.is_in(words.next()?)?.then_some(())?,
            // Outbound connections do not use the loopback interface.
            "!" => (words.next()? == "-o" && words.next()? == "lo").then_some(())?,
            "-o" => (words.next()? != "lo").then_some(())?,
            "--state" | "--ctstate" => words.next()?.split(',').any(|state| state == "NEW").then_some(())?,
            "--comment" => skip_quoted(&mut words),
            "-j" => return target(words.next()?, false),
            "-g" => return target(words.next()?, true),
            _ => return None,
        }
    }
    None
}

fn target(name: &str, is_goto: bool) -> Option<Target> {
    Some(match name {
        "ACCEPT" => Target::Accept,
        "DROP" | "REJECT" => Target::Refuse,
        "RETURN" => Target::Return,
        "LOG" | "NFLOG" | "MARK" | "CONNMARK" => Target::Nothing,
        chain if is_goto => Target::Goto(chain.to_owned()),
        chain => Target::Jump(chain.to_owned()),
    })
}

/// `443`, `80,443`, `1:1024`.
fn holds_port(ports: &str, port: u16) -> bool {
    ports.split(',').any(|part| {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        let bound = |text: &str, open: u16| if text.is_empty() { Some(open) } else { text.parse().ok() };
        bound(first, 0).zip(bound(last, u16::MAX)).is_some_and(|(first, last)| (first..=last).contains(&port))
    })
}

/// A comment is one word, or several in quotes.
fn skip_quoted<'a>(words: &mut impl Iterator<Item = &'a str>) {
    let Some(first) = words.next().filter(|word| word.starts_with('"')) else { return };
    if first.len() == 1 || !first.ends_with('"') {
        let _ = words.find(|word| word.ends_with('"') && !word.ends_with("\\\""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_blocks_the_connection_is_found() {
        let destination = Destination { address: "203.0.113.5".parse().unwrap(), port: 443 };
        let drop = "-A OUTPUT -p tcp -m tcp --dport 443 -j DROP";
        let table = [
            ("-P OUTPUT ACCEPT", None),
            ("-P OUTPUT DROP", Some("-P OUTPUT DROP")),
            (drop, Some(drop)),
            ("-A OUTPUT -p tcp -m tcp --dport 443 -j ACCEPT\n-P OUTPUT DROP", None),
            ("-A OUTPUT -o lo -j ACCEPT\n-P OUTPUT DROP", Some("-P OUTPUT DROP")),
            ("-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-P OUTPUT DROP", Some("-P OUTPUT DROP")),
            (
                "-A OUTPUT -m comment --comment \"the web\" -p tcp -m multiport --dports 80,443 -j ACCEPT\n-P OUTPUT DROP",
                None,
            ),
            (
                "-A OUTPUT -d 203.0.113.0/24 -j REJECT --reject-with icmp-port-unreachable",
                Some("-A OUTPUT -d 203.0.113.0/24 -j REJECT --reject-with icmp-port-unreachable"),
            ),
            ("-A OUTPUT -d 198.51.100.0/24 -j DROP", None),
            ("-A OUTPUT -p udp -j DROP", None),
            ("-A OUTPUT -p tcp -m tcp --dport 1:442 -j DROP", None),
            ("-A OUTPUT -m owner --uid-owner 1001 -j DROP", None),
            ("-A OUTPUT ! -o lo -j DROP", Some("-A OUTPUT ! -o lo -j DROP")),
            ("-A OUTPUT ! -d 10.0.0.0/8 -j DROP", None),
            ("-N block\n-A block -j DROP\n-A OUTPUT -j LOG\n-A OUTPUT -j block", Some("-A block -j DROP")),
            ("-A INPUT -j DROP", None),
            ("-A OUTPUT", None),
        ];
        for (text, expected) in table {
            assert_eq!(refusal(text, destination).as_deref(), expected, "{text}");
        }
    }
}
