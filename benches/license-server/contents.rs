//! The contents of the databases: key, plan and servers as functions of the license number.

use std::net::{IpAddr, Ipv4Addr};

use crate::random::Random;

/// The plans of ten consecutive licenses with their numbers of servers, 30 in total.
const PLANS: [(&str, u32); 10] = [
    ("free", 1),
    ("business", 4),
    ("starter", 1),
    ("datacenter", 6),
    ("free", 1),
    ("business", 4),
    ("free", 1),
    ("starter", 1),
    ("business", 4),
    ("datacenter", 7),
];

/// The indexes of the unlimited plans.
const UNLIMITED: [u32; 2] = [3, 9];

/// Licenses are numbered from 1.
pub(crate) fn plan(license: u32) -> (&'static str, u32) {
    PLANS[(license as usize - 1) % PLANS.len()]
}

/// A random unlimited license among the first `licenses` licenses.
pub(crate) fn any_unlimited(licenses: u32, random: &mut Random) -> u32 {
    let ten = random.below(licenses / 10);
    ten * 10 + UNLIMITED[random.below(2) as usize] + 1
}

/// The `number`th license whose plan allows one server, in order.
pub(crate) fn single(licenses: u32, number: u32) -> u32 {
    let singles: Vec<u32> = (1..=10).filter(|license| plan(*license).1 == 1).collect();
    let count = singles.len() as u32;
    (number / count * 10 + singles[(number % count) as usize] - 1) % licenses + 1
}

/// The address of a server that is refused.
pub(crate) fn refused_address(license: u32) -> IpAddr {
    new_address(license | 0x2000_0000)
}

/// A pseudorandom key in the format of real keys.
pub(crate) fn key(license: u32) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut random = Random::new(u64::from(license));
    let mut key = String::with_capacity(35);
    for group in 0..4 {
        if group > 0 {
            key.push('-');
        }
        let bits = random.next();
        key.extend((0..8).map(|index| char::from(ALPHABET[(bits >> (5 * index)) as usize & 31])));
    }
    key
}

/// The address of a server of a license, by the order of activation.
pub(crate) fn address(license: u32, server: u32) -> IpAddr {
    scattered(20, Random::new((u64::from(license) << 32) | u64::from(server)).next())
}

/// The `number`th new address, which no license uses.
pub(crate) fn new_address(number: u32) -> IpAddr {
    // Multiplication by an odd number maps different numbers to different addresses.
    scattered(128, u64::from(number).wrapping_mul(0x9e37_79b1) & 0x3fff_ffff)
}

fn scattered(first: u8, bits: u64) -> IpAddr {
    let [high, rest @ ..] = ((bits & 0x3fff_ffff) as u32).to_be_bytes();
    let [b, c, d] = rest;
    Ipv4Addr::new(first + high, b, c, d).into()
}
