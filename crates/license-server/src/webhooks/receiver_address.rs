//! Which addresses a webhook may be delivered to.
//!
//! A person who can add a webhook must not be able to reach what only the license server's machine can reach: its own
//! services, its network, and the address at which a cloud hands out credentials. So what counts is the address that is
//! connected to, not the name in the URL, and the connection goes to the very address that was checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::is_host_address;
use opterius_license::address::{is_public, source_toward};

/// The address at which Azure serves credentials and settings of a virtual machine: the only one that looks public.
const AZURE_METADATA: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Which receivers the settings allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receivers {
    /// Those with a public address.
    Public,
    /// Those in the vendor's own network as well, and on this machine.
    Private,
}

impl Receivers {
    /// Whether these include a receiver at `address`.
    pub fn include(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::Private => is_host_address(address),
            Self::Public => is_elsewhere(address) && source_toward(address) != Some(address),
        }
    }
}

/// Whether the address is public and leads to itself, not by way of an IPv4 address inside it.
fn is_elsewhere(address: IpAddr) -> bool {
    is_public(address)
        && match address {
            IpAddr::V4(address) => address != AZURE_METADATA,
            IpAddr::V6(address) => !is_translated(address),
        }
}

/// Addresses of IANA's registry in 2000::/3 that lead to an IPv4 address, or to no host: Teredo, benchmarks and
/// identifiers (2001::/23), 6to4 (2002::/16), and documentation (3fff::/20). NAT64 (64:ff9b::/96) is not in 2000::/3.
fn is_translated(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, second, ..] => second & 0xfe00 == 0,
        [0x2002, ..] => true,
        [0x3fff, second, ..] => second & 0xf000 == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_of_other_machines_receive_unless_the_settings_allow_more() {
        let public = ["1.1.1.1", "93.184.216.34", "2a01:4f8::1", "2600:1f18::1", "::ffff:93.184.216.34"];
        let private = [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "192.0.2.1",
            "240.0.0.1",
            "168.63.129.16",
            "::1",
            "fe80::1",
            "fec0::1",
            "fd00:ec2::254",
            "fc00::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "3fff::1",
            "5f00::1",
            "100::1",
        ];
        let never = ["0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "::ffff:0.0.0.0"];
        let includes = |receivers: Receivers, text: &str| receivers.include(text.parse().unwrap());
        for text in public {
            assert!(includes(Receivers::Public, text) && includes(Receivers::Private, text), "{text}");
        }
        for text in private {
            assert!(!includes(Receivers::Public, text) && includes(Receivers::Private, text), "{text}");
        }
        for text in never {
            assert!(!includes(Receivers::Public, text) && !includes(Receivers::Private, text), "{text}");
        }
    }
}
