//! The IP address that identifies a server.

use std::net::IpAddr;

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

/// The client behind `peer`: `peer` itself, unless it is one of `proxies`. Then it is the last address in
/// `X-Forwarded-For` that is not a proxy: each proxy appends the address that it sees, and the client can forge everything
/// before that.
pub fn client(peer: IpAddr, forwarded: impl Iterator<Item = String>, proxies: &[IpAddr]) -> IpAddr {
    if !proxies.contains(&peer) {
        return peer;
    }
    let forwarded = forwarded.collect::<Vec<String>>().join(",");
    for hop in forwarded.rsplit(',').map(str::trim) {
        match hop.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(address) if proxies.contains(&address) => {}
            Ok(address) => return address,
            Err(_) => break,
        }
    }
    peer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
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
        let proxies = [ip("127.0.0.1"), ip("10.0.0.2")];
        let table: [(&str, &[&str], &str); 9] = [
            ("8.8.8.8", &["9.9.9.9"], "8.8.8.8"),
            ("127.0.0.1", &["9.9.9.9"], "9.9.9.9"),
            ("127.0.0.1", &["1.1.1.1, 9.9.9.9"], "9.9.9.9"),
            ("127.0.0.1", &["1.1.1.1", "9.9.9.9"], "9.9.9.9"),
            ("127.0.0.1", &["9.9.9.9, 10.0.0.2"], "9.9.9.9"),
            ("127.0.0.1", &["::ffff:9.9.9.9"], "9.9.9.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &["9.9.9.9, garbage"], "127.0.0.1"),
        ];
        for (peer, forwarded, expected) in table {
            let forwarded_for = forwarded.iter().map(|value| (*value).to_owned());
            assert_eq!(client(ip(peer), forwarded_for, &proxies), ip(expected), "{peer} {forwarded:?}");
        }
    }
}
