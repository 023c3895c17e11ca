//! Networks in CIDR notation, such as 10.0.0.0/8 and 2001:db8::/32. A single address is a network too.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network. IPv4-mapped IPv6 addresses are IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is no network; its display is a predicate such as “is not an IP address …”.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotANetwork {
    /// The part before the slash.
    Address,
    /// The part after it; the longest that the family allows.
    Prefix(u8),
    /// Bits after the prefix are set; the network that was probably meant.
    HostBits(Network),
}

impl fmt::Display for NotANetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => {
                formatter.write_str("is not an IP address such as 203.0.113.5, nor a network such as 10.0.0.0/8")
            }
            Self::Prefix(longest) => write!(formatter, "needs a number from 0 to {longest} after the slash"),
            Self::HostBits(network) => {
                write!(formatter, "has bits set after its prefix: if you mean the whole network, write {network}")
            }
        }
    }
}

impl Network {
    /// The network of this prefix length around an address. A length beyond the address's is the address itself.
    pub fn around(address: IpAddr, prefix: u8) -> Self {
        let address = address.to_canonical();
        let prefix = prefix.min(longest(address));
        let address = match address {
            IpAddr::V4(address) => {
                let bits = u32::MAX.checked_shl(u32::from(32_u8.saturating_sub(prefix))).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & bits).into()
            }
            IpAddr::V6(address) => {
                let bits = u128::MAX.checked_shl(u32::from(128_u8.saturating_sub(prefix))).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & bits).into()
            }
        };
        Self { address, prefix }
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether every address of its family is in the network.
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    /// Whether the address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && Self::around(address, self.prefix) == *self
    }
}

/// Networks with commas or white space between them.
///
/// # Errors
/// The first word that is no network, and why.
pub fn parse_networks<'t>(text: &'t str) -> Result<Vec<Network>, (&'t str, NotANetwork)> {
    let words = text.split(|character: char| character == ',' || character.is_whitespace());
    let network = |word: &'t str| word.parse().map_err(|error| (word, error));
    words.filter(|word| !word.is_empty()).map(network).collect()
}

impl FromStr for Network {
    type Err = NotANetwork;

    /// An address, or an address, a slash and a prefix length. Bits after the prefix must not be set: they are more often
    /// a mistake in the prefix than in the address, and the difference is who is trusted.
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let written: IpAddr = address.parse().map_err(|_| NotANetwork::Address)?;
        let address = written.to_canonical();
        let Some(prefix) = prefix else { return Ok(Self { address, prefix: longest(address) }) };
        let is_number = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<u8> = prefix.parse().ok().filter(|number| is_number && *number <= longest(written));
        let number = number.ok_or(NotANetwork::Prefix(longest(written)))?;
        // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
        let mapped = longest(written).saturating_sub(longest(address));
        let prefix = number.checked_sub(mapped).ok_or(NotANetwork::Prefix(longest(written)))?;
        let network = Self::around(address, prefix);
        if network.address == address { Ok(network) } else { Err(NotANetwork::HostBits(network)) }
    }
}

impl fmt::Display for Network {
    /// A single address without a prefix.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == longest(self.address) {
            write!(formatter, "{}", self.address)
        } else {
            write!(formatter, "{}/{}", self.address, self.prefix)
        }
    }
}

/// The longest prefix of the address's family, in bits.
fn longest(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_is_an_address_or_cidr_of_either_family() {
        let table = [
            ("203.0.113.5", Ok("203.0.113.5")),
            ("203.0.113.5/32", Ok("203.0.113.5")),
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("2001:DB8::/32", Ok("2001:db8::/32")),
            ("::/0", Ok("::/0")),
            ("::1", Ok("::1")),
            ("::ffff:10.0.0.1", Ok("10.0.0.1")),
            ("::ffff:10.0.0.0/104", Ok("10.0.0.0/8")),
            ("::ffff:10.0.0.0/64", Err(NotANetwork::Prefix(128))),
            ("10.0.0.1/8", Err(NotANetwork::HostBits(Network::around(ip("10.0.0.0"), 8)))),
            ("2001:db8::1/64", Err(NotANetwork::HostBits(Network::around(ip("2001:db8::"), 64)))),
            ("10.0.0.0/33", Err(NotANetwork::Prefix(32))),
            ("2001:db8::/129", Err(NotANetwork::Prefix(128))),
            ("10.0.0.0/", Err(NotANetwork::Prefix(32))),
            ("10.0.0.0/+8", Err(NotANetwork::Prefix(32))),
            ("10.0.0.0/8/8", Err(NotANetwork::Prefix(32))),
            ("10.0.0.0/255.0.0.0", Err(NotANetwork::Prefix(32))),
            ("10.0.0/8", Err(NotANetwork::Address)),
            ("nginx", Err(NotANetwork::Address)),
            ("/8", Err(NotANetwork::Address)),
            ("", Err(NotANetwork::Address)),
        ];
        for (text, expected) in table {
            let parsed = text.parse::<Network>();
            assert_eq!(parsed.map(|network| network.to_string()), expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_network_contains_the_addresses_of_its_family_with_its_prefix() {
        let table = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.0/8", "2001:db8::1", false),
            ("0.0.0.0/0", "203.0.113.5", true),
            ("0.0.0.0/0", "::", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "0.0.0.0", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("203.0.113.4/31", "203.0.113.5", true),
            ("203.0.113.4/31", "203.0.113.6", false),
            ("203.0.113.5", "203.0.113.5", true),
            ("203.0.113.5", "203.0.113.4", false),
        ];
        for (network, address, expected) in table {
            assert_eq!(network.parse::<Network>().unwrap().contains(ip(address)), expected, "{network} {address}");
        }
    }
}
