//! Rate limits of verifications, keyed by who asks too often: a license and an address, never a license alone.
//!
//! Every address of a license has a bucket of its own. Only addresses without an activation share buckets, of their network
//! and of the license, so whatever has the key, servers that use the license keep their capacity.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::network::Network;
use crate::throttle::{NetworkThrottle, Throttle, network};

/// Who asks about a license.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The license.
    pub license: i64,
    /// The source address of the request.
    pub observed: IpAddr,
    /// The address that identifies the server.
    pub ip: IpAddr,
    /// Whether the address has an active activation.
    pub is_active: bool,
}

/// The bucket of an address: several servers can have one source address, and one server can claim several addresses.
type Sender = (i64, IpAddr, IpAddr);

/// The limits.
pub struct VerificationLimits {
    /// Attempts with unknown keys, by network.
    unknown_keys: Mutex<NetworkThrottle>,
    /// Verifications, by license and address.
    senders: Mutex<Throttle<Sender>>,
    /// Verifications from addresses without an activation, by license and network.
    new_networks: Mutex<Throttle<(i64, Network)>>,
    /// Verifications from addresses without an activation, by license.
    newcomers: Mutex<Throttle<i64>>,
}

impl Default for VerificationLimits {
    fn default() -> Self {
        let (second, tenth) = (Duration::from_secs(1), Duration::from_millis(100));
        // Enough for typing errors, far too few for guessing a key.
        let unknown_keys = [(20, Duration::from_secs(10)), (100, Duration::from_millis(2500)), (400, second)];
        Self {
            unknown_keys: Mutex::new(NetworkThrottle::new(unknown_keys)),
            // Hundreds of machines behind one address can start at once. A server asks once a day, in trouble every few
            // seconds.
            senders: Mutex::new(Throttle::new(600, second)),
            // A fleet that is new, or returns, is answered within about a minute.
            newcomers: Mutex::new(Throttle::new(600, tenth)),
            // One network leaves something of that to the others.
            new_networks: Mutex::new(Throttle::new(450, Duration::from_millis(250))),
        }
    }
}

impl VerificationLimits {
    /// Counts an attempt with an unknown key.
    ///
    /// # Errors
    /// The time until the next attempt.
    pub fn unknown_key(&self, observed: IpAddr, now: Instant) -> Result<(), Duration> {
        lock(&self.unknown_keys).take(observed, now)
    }

    /// Counts a verification of a known license.
    ///
    /// # Errors
    /// The time until the next verification.
    pub fn known_key(&self, asker: Asker, now: Instant) -> Result<(), Duration> {
        let sender = (asker.license, network(asker.observed), network(asker.ip));
        let mut senders = lock(&self.senders);
        if !asker.is_active {
            senders.check(&sender, now)?;
            let wide = (asker.license, Network::around(asker.ip, if asker.ip.is_ipv4() { 24 } else { 48 }));
            let (mut new_networks, mut newcomers) = (lock(&self.new_networks), lock(&self.newcomers));
            new_networks.check(&wide, now)?;
            newcomers.take(asker.license, now)?;
            new_networks.take(wide, now)?;
        }
        senders.take(sender, now)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
mod tests {
    use super::*;

    fn asker(license: i64, address: &str, is_active: bool) -> Asker {
        let ip = address.parse().unwrap();
        Asker { license, observed: ip, ip, is_active }
    }

    /// How many of `count` verifications at one instant pass.
    fn passed(limits: &VerificationLimits, asker: Asker, count: usize, now: Instant) -> usize {
        (0..count).filter(|_| limits.known_key(asker, now).is_ok()).count()
    }

    #[test]
    fn an_address_in_a_loop_takes_nothing_from_the_others() {
        let limits = VerificationLimits::default();
        let now = Instant::now();
        for address in ["203.0.113.1", "2001:db8::1"] {
            assert_eq!(passed(&limits, asker(1, address, true), 10_000, now), 600);
            assert_eq!(limits.known_key(asker(1, address, true), now), Err(Duration::from_secs(1)));
        }
        assert_eq!(passed(&limits, asker(1, "2001:db8::2", true), 1, now), 0, "one /64 is one client");
        for address in ["203.0.113.2", "198.51.100.1", "2001:db8:0:1::1"] {
            assert_eq!(passed(&limits, asker(1, address, true), 1, now), 1, "{address}");
            assert_eq!(passed(&limits, asker(1, address, false), 1, now), 1, "{address}");
        }
        assert_eq!(passed(&limits, asker(2, "203.0.113.1", true), 1, now), 1, "another license");
    }

    #[test]
    fn addresses_without_an_activation_take_nothing_from_those_with_one() {
        let limits = VerificationLimits::default();
        let now = Instant::now();
        // A /48 with the key, each address once.
        let crowd = |number: usize| asker(1, &format!("2001:db8:0:{number:x}::1"), false);
        assert_eq!((0..5000).filter(|number| limits.known_key(crowd(*number), now).is_ok()).count(), 450);
        assert_eq!(passed(&limits, asker(1, "198.51.100.1", false), 1, now), 1, "a new server of another network");
        // Many networks with the key.
        let crowd = |number: usize| asker(1, &format!("2001:db8:{number:x}::1"), false);
        assert_eq!((1..5000).filter(|number| limits.known_key(crowd(*number), now).is_ok()).count(), 149);
        assert_eq!(passed(&limits, asker(1, "198.51.100.2", false), 1, now), 0);
        for number in 0..24 {
            let known = asker(1, &format!("203.0.113.{number}"), true);
            assert_eq!(passed(&limits, known, 10, now), 10, "{number}");
        }
        assert_eq!(passed(&limits, asker(2, "198.51.100.2", false), 1, now), 1, "another license");
    }

    #[test]
    fn a_refused_newcomer_does_not_use_up_the_bucket_of_its_address() {
        let limits = VerificationLimits::default();
        let now = Instant::now();
        let newcomer = asker(1, "203.0.113.1", false);
        assert_eq!(passed(&limits, newcomer, 5000, now), 450);
        let known = Asker { is_active: true, ..newcomer };
        assert_eq!(passed(&limits, known, 5000, now), 150);
    }

    #[test]
    fn unknown_keys_are_limited_in_the_networks_around_too() {
        let limits = VerificationLimits::default();
        let now = Instant::now();
        let crowd = |number: u32| format!("2001:db8:0:{number:x}::1").parse().unwrap();
        assert_eq!((0..5000).filter(|number| limits.unknown_key(crowd(*number), now).is_ok()).count(), 400);
        assert!(limits.unknown_key("2001:db8:1::1".parse().unwrap(), now).is_ok());
    }
}
