//! Rate limits: a token bucket for each key, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The maximum number of keys. When it is reached, keys with full buckets are dropped first, then all.
const MAX_KEYS: usize = 16 * 1024;

/// Token buckets by key.
#[derive(Debug)]
pub struct Throttle<Key> {
    burst: u32,
    /// The time in which one token is refilled.
    refill: Duration,
    /// For each key, when its bucket will be full.
    full_at: HashMap<Key, Instant>,
}

impl<Key: Eq + Hash> Throttle<Key> {
    /// Allows `burst` attempts at once, and one more per `refill`.
    pub fn new(burst: u32, refill: Duration) -> Self {
        Self { burst, refill, full_at: HashMap::new() }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// The bucket is empty; the time until the next token.
    pub fn take(&mut self, key: Key, now: Instant) -> Result<(), Duration> {
        self.check(&key, now)?;
        self.make_room(now);
        let full_at = self.full_at.get(&key).map_or(now, |at| (*at).max(now));
        self.full_at.insert(key, full_at + self.refill);
        Ok(())
    }

    /// Whether a token is available, without taking it.
    ///
    /// # Errors
    /// The bucket is empty; the time until the next token.
    pub fn check(&self, key: &Key, now: Instant) -> Result<(), Duration> {
        let Some(full_at) = self.full_at.get(key) else { return Ok(()) };
        let missing = full_at.saturating_duration_since(now);
        let most = self.refill.saturating_mul(self.burst.saturating_sub(1));
        match missing.checked_sub(most) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(()),
        }
    }

    /// Refills the bucket.
    pub fn reset(&mut self, key: &Key) {
        self.full_at.remove(key);
    }

    fn make_room(&mut self, now: Instant) {
        if self.full_at.len() < MAX_KEYS {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() >= MAX_KEYS {
            self.full_at.clear();
        }
    }
}

/// The wait in whole seconds for `Retry-After`, at least one.
pub fn retry_after(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// The network that counts as one client: the holder of one IPv6 address usually controls the whole /64.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_attempt_per_interval() {
        let mut throttle = Throttle::new(3, Duration::from_secs(10));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..3 {
            assert_eq!(throttle.take("a", at(0)), Ok(()));
        }
        assert_eq!(throttle.take("a", at(0)), Err(Duration::from_secs(10)));
        assert_eq!(throttle.take("b", at(0)), Ok(()), "another key has its own bucket");
        assert_eq!(throttle.take("a", at(9)), Err(Duration::from_secs(1)));
        assert_eq!(throttle.check(&"a", at(10)), Ok(()));
        assert_eq!(throttle.take("a", at(10)), Ok(()));
        assert_eq!(throttle.take("a", at(10)), Err(Duration::from_secs(10)));
        for _ in 0..3 {
            assert_eq!(throttle.take("a", at(100)), Ok(()));
        }
        assert!(throttle.take("a", at(100)).is_err());
        throttle.reset(&"a");
        assert_eq!(throttle.take("a", at(100)), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = Throttle::new(2, Duration::from_secs(1));
        let start = Instant::now();
        for key in 0..3 * MAX_KEYS {
            let _ = throttle.take(key, start);
            assert!(throttle.full_at.len() <= MAX_KEYS);
        }
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        for (wait, expected) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (10_000, 10)] {
            assert_eq!(retry_after(Duration::from_millis(wait)), expected, "{wait} ms");
        }
    }

    #[test]
    fn all_addresses_of_one_ipv6_network_are_one_client() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2a01:4f8:1:2:3:4:5:6"), "2a01:4f8:1:2::");
        assert_eq!(network("8.8.8.8"), "8.8.8.8");
    }
}
