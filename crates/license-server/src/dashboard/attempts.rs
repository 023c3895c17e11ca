//! Rate limits for passwords. Checking one costs the work of many pages, so an attempt is limited twice: [`Attempts::enter`]
//! before it is queued, by its network, and [`Attempts::take`] before the password is checked, by network and name.
//!
//! Failures count for the name in the network, for all names in the network, for the networks around it, and for the name
//! everywhere. None of these locks the owner of the name out:
//! - A network with hardly any recent failures keeps capacity of its own, whatever other networks do.
//! - If a name has too many failures, networks without failures share a reserve for it, and a network from which the name has
//!   signed in is limited only by its own failures.
//!
//! Successful attempts have a separate, higher limit: each costs as much work as a failed one, and a program with a valid
//! password could otherwise keep all other users from signing in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::user_name;
use crate::throttle::{NetworkThrottle, Throttle, network, widest_network};

/// The maximum length of a name in characters; longer names are cut.
const LONGEST_NAME: usize = 128;

/// Recent failures that a network is forgiven: a user who mistypes a password.
const FORGIVEN: u32 = 2;

/// Attempts that can be pending: from networks with more failures than that, from one network, and in all. The queue of
/// forms has room for all of them, and for other forms.
const PENDING_SUSPECTS: usize = 4;
const PENDING_PER_NETWORK: usize = 8;
const PENDING: usize = 40;

/// The wait for a client whose attempt is not queued.
const QUEUE_WAIT: Duration = Duration::from_secs(2);

/// The maximum number of names with their networks that are remembered as having signed in.
const MAX_FAMILIAR: usize = 16 * 1024;

/// How long they are remembered.
const FAMILIAR_TIME: Duration = Duration::from_secs(30 * 86_400);

/// A name in a network.
type Place = (String, IpAddr);

/// Recent attempts.
pub(super) struct Attempts {
    /// Successful attempts.
    successes: Mutex<Throttle<Place>>,
    /// Failed and pending attempts.
    by_place: Mutex<Throttle<Place>>,
    /// Failed attempts.
    by_network: Mutex<NetworkThrottle>,
    by_name: Mutex<Throttle<String>>,
    /// Attempts for a name that has too many failures, from networks without.
    reserve: Mutex<Throttle<String>>,
    /// Where a name has signed in, and when it was last.
    familiar: Mutex<HashMap<Place, Instant>>,
    pending: Arc<Mutex<Pending>>,
}

/// Attempts that are queued or being checked.
#[derive(Debug, Default)]
struct Pending {
    suspects: usize,
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// The place of a pending attempt; released when dropped.
#[derive(Debug)]
pub(super) struct Entry {
    pending: Arc<Mutex<Pending>>,
    network: IpAddr,
    is_suspect: bool,
}

impl Default for Attempts {
    /// Attempts to guess a password.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self::new((20, seconds(30)), (20, seconds(5)))
    }
}

impl Attempts {
    /// Attempts to guess a code of a second factor, of which three in a million are right at a time. Only a client who knows the
    /// password can try, so that the reserve need not last in a crowd.
    pub(super) fn of_codes() -> Self {
        let ten_minutes = Duration::from_secs(600);
        Self::new((20, ten_minutes), (10, ten_minutes))
    }

    /// With these limits of failures for a name, and of its reserve.
    fn new(by_name: (u32, Duration), reserve: (u32, Duration)) -> Self {
        let seconds = Duration::from_secs;
        Self {
            successes: Mutex::new(Throttle::new(30, seconds(10))),
            by_place: Mutex::new(Throttle::new(5, seconds(60))),
            by_network: Mutex::new(NetworkThrottle::new([(30, seconds(10)), (60, seconds(10)), (120, seconds(10))])),
            by_name: Mutex::new(Throttle::new(by_name.0, by_name.1)),
            reserve: Mutex::new(Throttle::new(reserve.0, reserve.1)),
            familiar: Mutex::default(),
            pending: Arc::default(),
        }
    }

