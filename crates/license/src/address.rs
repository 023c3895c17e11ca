//! The address family to use and the public address to report to the license server.
//!
//! A Panel and an Agent on one dual-stack host once reported an IPv6 and an IPv4 address and used up two activations.
//! Both therefore use IPv4 wherever the host has an IPv4 default route.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use serde::{Deserialize, Serialize};

use opterius_base::clock::Timestamp;

/// The address family of the default route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The host has an IPv4 default route.
    V4,
    /// The host has an IPv6 default route only.
    V6,
    /// The host has no default route: it reaches only itself and directly attached networks.
    Unrouted,
}

/// A public address reported by the discovery service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovered {
    /// The address.
    pub address: IpAddr,
    /// When it was discovered.
    pub at: Timestamp,
}

/// The family of the default route, from the text of `/proc/net/route` and of `/proc/net/ipv6_route`.
pub fn family(ipv4_routes: &str, ipv6_routes: &str) -> Family {
    /// RTF_UP without RTF_REJECT, in the flags of both files.
    fn usable(flags: Option<&&str>) -> bool {
        flags.and_then(|flags| u32::from_str_radix(flags, 16).ok()).is_some_and(|flags| flags & 0x0201 == 0x0001)
    }
    let default_v4 = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000") && usable(fields.get(3))
    };
    let default_v6 = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let everything = fields.first().is_some_and(|net| net.bytes().all(|digit| digit == b'0'));
        everything && fields.get(1) == Some(&"00") && fields.get(9) != Some(&"lo") && usable(fields.get(8))
    };
    if ipv4_routes.lines().any(default_v4) {
        Family::V4
    } else if ipv6_routes.lines().any(default_v6) {
        Family::V6
    } else {
        Family::Unrouted
    }
}

/// The source address that the kernel would use toward the Internet. Sends nothing: connecting a datagram socket only
/// consults the routing table. The destinations are in the documentation ranges (RFC 5737, RFC 3849).
pub fn source_address(family: Family) -> Option<IpAddr> {
    let (local, remote): (SocketAddr, SocketAddr) = match family {
        Family::V4 => ((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into()),
        Family::V6 => ((Ipv6Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into()),
        Family::Unrouted => return None,
    };
    let socket = UdpSocket::bind(local).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
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
    const V6_DEFAULT: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n";
    const V6_REJECT: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";

    #[test]
    fn ipv4_wins_whenever_it_has_a_default_route() {
        let table = [
            (format!("{V4_HEAD}{V4_LAN}{V4_DEFAULT}"), V6_DEFAULT.to_owned(), Family::V4),
            (format!("{V4_HEAD}{V4_DEFAULT}"), String::new(), Family::V4),
            (format!("{V4_HEAD}{V4_LAN}"), format!("{V6_REJECT}{V6_DEFAULT}"), Family::V6),
            (V4_HEAD.to_owned(), V6_REJECT.to_owned(), Family::Unrouted),
            (String::new(), String::new(), Family::Unrouted),
            ("garbage\n\0\n".to_owned(), "garbage".to_owned(), Family::Unrouted),
        ];
        for (v4, v6, expected) in table {
            assert_eq!(family(&v4, &v6), expected, "{v4}{v6}");
        }
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
