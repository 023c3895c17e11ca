//! `NO_PROXY`, as curl reads it: names that match at a label's boundary, addresses, and networks, separated by commas or
//! blanks. Beyond curl, which never matches them, an entry can have a port, brackets, or `*` among others.

use std::net::IpAddr;

/// Whether the list excepts this host and port from the proxy.
pub(super) fn excepts(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.');
    list.split([',', ' ', '\t', '\n', '\r']).filter(|entry| !entry.is_empty()).any(|entry| {
        let (pattern, wanted) = split_port(entry);
        wanted.is_none_or(|wanted| wanted == port) && matches(pattern, host)
    })
}

/// An entry without its brackets, and its port. A second colon belongs to an IPv6 address.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return match rest.strip_prefix(':').and_then(|port| port.parse().ok()) {
            Some(port) => (address, Some(port)),
            // A network in brackets: `[2001:db8::]/32`.
            None if rest.starts_with('/') => (entry, None),
            None => (address, None),
        };
    }
    match entry.split_once(':').map(|(name, port)| (name, port.parse())) {
        Some((name, Ok(port))) => (name, Some(port)),
        _ => (entry, None),
    }
}

fn matches(pattern: &str, host: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return contains(pattern, address);
    }
    let pattern = pattern.strip_prefix('*').unwrap_or(pattern).trim_matches('.');
    let Some(at) = host.len().checked_sub(pattern.len()).filter(|_| !pattern.is_empty()) else { return false };
    let (before, tail) = host.split_at_checked(at).unwrap_or_default();
    tail.eq_ignore_ascii_case(pattern) && (before.is_empty() || before.ends_with('.'))
}

/// Whether `network`, an address with or without the length of a prefix, contains the address.
fn contains(network: &str, address: IpAddr) -> bool {
    let (base, length) = network.split_once('/').map_or((network, None), |(base, length)| (base, Some(length)));
    let Ok(base) = base.trim_matches(['[', ']']).parse::<IpAddr>() else { return false };
    let (base, address, bits) = match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => (u128::from(base.to_bits()), u128::from(address.to_bits()), 32),
        (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    match length.map_or(Ok(bits), str::parse::<u32>) {
        // A shift by all bits of the number would overflow.
        Ok(length) if length <= bits => (base ^ address).checked_shr(bits - length).is_none_or(|rest| rest == 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_match_as_in_curl() {
        let table = [
            ("license.test", &["license.test", "LICENSE.TEST", ".license.test", "license.test.", "test", ".test"][..]),
            (
                "license.test",
                &["localhost, license.test", "localhost\tlicense.test", " license.test ", "a,,license.test"],
            ),
            ("license.test.", &["license.test"]),
            ("192.0.2.10", &["192.0.2.10", "192.0.2.0/24", "10.0.0.0/8,192.0.2.8/29", "192.0.2.10/32"]),
            ("2001:db8::1", &["2001:db8::1", "2001:db8:0::1"]),
        ];
        for (host, lists) in table {
            for list in lists {
                assert!(excepts(list, host, 443), "{list} for {host}");
            }
        }
        let table = [
            (
                "license.test",
                &["est", "other.license.test", "license.test.example", "localhost;license.test", "", ".", ","][..],
            ),
            ("license.test", &["https://license.test", "192.0.2.0/24"]),
            ("192.0.2.10", &["192.0.2", "0.2.10", ".0.2.10", "192.0.2.0/33", "192.0.2.0/29", "192.0.2.*", "::/0"]),
            ("2001:db8::1", &["2001:db8::2", "2001:db9::/32", "0.0.0.0/0"]),
        ];
        for (host, lists) in table {
            for list in lists {
                assert!(!excepts(list, host, 443), "{list} for {host}");
            }
        }
    }

    #[test]
    fn entries_can_have_a_port_brackets_and_wildcards() {
        let table = [
            ("license.test", 443, "license.test:443", true),
            ("license.test", 443, "license.test:8443", false),
            ("license.test", 8443, ".test:8443", true),
            ("license.test", 443, "*", true),
            ("license.test", 443, "other, *", true),
            ("license.test", 443, "*.test", true),
            ("192.0.2.10", 443, "192.0.2.10:443", true),
            ("192.0.2.10", 443, "192.0.2.10:80", false),
            ("192.0.2.10", 443, "0.0.0.0/0", true),
            ("2001:db8::1", 443, "[2001:db8::1]", true),
            ("2001:db8::1", 443, "[2001:db8::1]:443", true),
            ("2001:db8::1", 443, "[2001:db8::1]:80", false),
            ("2001:db8::1", 443, "2001:db8::/32", true),
            ("2001:db8::1", 443, "[2001:db8::]/32", true),
            ("2001:db8::1", 443, "::/0", true),
        ];
        for (host, port, list, expected) in table {
            assert_eq!(excepts(list, host, port), expected, "{list} for {host} port {port}");
        }
    }
}
