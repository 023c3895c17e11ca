//! Rate limits for passwords: a few failures per name and network, and more for all names from one network. Limits are per
//! network, so that a client cannot lock out the users of another.
//!
//! Successful attempts have a separate, higher limit: each costs as much work as a failed one, and a program with a valid
//! password could otherwise keep all other users from signing in.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::throttle::{Throttle, network};

/// The maximum length of a name in characters; longer names are cut.
const LONGEST_NAME: usize = 128;

/// Recent attempts.
pub(super) struct Attempts {
    /// Successful attempts.
    successes: Mutex<Throttle<(String, IpAddr)>>,
    /// Failed and pending attempts.
    by_name: Mutex<Throttle<(String, IpAddr)>>,
    by_network: Mutex<Throttle<IpAddr>>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            successes: Mutex::new(Throttle::new(30, Duration::from_secs(10))),
            by_name: Mutex::new(Throttle::new(5, Duration::from_secs(60))),
            by_network: Mutex::new(Throttle::new(30, Duration::from_secs(10))),
        }
    }
}

impl Attempts {
    /// Takes an attempt before the password is checked, so that concurrent attempts cannot exceed the limit.
    ///
    /// # Errors
    /// The limit is reached; the time until the next attempt.
    pub(super) fn take(&self, name: &str, client: IpAddr, now: Instant) -> Result<(), Duration> {
        lock(&self.by_network).check(&network(client), now)?;
        lock(&self.successes).check(&key(name, client), now)?;
        lock(&self.by_name).take(key(name, client), now)
    }

    /// Records a wrong password.
    pub(super) fn failed(&self, client: IpAddr, now: Instant) {
        // If the limit is reached, the next attempt is refused anyway.
        let _ = lock(&self.by_network).take(network(client), now);
    }

    /// Records a correct password, which resets the failures.
    pub(super) fn succeeded(&self, name: &str, client: IpAddr, now: Instant) {
        lock(&self.by_name).reset(&key(name, client));
        // If the limit is reached, the next attempt is refused anyway.
        let _ = lock(&self.successes).take(key(name, client), now);
    }
}

/// Lower case, because the store compares names without case.
fn key(name: &str, client: IpAddr) -> (String, IpAddr) {
    (name.chars().take(LONGEST_NAME).collect::<String>().to_ascii_lowercase(), network(client))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
mod tests {
    use super::*;

    #[test]
    fn failures_are_limited_to_five_per_name_and_thirty_per_network() {
        let attempts = Attempts::default();
        let now = Instant::now();
        let (here, there) = (IpAddr::from([203, 0, 113, 5]), IpAddr::from([203, 0, 113, 6]));
        let fail = |name: &str, client| {
            let taken = attempts.take(name, client, now);
            if taken.is_ok() {
                attempts.failed(client, now);
            }
            taken.is_ok()
        };
        assert!((0..5).all(|_| fail("Anna", here)));
        assert!(!fail("anna", here), "names are not case-sensitive");
        assert!(fail("anna", there), "other networks are not locked out");
        assert!((0..25).all(|number| fail(&format!("user-{number}"), here)));
        assert!(!fail("one-more", here));
        assert!(attempts.take("one-more", here, now + Duration::from_secs(10)).is_ok());
    }

    #[test]
    fn successful_attempts_have_a_higher_limit() {
        let attempts = Attempts::default();
        let (now, client) = (Instant::now(), IpAddr::from([203, 0, 113, 5]));
        let sign_in = |name: &str, client, now| {
            let taken = attempts.take(name, client, now);
            if taken.is_ok() {
                attempts.succeeded(name, client, now);
            }
            taken
        };
        assert!((0..30).all(|_| sign_in("anna", client, now).is_ok()), "only failures have the low limit");
        assert_eq!(sign_in("Anna", client, now), Err(Duration::from_secs(10)));
        assert!(sign_in("bert", client, now).is_ok() && sign_in("anna", [203, 0, 113, 6].into(), now).is_ok());
        let later = now + Duration::from_secs(10);
        assert!(sign_in("anna", client, later).is_ok() && sign_in("anna", client, later).is_err());
    }
}
