//! Name resolution of the license server: DNS and `/etc/hosts`.

use std::net::IpAddr;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::license::client::connect::Trace;
use crate::license::client::fault::Step;

/// Whether `/etc/hosts` overrides the license server's name.
pub fn hosts_file(context: &Context<'_>) -> Option<Finding> {
    let server = context.network_path.as_ref()?.server();
    if server.host().parse::<IpAddr>().is_ok() || server.is_loopback() {
        return None;
    }
    Some(judge_hosts(&context.system.read("/etc/hosts"), server.host()))
}

fn judge_hosts(text: &str, server: &str) -> Finding {
    match overriding(text, server) {
        None => Finding::pass(format!("/etc/hosts does not mention {server}")),
        Some(line) => {
            let seen = format!("/etc/hosts:{} maps {server} to {}", line.number, line.address);
            let fix = if line.alone {
                format!("sed -i {}d /etc/hosts", line.number)
            } else {
                format!("remove {server} from line {}: editor /etc/hosts", line.number)
            };
            let nowhere = line.address.is_loopback() || line.address.is_unspecified();
            if nowhere { Finding::fail(seen, fix) } else { Finding::warn(seen, fix) }
        }
    }
}

/// A line of `/etc/hosts` that maps a name.
#[derive(Debug, PartialEq, Eq)]
struct HostsLine {
    number: usize,
    address: IpAddr,
    alone: bool,
}

fn overriding(text: &str, name: &str) -> Option<HostsLine> {
    text.lines().zip(1..).find_map(|(line, number)| {
        let code = line.split_once('#').map_or(line, |(code, _)| code);
        let mut words = code.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        let names: Vec<&str> = words.collect();
        let found = names.iter().any(|word| word.eq_ignore_ascii_case(name));
        found.then_some(HostsLine { number, address, alone: names.len() == 1 })
    })
}

/// Resolves the name of the license server or the proxy in front of it.
pub fn resolution(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    let failed = [Step::Proxy, Step::Resolve].into_iter().find_map(|step| network_path.passed(step)?.err());
    if let Some(fault) = failed {
        return Some(Finding::fail(&fault.cause, &fault.remedy));
    }
    let Trace { endpoint, addresses, .. } = network_path.trace();
    let host = &endpoint.as_ref()?.host;
    if host.parse::<IpAddr>().is_ok() {
        return Some(Finding::pass(format!("{host} is an address; no DNS lookup needed")));
    }
    let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    Some(Finding::pass(format!("{host} resolves to {}", shown.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overriding_line_of_the_hosts_file_is_found() {
        let line = |number, address: &str, alone| Some(HostsLine { number, address: address.parse().unwrap(), alone });
        let table = [
            ("127.0.0.1 localhost\n127.0.0.1\tOpterius.com\n", line(2, "127.0.0.1", true)),
            ("203.0.113.5 a opterius.com # x\n", line(1, "203.0.113.5", false)),
            ("::1 opterius.com\n", line(1, "::1", true)),
            ("#127.0.0.1 opterius.com\n", None),
            ("127.0.0.1 www.opterius.com\n", None),
            ("opterius.com 127.0.0.1\n", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(overriding(text, "opterius.com"), expected, "{text}");
        }
    }
}
