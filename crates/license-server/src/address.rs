//! The IP address that identifies a server.

use std::net::{IpAddr, Ipv6Addr};

use crate::network::Network;
use opterius_license::address::is_public;

/// The address that identifies the server: the observed source address if it is public, otherwise the address that the
/// server reports. A Panel that does not know its address reports 127.0.0.1, which identifies no host.
pub fn identity(observed: IpAddr, reported: Option<IpAddr>) -> IpAddr {
    let identifies_a_host = |address: &IpAddr| !address.is_loopback() && is_host_address(*address);
    if is_public(observed) { observed } else { reported.filter(identifies_a_host).unwrap_or(observed) }
}

/// Whether a single host can have this address.
pub fn is_host_address(address: IpAddr) -> bool {
    let is_reserved = match address {
        IpAddr::V4(address) => address.is_broadcast() || matches!(address.octets(), [0, ..]),
        IpAddr::V6(address) => address.is_unspecified(),
    };
    !is_reserved && !address.is_multicast()
}

/// Why no server can be addressed with `address` by the license server; `None` if one can.
pub fn unusable(address: IpAddr) -> Option<&'static str> {
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if address.is_loopback() {
        Some("a loopback address")
    } else if is_link_local {
        Some("a link-local address")
    } else if address.is_unspecified() {
        Some("the unspecified address")
    } else if address.is_multicast() {
        Some("a multicast address")
    } else if !is_host_address(address) || matches!(address, IpAddr::V4(v4) if v4.octets().first() >= Some(&240)) {
        Some("reserved")
    } else {
        None
    }
}

/// Whether the address is for private networks: RFC 1918, RFC 4193, and the range behind a carrier's NAT (RFC 6598).
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private() || first == 100 && second & 0xc0 == 64
        }
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// The source of a request, as far as it can be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The client's address, or the address of the proxy where the client's is not known.
    pub ip: IpAddr,
    /// What a trusted proxy sent in place of the client's address, if it is not readable.
    pub unreadable: Option<String>,
}

impl Source {
    /// The address that identifies a server with this source, by [`identity`]. If the source is not known, it is the
    /// address of the proxy: what the server reports never stands in for what the proxy withholds.
    pub fn identity(&self, reported: Option<IpAddr>) -> IpAddr {
        if self.unreadable.is_some() { self.ip } else { identity(self.ip, reported) }
    }
}

/// The client behind `peer`: `peer` itself, unless it is one of `proxies`. Then it is the last address in `forwarded`, the
/// values of `X-Forwarded-For` in order, that is not a proxy: each proxy appends the address that it sees, and the client
/// can forge everything before that. If all of them are proxies, the client is the farthest of them.
///
/// `is_relayed`: another header says that the request came through a proxy, so that one without `X-Forwarded-For` is not
/// the proxy's own.
pub fn client(peer: IpAddr, forwarded: &[String], is_relayed: bool, proxies: &[Network]) -> Source {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    if !is_proxy(peer) {
        return Source { ip: peer, unreadable: None };
    }
    if forwarded.is_empty() {
        return Source { ip: peer, unreadable: is_relayed.then(String::new) };
    }
    let mut nearest = peer;
    for text in forwarded.iter().rev().flat_map(|value| value.rsplit(',')) {
        match hop(text) {
            Some(address) if is_proxy(address) => nearest = address,
            Some(address) => return Source { ip: address, unreadable: None },
            None => return Source { ip: nearest, unreadable: Some(text.trim().to_owned()) },
        }
    }
    Source { ip: nearest, unreadable: None }
}

/// The address in an item of `X-Forwarded-For`, as proxies write it: alone; with a port; an IPv6 address in brackets, with
/// or without one, or with a zone; in quotes; or as a parameter of RFC 7239, such as `for="[2001:db8::1]:4711";proto=https`.
fn hop(text: &str) -> Option<IpAddr> {
    let text = parameter(text.trim()).trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim();
    let is_port = |text: &str| !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let is_complete = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return ipv6(address).filter(|_| is_complete);
    }
    match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => address.parse().ok().map(IpAddr::V4).filter(|_| is_port(port)),
        Some(_) => ipv6(text),
        None => text.parse().ok().map(IpAddr::V4),
    }
}

/// The value of `for=` among the parameters of RFC 7239; the text itself if it has none.
fn parameter(text: &str) -> &str {
    let is_for = |name: &str| name.trim().eq_ignore_ascii_case("for");
    let parameters = || text.split(';').filter_map(|parameter| parameter.split_once('='));
    parameters().find(|(name, _)| is_for(name)).map_or(text, |(_, value)| value)
}

