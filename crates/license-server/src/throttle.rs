//! Rate limits: token buckets by key, in bounded memory.
//!
//! A limit is keyed by what behaves badly, such as a license **and** an address, never only by what others share with it.
//! A full table forgives no key: [`Throttle`] says how.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::network::Network;

/// The maximum number of keys of a table.
const MAX_KEYS: usize = 16 * 1024;

/// Token buckets by key.
///
/// The table holds the buckets that are not full. When it has no room, it drops the fullest of them, and from then on every
/// key that is not in the table starts with no more tokens than the dropped bucket had. So no number of other keys makes a
/// bucket fuller than it is, and a key that is new pays at most for the least guilty of them.
#[derive(Debug)]
pub struct Throttle<Key> {
    burst: u32,
    /// The time in which one token is refilled.
    refill: Duration,
    /// For each key, by its keyed hash, when its bucket will be full.
    full_at: HashMap<u64, Instant>,
    /// The same in order of time.
    order: BTreeSet<(Instant, u64)>,
    /// When the buckets that were dropped will all be full.
    dropped: Option<Instant>,
    hasher: RandomState,
    max_keys: usize,
    key: PhantomData<fn(Key)>,
}

impl<Key: Hash> Throttle<Key> {
    /// Allows `burst` attempts at once, and one more per `refill`.
    pub fn new(burst: u32, refill: Duration) -> Self {
        Self {
            burst,
            refill,
            full_at: HashMap::new(),
            order: BTreeSet::new(),
            dropped: None,
            hasher: RandomState::new(),
            max_keys: MAX_KEYS,
            key: PhantomData,
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// The bucket is empty; the time until the next token.
    pub fn take(&mut self, key: Key, now: Instant) -> Result<(), Duration> {
        let hash = self.hasher.hash_one(&key);
        let full_at = self.when_full(hash, now);
        self.available(full_at, now)?;
        self.put(hash, full_at + self.refill, now);
        Ok(())
    }

    /// Whether a token is available, without taking it.
    ///
    /// # Errors
    /// The bucket is empty; the time until the next token.
    pub fn check(&self, key: &Key, now: Instant) -> Result<(), Duration> {
        self.available(self.when_full(self.hasher.hash_one(key), now), now)
    }

    /// Whether the bucket that will be full at this instant has a token.
    fn available(&self, full_at: Instant, now: Instant) -> Result<(), Duration> {
        let missing = full_at.saturating_duration_since(now);
        let most = self.refill.saturating_mul(self.burst.saturating_sub(1));
        match missing.checked_sub(most) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(()),
        }
    }

    /// Whether at most this many tokens are missing: so many recent attempts are counted.
    pub fn is_quiet(&self, key: &Key, most: u32, now: Instant) -> bool {
        let missing = self.when_full(self.hasher.hash_one(key), now).saturating_duration_since(now);
        missing <= self.refill.saturating_mul(most)
    }

    /// Gives a token back, for an attempt that turned out not to count.
    pub fn refund(&mut self, key: &Key, now: Instant) {
        let hash = self.hasher.hash_one(key);
        if let Some(full_at) = self.full_at.get(&hash).copied() {
            self.put(hash, full_at.checked_sub(self.refill).unwrap_or(now).max(now), now);
        }
    }

    /// Refills the bucket.
    pub fn reset(&mut self, key: &Key) {
        let hash = self.hasher.hash_one(key);
        if let Some(full_at) = self.full_at.remove(&hash) {
            self.order.remove(&(full_at, hash));
        }
    }

    /// When the bucket will be full; `now` if it is.
    fn when_full(&self, hash: u64, now: Instant) -> Instant {
        let known = self.full_at.get(&hash).copied().or(self.dropped);
        known.map_or(now, |at| at.max(now))
    }

    fn put(&mut self, hash: u64, full_at: Instant, now: Instant) {
        if let Some(before) = self.full_at.insert(hash, full_at) {
            self.order.remove(&(before, hash));
        }
        self.order.insert((full_at, hash));
        while let Some((at, first)) = self.order.first().copied() {
            if at > now && self.full_at.len() <= self.max_keys {
                return;
            }
            self.order.pop_first();
            self.full_at.remove(&first);
            if at > now {
                self.dropped = self.dropped.max(Some(at));
            }
        }
    }
}

/// Limits by network: the address, and the networks around it that one client can control, each with a bucket. The holder
/// of one IPv6 address usually controls its /64, often a /56, and can rent a /48.
#[derive(Debug)]
pub struct NetworkThrottle {
    tiers: [Throttle<Network>; TIERS],
}

const TIERS: usize = 3;

/// The lengths of the prefixes, from the narrowest network.
const PREFIXES_V4: [u8; TIERS] = [32, 28, 24];
const PREFIXES_V6: [u8; TIERS] = [64, 56, 48];

impl NetworkThrottle {
    /// For each of the networks, from the narrowest: its burst and the time in which one token is refilled.
    pub fn new(limits: [(u32, Duration); TIERS]) -> Self {
        Self { tiers: limits.map(|(burst, refill)| Throttle::new(burst, refill)) }
    }

    /// Takes a token from every bucket of the address.
    ///
    /// # Errors
    /// One of them is empty; the longest of the times until the next token. None was taken then.
    pub fn take(&mut self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        self.check(address, now)?;
        for (throttle, network) in self.tiers.iter_mut().zip(networks(address)) {
            throttle.take(network, now)?;
        }
        Ok(())
    }

    /// Whether every bucket has a token, without taking any.
    ///
    /// # Errors
    /// One of them is empty; the longest of the times until the next token.
    pub fn check(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let waits = self
            .tiers
            .iter()
            .zip(networks(address))
            .filter_map(|(throttle, network)| throttle.check(&network, now).err());
        waits.max().map_or(Ok(()), Err)
    }

    /// Whether at most this many recent attempts from each of the networks are counted.
    pub fn is_quiet(&self, address: IpAddr, most: u32, now: Instant) -> bool {
        self.tiers.iter().zip(networks(address)).all(|(throttle, network)| throttle.is_quiet(&network, most, now))
    }
}

/// The networks around the address, from the narrowest.
fn networks(address: IpAddr) -> [Network; TIERS] {
    let prefixes = if address.is_ipv4() { PREFIXES_V4 } else { PREFIXES_V6 };
    prefixes.map(|prefix| Network::around(address, prefix))
}

/// The wait in whole seconds for `Retry-After`, at least one.
pub fn retry_after(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// The network that counts as one client: the holder of one IPv6 address usually controls the whole /64.
pub fn network(address: IpAddr) -> IpAddr {
    let [narrowest, ..] = networks(address);
    narrowest.address()
}

/// The widest network around the address that one client can control.
pub fn widest_network(address: IpAddr) -> IpAddr {
    let [.., widest] = networks(address);
    widest.address()
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
