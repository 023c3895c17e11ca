//! How often a password may be tried: a few times for one name from one network, and not without end for all names
//! together from one network. Nobody can lock somebody else out.
//!
//! Tries that succeed have a limit of their own, which no person reaches: each costs as much work as one that fails, and a
//! program with one customer's password would keep everybody else from signing in.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::throttle::{Throttle, network};

/// The characters of a name that count; no user's name has more.
const LONGEST_NAME: usize = 128;

/// Tries, lately.
pub(super) struct Attempts {
    /// Those that succeeded.
    successes: Mutex<Throttle<(String, IpAddr)>>,
    /// Those that failed, and those that are under way.
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
    /// Takes a try before the password is looked at, so that tries at the same time do not get more.
    ///
    /// # Errors
    /// There is none; the time until there is one.
    pub(super) fn take(&self, name: &str, client: IpAddr, now: Instant) -> Result<(), Duration> {
        lock(&self.by_network).check(&network(client), now)?;
        lock(&self.successes).check(&key(name, client), now)?;
        lock(&self.by_name).take(key(name, client), now)
    }

    /// Notes that the password was wrong.
    pub(super) fn failed(&self, client: IpAddr, now: Instant) {
        // When the network has none left, the next try is refused anyway.
        let _ = lock(&self.by_network).take(network(client), now);
    }

    /// Notes that the password was right: no failure counts any more.
    pub(super) fn succeeded(&self, name: &str, client: IpAddr, now: Instant) {
        lock(&self.by_name).reset(&key(name, client));
        // When there is none left, the next try is refused anyway.
        let _ = lock(&self.successes).take(key(name, client), now);
    }
}

/// Names are compared as the store compares them.
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
    fn five_failures_for_a_name_and_thirty_for_a_network() {
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
        assert!(!fail("anna", here), "another case is the same name");
        assert!(fail("anna", there), "elsewhere nobody is locked out");
        assert!((0..25).all(|number| fail(&format!("user-{number}"), here)));
        assert!(!fail("one-more", here));
        assert!(attempts.take("one-more", here, now + Duration::from_secs(10)).is_ok());
    }

    #[test]
    fn who_knows_the_password_has_more_tries_and_not_without_end() {
        let attempts = Attempts::default();
        let (now, client) = (Instant::now(), IpAddr::from([203, 0, 113, 5]));
        let sign_in = |name: &str, client, now| {
            let taken = attempts.take(name, client, now);
            if taken.is_ok() {
                attempts.succeeded(name, client, now);
            }
            taken
        };
        assert!((0..30).all(|_| sign_in("anna", client, now).is_ok()), "failures alone have the low limit");
        assert_eq!(sign_in("Anna", client, now), Err(Duration::from_secs(10)));
        assert!(sign_in("bert", client, now).is_ok() && sign_in("anna", [203, 0, 113, 6].into(), now).is_ok());
        let later = now + Duration::from_secs(10);
        assert!(sign_in("anna", client, later).is_ok() && sign_in("anna", client, later).is_err());
    }
}