/// An IPv6 address, with or without a zone (RFC 4007 §11); an IPv4-mapped one is IPv4.
fn ipv6(text: &str) -> Option<IpAddr> {
    let address = match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() => address,
        Some(_) => return None,
        None => text,
    };
    address.parse::<Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_slot_is_moved_only_to_an_address_that_a_server_can_have() {
        let table = [
            ("203.0.113.5", None, false),
            ("8.8.8.8", None, false),
            ("2001:db8::5", None, false),
            ("10.0.0.5", None, true),
            ("172.31.0.5", None, true),
            ("172.32.0.5", None, false),
            ("192.168.1.5", None, true),
            ("100.64.0.5", None, true),
            ("100.128.0.5", None, false),
            ("fd00::5", None, true),
            ("::ffff:10.0.0.5", None, true),
            ("127.0.0.1", Some("a loopback address"), false),
            ("127.255.0.1", Some("a loopback address"), false),
            ("::1", Some("a loopback address"), false),
            ("::ffff:127.0.0.1", Some("a loopback address"), false),
            ("169.254.169.254", Some("a link-local address"), false),
            ("fe80::5", Some("a link-local address"), false),
            ("febf::5", Some("a link-local address"), false),
            ("::ffff:169.254.0.1", Some("a link-local address"), false),
            ("0.0.0.0", Some("the unspecified address"), false),
            ("::", Some("the unspecified address"), false),
            ("224.0.0.1", Some("a multicast address"), false),
            ("ff02::1", Some("a multicast address"), false),
            ("255.255.255.255", Some("reserved"), false),
            ("0.1.2.3", Some("reserved"), false),
            ("240.0.0.1", Some("reserved"), false),
        ];
        for (address, why, private) in table {
            assert_eq!((unusable(ip(address)), is_private(ip(address))), (why, private), "{address}");
        }
    }

    #[test]
    fn a_public_source_address_overrides_the_reported_one() {
        let table = [
            ("8.8.8.8", Some("9.9.9.9"), "8.8.8.8"),
            ("8.8.8.8", None, "8.8.8.8"),
            ("2a01:4f8::1", Some("9.9.9.9"), "2a01:4f8::1"),
            ("10.0.0.7", Some("9.9.9.9"), "9.9.9.9"),
            ("127.0.0.1", Some("203.0.113.5"), "203.0.113.5"),
            ("127.0.0.1", Some("10.0.0.9"), "10.0.0.9"),
            ("10.0.0.7", Some("127.0.0.1"), "10.0.0.7"),
            ("10.0.0.7", Some("0.0.0.0"), "10.0.0.7"),
            ("10.0.0.7", Some("::1"), "10.0.0.7"),
            ("127.0.0.1", None, "127.0.0.1"),
            ("10.0.0.7", Some("224.0.0.1"), "10.0.0.7"),
            ("10.0.0.7", Some("255.255.255.255"), "10.0.0.7"),
            ("10.0.0.7", Some("0.0.0.1"), "10.0.0.7"),
            ("10.0.0.7", Some("ff02::1"), "10.0.0.7"),
        ];
        for (observed, reported, expected) in table {
            assert_eq!(identity(ip(observed), reported.map(ip)), ip(expected), "{observed} {reported:?}");
        }
    }

    #[test]
    fn x_forwarded_for_is_trusted_only_from_a_configured_proxy() {
        let proxies = ["127.0.0.1", "10.0.0.0/8", "2001:db8:cafe::/48"].map(|network| network.parse().unwrap());
        // The peer, the values of the header, the client, and what of them is not readable.
        let table: [(&str, &[&str], &str, Option<&str>); 44] = [
            ("8.8.8.8", &["9.9.9.9"], "8.8.8.8", None),
            ("8.8.8.8", &["unknown"], "8.8.8.8", None),
            ("127.0.0.1", &["9.9.9.9"], "9.9.9.9", None),
            ("127.0.0.1", &["1.1.1.1, 9.9.9.9"], "9.9.9.9", None),
            ("127.0.0.1", &["1.1.1.1", "9.9.9.9"], "9.9.9.9", None),
            ("127.0.0.1", &["1.1.1.1,9.9.9.9", "10.1.2.3"], "9.9.9.9", None),
            ("127.0.0.1", &["9.9.9.9, 10.0.0.2"], "9.9.9.9", None),
            ("127.0.0.1", &["9.9.9.9, 10.0.0.2:80, [2001:db8:cafe::1]:443"], "9.9.9.9", None),
            ("2001:db8:cafe::1", &["9.9.9.9"], "9.9.9.9", None),
            ("127.0.0.1", &["::ffff:9.9.9.9"], "9.9.9.9", None),
            ("127.0.0.1", &[], "127.0.0.1", None),
            ("127.0.0.1", &["10.0.0.9, 10.0.0.2"], "10.0.0.9", None),
            ("127.0.0.1", &["127.0.0.1"], "127.0.0.1", None),
            // With a port, brackets, quotes, a zone.
            ("127.0.0.1", &["9.9.9.9:51234"], "9.9.9.9", None),
            ("127.0.0.1", &["\t9.9.9.9:80 "], "9.9.9.9", None),
            ("127.0.0.1", &["[2a01:4f8::1]"], "2a01:4f8::1", None),
            ("127.0.0.1", &["[2a01:4f8::1]:443"], "2a01:4f8::1", None),
            ("127.0.0.1", &["[::ffff:9.9.9.9]:443"], "9.9.9.9", None),
            ("127.0.0.1", &["2A01:4F8::1"], "2a01:4f8::1", None),
            ("127.0.0.1", &["\"9.9.9.9\""], "9.9.9.9", None),
            ("127.0.0.1", &["\"[2a01:4f8::1]:443\""], "2a01:4f8::1", None),
            ("127.0.0.1", &["2a01:4f8::1%eth0"], "2a01:4f8::1", None),
            ("127.0.0.1", &["[2a01:4f8::1%25eth0]:443"], "2a01:4f8::1", None),
            // As in RFC 7239.
            ("127.0.0.1", &["for=9.9.9.9"], "9.9.9.9", None),
            ("127.0.0.1", &["For=\"[2a01:4f8::1]:4711\";proto=https;by=10.0.0.1"], "2a01:4f8::1", None),
            ("127.0.0.1", &["proto=https; for = 9.9.9.9:80"], "9.9.9.9", None),
            ("127.0.0.1", &["for=1.1.1.1, for=9.9.9.9, for=10.0.0.2"], "9.9.9.9", None),
            // Not readable: nothing before it counts, and what is before the nearest client does not matter.
            ("127.0.0.1", &["unknown"], "127.0.0.1", Some("unknown")),
            ("127.0.0.1", &["9.9.9.9, unknown"], "127.0.0.1", Some("unknown")),
            ("127.0.0.1", &["9.9.9.9, unknown, 10.0.0.2"], "10.0.0.2", Some("unknown")),
            ("127.0.0.1", &["unknown, 9.9.9.9"], "9.9.9.9", None),
            ("127.0.0.1", &["for=_hidden"], "127.0.0.1", Some("for=_hidden")),
            ("127.0.0.1", &["_SEVKISEK"], "127.0.0.1", Some("_SEVKISEK")),
            ("127.0.0.1", &[""], "127.0.0.1", Some("")),
            ("127.0.0.1", &["9.9.9.9", ""], "127.0.0.1", Some("")),
            ("127.0.0.1", &["9.9.9.9,"], "127.0.0.1", Some("")),
            ("127.0.0.1", &["9.9.9.9:"], "127.0.0.1", Some("9.9.9.9:")),
            ("127.0.0.1", &["9.9.9.9:http"], "127.0.0.1", Some("9.9.9.9:http")),
            ("127.0.0.1", &["[2a01:4f8::1"], "127.0.0.1", Some("[2a01:4f8::1")),
            ("127.0.0.1", &["[2a01:4f8::1]443"], "127.0.0.1", Some("[2a01:4f8::1]443")),
            ("127.0.0.1", &["[9.9.9.9]"], "127.0.0.1", Some("[9.9.9.9]")),
            ("127.0.0.1", &["2a01:4f8::1%"], "127.0.0.1", Some("2a01:4f8::1%")),
            ("127.0.0.1", &["9.9.9.9 8.8.8.8"], "127.0.0.1", Some("9.9.9.9 8.8.8.8")),
            ("127.0.0.1", &["client.example.com"], "127.0.0.1", Some("client.example.com")),
        ];
        for (peer, forwarded, expected, unreadable) in table {
            let forwarded: Vec<String> = forwarded.iter().map(|value| (*value).to_owned()).collect();
            let source = client(ip(peer), &forwarded, false, &proxies);
            let expected = Source { ip: ip(expected), unreadable: unreadable.map(str::to_owned) };
            assert_eq!(source, expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn a_request_that_a_proxy_relays_without_the_client_is_not_its_own() {
        let proxies = ["127.0.0.1".parse().unwrap()];
        let table = [("127.0.0.1", false, None), ("127.0.0.1", true, Some(String::new())), ("8.8.8.8", true, None)];
        for (peer, is_relayed, unreadable) in table {
            assert_eq!(client(ip(peer), &[], is_relayed, &proxies), Source { ip: ip(peer), unreadable }, "{peer}");
        }
    }

    #[test]
    fn a_reported_address_never_stands_in_for_one_that_the_proxy_withholds() {
        let reported = Some(ip("203.0.113.5"));
        let table = [
            ("127.0.0.1", None, "203.0.113.5"),
            ("127.0.0.1", Some("unknown"), "127.0.0.1"),
            ("10.0.0.2", Some(""), "10.0.0.2"),
            ("9.9.9.9", None, "9.9.9.9"),
        ];
        for (address, unreadable, expected) in table {
            let source = Source { ip: ip(address), unreadable: unreadable.map(str::to_owned) };
            assert_eq!(source.identity(reported), ip(expected), "{source:?}");
        }
    }
}
