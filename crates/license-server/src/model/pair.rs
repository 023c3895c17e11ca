//! What is one server: which addresses with one machine identity share a slot.
//!
//! A server has one address, or a pair: an IPv4 and an IPv6 address. Of an IPv6 address the /64 counts, because the rest
//! changes by itself (RFC 8981). Everything else with the same identity is a clone or has moved, and needs a slot of its own.
//! An identity is a claim, so copying one never gives more than the other side of a pair.
//!
//! Two hosts are told from one by being seen alternately: an address of a /64 that returns after another one took its place,
//! or the sides of a pair that keep saying different host names, or going back and forth between two identities.

use std::net::IpAddr;
use std::time::Duration;

use super::activation::{ACTIVE_TIME, RETENTION_TIME};
use super::side::Side;
use crate::network::Network;
use opterius_base::clock::Timestamp;

/// A host changes its IPv6 address once a day, and at each start. More changes than this within a day are several hosts.
const MAX_CHANGES: usize = 4;

/// The period of [`MAX_CHANGES`].
const CHANGE_TIME: Duration = Duration::from_secs(86_400);

/// The addresses of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sides {
    /// The address that the activation has.
    pub first: Side,
    /// The address of the other family, if the server is a pair.
    pub second: Option<Side>,
    /// Addresses of the same /64 that the server had before, and when they were replaced.
    pub former: Vec<(IpAddr, Timestamp)>,
}

/// A check-in of a server whose identity is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign<'a> {
    /// The address.
    pub ip: IpAddr,
    /// The reported host name.
    pub hostname: Option<&'a str>,
    /// The time.
    pub at: Timestamp,
}

impl Sides {
    /// The latest check-in.
    pub fn last_seen_at(&self) -> Timestamp {
        self.second.as_ref().map_or(self.first.last_seen_at, |second| second.last_seen_at.max(self.first.last_seen_at))
    }

    /// Takes in an address with the same identity that has no activation. `None` if it belongs to another server.
    #[must_use]
    pub fn joined(&self, sign: Sign<'_>) -> Option<Self> {
        let differs = |side: &Side| is_other_host(side.hostname.as_deref(), sign.hostname);
        if differs(&self.first) || self.second.as_ref().is_some_and(differs) {
            return None;
        }
        let new = Side { ip: sign.ip, last_seen_at: sign.at, hostname: sign.hostname.map(str::to_owned) };
        let mut sides = self.clone();
        let same_family = |side: &Side| side.ip.is_ipv4() == sign.ip.is_ipv4();
        if same_family(&sides.first) {
            let may_replace = self.may_replace(&self.first, sign);
            let old = std::mem::replace(&mut sides.first, new);
            may_replace.then(|| sides.replaced(&old, sign.at))
        } else if let Some(second) = &mut sides.second {
            let may_replace = self.may_replace(second, sign);
            let old = std::mem::replace(second, new);
            may_replace.then(|| sides.replaced(&old, sign.at))
        } else {
            sides.second = Some(new);
            Some(sides)
        }
    }

    /// Whether an address takes the place of another one of its family.
    fn may_replace(&self, old: &Side, sign: Sign<'_>) -> bool {
        let is_within = |time: Duration, at: Timestamp| sign.at.since(at) < time;
        if !is_within(ACTIVE_TIME, old.last_seen_at) {
            return true;
        }
        let has_returned = self.former.iter().any(|(ip, at)| *ip == sign.ip && is_within(ACTIVE_TIME, *at));
        let changes = self.former.iter().filter(|(_, at)| is_within(CHANGE_TIME, *at)).count();
        sign.ip.is_ipv6() && network(old.ip) == network(sign.ip) && !has_returned && changes < MAX_CHANGES
    }

    fn replaced(mut self, old: &Side, now: Timestamp) -> Self {
        self.former.retain(|(_, at)| now.since(*at) < ACTIVE_TIME);
        self.former.push((old.ip, now));
        self
    }

    /// Records a check-in from one of the addresses. The second value is the side that turned out to be another host, or
    /// was silent for too long; it no longer belongs to the server.
    #[must_use]
    pub fn seen(&self, sign: Sign<'_>) -> (Self, Option<Side>) {
        let mut sides = self.clone();
        let Some(mut other) = sides.second.take() else {
            sides.first.see(sign);
            return (sides, None);
        };
        let is_first = sides.first.ip == sign.ip;
        let (own, away) = if is_first { (&sides.first, &other) } else { (&other, &sides.first) };
        let is_apart = is_other_host(away.hostname.as_deref(), sign.hostname)
            && !is_other_host(own.hostname.as_deref(), sign.hostname)
            && away.last_seen_at > own.last_seen_at;
        let is_silent = sign.at.since(away.last_seen_at) >= RETENTION_TIME;
        if is_first {
            sides.first.see(sign)
        } else {
            other.see(sign)
        }
        if !is_apart && !is_silent {
            sides.second = Some(other);
            return (sides, None);
        }
        // The side that was there first keeps the slot, unless it is the one that is silent.
        if is_silent && !is_first {
            std::mem::swap(&mut sides.first, &mut other);
        }
        (sides, Some(other))
    }
}

impl Side {
    fn see(&mut self, sign: Sign<'_>) {
        self.last_seen_at = self.last_seen_at.max(sign.at);
        if let Some(hostname) = sign.hostname {
            self.hostname = Some(hostname.to_owned());
        }
    }
}

/// Two host names, both known and different.
fn is_other_host(one: Option<&str>, other: Option<&str>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if !one.eq_ignore_ascii_case(other))
}

fn network(ip: IpAddr) -> Network {
    Network::around(ip, 64)
}
