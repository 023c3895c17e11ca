//! Work that only one of several instances does at a time, such as sweeping and delivering.
//!
//! Who does it has a lease in the database, by the clock of PostgreSQL, and renews it. An advisory lock would do the same on a
//! direct connection, but a pooler keeps the session of an instance that is gone, and with it the lock.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::Error;
use super::transactions::WriteTransaction;
use super::writer::Writer;
use crate::random_token::random_id;
use opterius_base::clock::{Clock, SystemClock};

/// How long a lease lasts, and so how long another instance waits for one that is gone.
const LEASE: Duration = Duration::from_secs(30);

/// How often a lease is renewed, and how often another instance asks for it.
const RENEWAL: Duration = Duration::from_secs(10);

/// A duty of this instance or of another one.
pub struct Duty {
    setting: &'static str,
    holder: Result<String, Error>,
    writer: Writer,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    asked_at: Option<Instant>,
    held_at: Option<Instant>,
}

impl Duty {
    /// The sweeping of the database: what is too old is deleted, and what is due is announced.
    pub fn sweeping(writer: Writer) -> Self {
        Self::new("lease of sweeping", writer)
    }

    /// The delivery of events to webhooks.
    pub fn delivering(writer: Writer) -> Self {
        Self::new("lease of delivering", writer)
    }

    fn new(setting: &'static str, writer: Writer) -> Self {
        Self { setting, holder: random_id(), writer, state: Mutex::default() }
    }

    /// Whether this instance has the duty now. Renews the lease when it is time.
    pub fn is_ours(&self) -> bool {
        if !self.writer.is_among_several() {
            return true;
        }
        let now = SystemClock.monotonic();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |at: Option<Instant>, time| at.is_some_and(|at| now.saturating_duration_since(at) < time);
        if !is_recent(state.asked_at, RENEWAL) {
            state.asked_at = Some(now);
            match self.ask(LEASE) {
                Ok(true) => state.held_at = Some(now),
                Ok(false) => state.held_at = None,
                // The lease lasts a while without the database.
                Err(_) => {}
            }
        }
        is_recent(state.held_at, LEASE - RENEWAL)
    }

    /// Leaves the duty to another instance at once.
    pub fn release(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.held_at.take().is_some() && self.writer.is_among_several() {
            // Without it, the lease ends by itself.
            let _ = self.ask(Duration::ZERO);
        }
    }

    fn ask(&self, lease: Duration) -> Result<bool, Error> {
        let (setting, holder) = (self.setting, self.holder.clone()?);
        self.writer.change(move |transaction| take(transaction, setting, &holder, lease))
    }
}

/// Takes or renews the lease, unless another holder has it.
fn take(transaction: &WriteTransaction<'_>, setting: &str, holder: &str, lease: Duration) -> Result<bool, Error> {
    let now = transaction.server_time()?;
    let found = transaction.setting(setting)?;
    let is_taken = found
        .as_deref()
        .and_then(|found| found.split_once(' '))
        .is_some_and(|(until, other)| other != holder && until.parse::<i64>().is_ok_and(|until| until > now.unix()));
    if !is_taken {
        transaction.put_setting(setting, &format!("{} {holder}", now.plus(lease).unix()))?;
    }
    Ok(!is_taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::Scratch;
    use opterius_base::clock::Timestamp;

    #[test]
    fn a_lease_has_one_holder_until_it_ends_or_is_left() {
        // The clock of PostgreSQL cannot be set.
        let mut scratch = Scratch::in_file();
        let mut take = |at, holder: &str, lease| {
            scratch.change(Timestamp::from_unix(at), |transaction| {
                take(transaction, "lease", holder, Duration::from_secs(lease))
            })
        };
        assert!(take(100, "one", 30));
        assert!(!take(129, "two", 30));
        assert!(take(129, "one", 30), "renewed");
        assert!(!take(158, "two", 30));
        assert!(take(159, "two", 30), "it has ended");
        assert!(!take(160, "one", 30));
        assert!(take(161, "two", 0), "left");
        assert!(take(161, "one", 30));
    }
}