    /// A place in the queue for an attempt from this client.
    ///
    /// # Errors
    /// Too many attempts of its kind are pending; the time until the next try.
    pub(super) fn enter(&self, client: IpAddr, now: Instant) -> Result<Entry, Duration> {
        lock(&self.by_network).check(client, now)?;
        let is_suspect = !lock(&self.by_network).is_quiet(client, FORGIVEN, now);
        let network = widest_network(client);
        let mut pending = lock(&self.pending);
        let here = pending.by_network.get(&network).copied().unwrap_or(0);
        let is_full = (is_suspect && pending.suspects >= PENDING_SUSPECTS) || pending.all >= PENDING;
        if is_full || here >= PENDING_PER_NETWORK {
            return Err(QUEUE_WAIT);
        }
        pending.suspects = pending.suspects.saturating_add(usize::from(is_suspect));
        pending.all = pending.all.saturating_add(1);
        pending.by_network.insert(network, here.saturating_add(1));
        Ok(Entry { pending: Arc::clone(&self.pending), network, is_suspect })
    }

    /// Takes an attempt before the password is checked, so that concurrent attempts cannot exceed the limit.
    ///
    /// # Errors
    /// The limit is reached; the time until the next attempt.
    pub(super) fn take(&self, name: &str, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let place = place(name, client);
        lock(&self.by_network).check(client, now)?;
        lock(&self.successes).check(&place, now)?;
        lock(&self.by_place).check(&place, now)?;
        if let Err(wait) = lock(&self.by_name).check(&place.0, now)
            && !self.is_familiar(&place, now)
        {
            if !lock(&self.by_network).is_quiet(client, FORGIVEN, now) {
                return Err(wait);
            }
            lock(&self.reserve).take(place.0.clone(), now)?;
        }
        lock(&self.by_place).take(place, now)
    }

    /// Records a wrong password.
    pub(super) fn failed(&self, name: &str, client: IpAddr, now: Instant) {
        // If a limit is reached, the next attempt is refused anyway.
        let _ = lock(&self.by_network).take(client, now);
        let _ = lock(&self.by_name).take(place(name, client).0, now);
    }

    /// Records a correct password, which resets the failures of this name in this network.
    pub(super) fn succeeded(&self, name: &str, client: IpAddr, now: Instant) {
        let place = place(name, client);
        lock(&self.by_place).reset(&place);
        lock(&self.reserve).refund(&place.0, now);
        self.remember(place.clone(), now);
        // If the limit is reached, the next attempt is refused anyway.
        let _ = lock(&self.successes).take(place, now);
    }

    fn is_familiar(&self, place: &Place, now: Instant) -> bool {
        let familiar = lock(&self.familiar);
        familiar.get(place).is_some_and(|last| now.saturating_duration_since(*last) < FAMILIAR_TIME)
    }

    fn remember(&self, place: Place, now: Instant) {
        let mut familiar = lock(&self.familiar);
        if familiar.len() >= MAX_FAMILIAR && !familiar.contains_key(&place) {
            let oldest = familiar.iter().min_by_key(|(_, last)| **last).map(|(place, _)| place.clone());
            oldest.and_then(|oldest| familiar.remove(&oldest));
        }
        familiar.insert(place, now);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut pending = lock(&self.pending);
        pending.suspects = pending.suspects.saturating_sub(usize::from(self.is_suspect));
        pending.all = pending.all.saturating_sub(1);
        match pending.by_network.get_mut(&self.network) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(pending.by_network.remove(&self.network)),
        }
    }
}

/// The name as the store compares names, so that another spelling is no other name.
fn place(name: &str, client: IpAddr) -> Place {
    (user_name::folded(&name.chars().take(LONGEST_NAME).collect::<String>()), network(client))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "attempts_tests.rs"]
mod tests;
