//! How often somebody may try: a bucket of tries for each name, refilled with time, in memory of bounded size.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Names that are remembered. When there are more, those whose buckets are full again are forgotten, and then the rest.
const REMEMBERED: usize = 16 * 1024;

/// Buckets by name.
#[derive(Debug)]
pub struct Throttle<Name> {
    burst: u32,
    /// The time in which one try comes back.
    refill: Duration,
    /// For each name, when its bucket will be full.
    full_at: HashMap<Name, Instant>,
}

impl<Name: Eq + Hash> Throttle<Name> {
    /// Allows `burst` tries at once, and one more in each `refill`.
    pub fn new(burst: u32, refill: Duration) -> Self {
        Self { burst, refill, full_at: HashMap::new() }
    }

    /// Takes a try.
    ///
    /// # Errors
    /// There is none; the time until there is one.
    pub fn take(&mut self, name: Name, now: Instant) -> Result<(), Duration> {
        self.check(&name, now)?;
        self.make_room(now);
        let full_at = self.full_at.get(&name).map_or(now, |at| (*at).max(now));
        self.full_at.insert(name, full_at + self.refill);
        Ok(())
    }

    /// Whether there is a try, without taking it.
    ///
    /// # Errors
    /// There is none; the time until there is one.
    pub fn check(&self, name: &Name, now: Instant) -> Result<(), Duration> {
        let Some(full_at) = self.full_at.get(name) else { return Ok(()) };
        let missing = full_at.saturating_duration_since(now);
        let most = self.refill.saturating_mul(self.burst.saturating_sub(1));
        match missing.checked_sub(most) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(()),
        }
    }

    /// Gives all tries back.
    pub fn forgive(&mut self, name: &Name) {
        self.full_at.remove(name);
    }

    fn make_room(&mut self, now: Instant) {
        if self.full_at.len() < REMEMBERED {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() >= REMEMBERED {
            self.full_at.clear();
        }
    }
}

/// The whole seconds to name in `Retry-After`, at least one.
pub fn retry_after(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// The network that counts as one client: whoever has one IPv6 address has 2^64 of them.
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
    fn a_burst_passes_and_then_one_try_in_each_interval() {
        let mut throttle = Throttle::new(3, Duration::from_secs(10));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..3 {
            assert_eq!(throttle.take("a", at(0)), Ok(()));
        }
        assert_eq!(throttle.take("a", at(0)), Err(Duration::from_secs(10)));
        assert_eq!(throttle.take("b", at(0)), Ok(()), "another name has a bucket of its own");
        assert_eq!(throttle.take("a", at(9)), Err(Duration::from_secs(1)));
        assert_eq!(throttle.check(&"a", at(10)), Ok(()));
        assert_eq!(throttle.take("a", at(10)), Ok(()));
        assert_eq!(throttle.take("a", at(10)), Err(Duration::from_secs(10)));
        for _ in 0..3 {
            assert_eq!(throttle.take("a", at(100)), Ok(()));
        }
        assert!(throttle.take("a", at(100)).is_err());
        throttle.forgive(&"a");
        assert_eq!(throttle.take("a", at(100)), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = Throttle::new(2, Duration::from_secs(1));
        let start = Instant::now();
        for name in 0..3 * REMEMBERED {
            let _ = throttle.take(name, start);
            assert!(throttle.full_at.len() <= REMEMBERED);
        }
    }

    #[test]
    fn a_wait_is_named_in_whole_seconds() {
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
