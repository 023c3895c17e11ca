//! Servers that a license was refused to, and servers that are kept out of it.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::activation::Details;
use opterius_base::clock::Timestamp;

/// The maximum number of refused servers that are remembered for a license; the oldest are dropped first.
pub const MAX_REFUSED: u32 = 100;

/// The maximum number of servers that a license keeps out.
pub const MAX_BLOCKS: u32 = 100;

/// The shortest and the longest time that a server can be kept out.
const BLOCK_TIMES: std::ops::RangeInclusive<u64> = 3600..=90 * 86_400;

/// The last refusal of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedServer {
    /// The address that identifies the server.
    pub ip: IpAddr,
    /// The `reason` of the last answer.
    pub reason: String,
    /// The `message` of the last answer.
    pub message: String,
    /// The first refusal since the server was last granted.
    pub first_at: Timestamp,
    /// The last refusal.
    pub last_at: Timestamp,
    /// How many there were.
    pub denials: u32,
    /// What the server reports about itself.
    #[serde(flatten)]
    pub details: Details,
}

/// A server that is kept out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Its address.
    pub ip: IpAddr,
    /// When it can claim a slot again.
    pub ends_at: Timestamp,
    /// Its identity, if it reported one.
    pub server_id: Option<String>,
}

impl Block {
    /// Whether it keeps out the server at `ip`: the same address, or the same machine at its address of the other family or
    /// at another address of its /64, which it can choose freely.
    pub fn applies_to(&self, ip: IpAddr, server_id: Option<&str>) -> bool {
        let is_same_identity = self.server_id.as_deref().is_some_and(|id| !id.is_empty() && Some(id) == server_id);
        self.ip == ip || is_same_identity && (self.ip.is_ipv4() != ip.is_ipv4() || is_same_64(self.ip, ip))
    }
}

fn is_same_64(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V6(one), IpAddr::V6(other)) => u128::from(one) >> 64 == u128::from(other) >> 64,
        _ => false,
    }
}

/// Parses the time to keep a server out: `7d` or `12h`.
///
/// # Errors
/// A sentence: it is none, or out of range.
pub fn block_time(text: &str) -> Result<Duration, String> {
    let wrong = || {
        Err("The time to keep a server out is 1h to 90d, such as 7d for seven days or 12h for twelve hours.".to_owned())
    };
    let unit = match text.as_bytes().last() {
        Some(b'd') => 86_400,
        Some(b'h') => 3600,
        _ => return wrong(),
    };
    let number = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    let is_plain =
        (1..=4).contains(&number.len()) && !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = number.parse::<u64>().ok().filter(|_| is_plain).map(|number| number.saturating_mul(unit));
    seconds
        .filter(|seconds| BLOCK_TIMES.contains(seconds))
        .map_or_else(wrong, |seconds| Ok(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_keep_out_is_hours_or_days_in_range() {
        for (text, seconds) in
            [("7d", 604_800), ("1h", 3600), ("36h", 129_600), ("90d", 7_776_000), ("2160h", 7_776_000)]
        {
            assert_eq!(block_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "d",
            "7",
            "0d",
            "91d",
            "-1d",
            "+7d",
            "7D",
            "7 d",
            "1.5d",
            "7dd",
            "07d",
            "00007d",
            "2161h",
            "7é",
            "é",
            "99999999999999999999d",
        ] {
            assert!(block_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_block_follows_the_machine_where_it_chooses_its_address_itself() {
        let table = [
            ("203.0.113.5", Some("a"), "203.0.113.5", None, true),
            ("203.0.113.5", Some("a"), "203.0.113.5", Some("b"), true),
            ("203.0.113.5", None, "203.0.113.6", None, false),
            ("203.0.113.5", Some("a"), "203.0.113.6", Some("a"), false),
            ("203.0.113.5", Some("a"), "2001:db8::5", Some("a"), true),
            ("2001:db8::5", Some("a"), "203.0.113.5", Some("a"), true),
            ("2001:db8::5", Some("a"), "2001:db8::6", Some("a"), true),
            ("2001:db8::5", Some("a"), "2001:db8:0:1::5", Some("a"), false),
            ("2001:db8::5", Some("a"), "2001:db8::6", Some("b"), false),
            ("2001:db8::5", Some(""), "2001:db8::6", Some(""), false),
            ("2001:db8::5", None, "203.0.113.5", None, false),
        ];
        for (blocked, identity, ip, server_id, expected) in table {
            let block = Block {
                ip: blocked.parse().unwrap(),
                ends_at: Timestamp::from_unix(1),
                server_id: identity.map(str::to_owned),
            };
            assert_eq!(block.applies_to(ip.parse().unwrap(), server_id), expected, "{blocked} {ip} {server_id:?}");
        }
    }
}
