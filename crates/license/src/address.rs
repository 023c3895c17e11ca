//! The address family to use and the public address to report to the license server.
//!
//! A Panel and an Agent on one dual-stack host once reported an IPv6 and an IPv4 address and used up two activations.
//! Both therefore use IPv4 wherever the host has an IPv4 route.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use serde::{Deserialize, Serialize};

use opterius_base::clock::Timestamp;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The other family.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

/// A public address reported by the discovery service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovered {
    /// The address.
    pub address: IpAddr,
    /// When it was discovered.
    pub at: Timestamp,
}

/// The family to ask for first: IPv4, unless the host has no IPv4 route besides loopback's. `routes` is the text of
/// `/proc/net/route`.
pub fn preferred(routes: &str) -> Family {
    /// RTF_UP without RTF_REJECT.
    fn usable(flags: &str) -> bool {
        u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & 0x0201 == 0x0001)
    }
    let leads_out = |line: &str| {
        let mut fields = line.split_whitespace();
        fields.next().is_some_and(|interface| interface != "lo") && fields.nth(2).is_some_and(usable)
    };
    if routes.lines().any(leads_out) { Family::V4 } else { Family::V6 }
}

/// The source address that the kernel would use toward `remote`; `None` without a route to it. Sends nothing: connecting a
/// datagram socket only consults the routing table.
pub fn source_toward(remote: IpAddr) -> Option<IpAddr> {
    let local: IpAddr = match remote {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((local, 0)).ok()?;
    // The port is of no account: discard (RFC 863).
    socket.connect((remote, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The source address toward the Internet, in IPv4 where it has a route there. The destinations are in the documentation
/// ranges (RFC 5737, RFC 3849).
pub fn source_address() -> Option<IpAddr> {
    let documentation = [Ipv4Addr::new(192, 0, 2, 1).into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()];
    documentation.into_iter().find_map(source_toward)
}

/// Whether the address is publicly routable.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => {
                let [first, second, ..] = address.segments();
                let documentation = first == 0x2001 && second == 0xdb8;
                first & 0xe000 == 0x2000 && !documentation
            }
        },
    }
}

/// Excludes the ranges of IANA's special-purpose registry that a host can be configured with.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let carrier_nat = first == 100 && second & 0xc0 == 64;
    let benchmark = first == 198 && second & 0xfe == 18;
    let protocol = first == 192 && second == 0 && third == 0;
    let reserved = first >= 240 || first == 0;
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || carrier_nat
        || benchmark
        || protocol
        || reserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4_HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    const V4_DEFAULT: &str = "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
    const V4_LAN: &str = "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
    const V4_LOOPBACK: &str = "lo\t0000007F\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n";
    const V4_REJECT: &str = "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n";
    const V4_HALF: &str = "eth0\t00000080\t0101A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n";

    #[test]
    fn ipv4_is_asked_first_wherever_it_has_a_route() {
        let table = [
            (format!("{V4_HEAD}{V4_LAN}{V4_DEFAULT}"), Family::V4),
            (format!("{V4_HEAD}{V4_DEFAULT}"), Family::V4),
            (format!("{V4_HEAD}{V4_LAN}"), Family::V4),
            (format!("{V4_HEAD}{V4_HALF}"), Family::V4),
            (format!("{V4_HEAD}{V4_LOOPBACK}{V4_REJECT}"), Family::V6),
            (V4_HEAD.to_owned(), Family::V6),
            (String::new(), Family::V6),
            ("garbage\n\0\n".to_owned(), Family::V6),
        ];
        for (routes, expected) in table {
            assert_eq!(preferred(&routes), expected, "{routes}");
        }
    }

    #[test]
    fn loopback_always_has_a_route() {
        assert_eq!(source_toward(Ipv4Addr::LOCALHOST.into()), Some(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn only_publicly_routable_addresses_are_public() {
        for address in ["8.8.8.8", "93.184.216.34", "100.63.0.1", "172.32.0.1", "2a01:4f8::1", "::ffff:8.8.8.8"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
        ];
        for address in private {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }
}
