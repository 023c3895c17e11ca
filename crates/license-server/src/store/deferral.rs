//! Check-ins of a burst, which are written in two steps.
//!
//! A check-in changes one row, somewhere in a large file: 4 KiB in the log, and 4 KiB in the file at the next checkpoint. In a
//! burst, the disk and everybody who waits for it would have little else to do. So no more than [`RATE`] check-ins a second go
//! to their rows at once. Further ones, if they say nothing new but the time, are added to the end of a table, where a
//! hundred share a page, and go to their rows at that rate later.
//!
//! Decisions do not read the table. It takes only check-ins of servers whose row is at most [`MAX_AGE`] old, and keeps them for
//! less than [`MAX_WAIT`]. So a row is behind by less than five days, and only while its server checks in. Whether the server is
//! active depends on the last seven. What people see of a server includes what waits.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::slot::{Heartbeat, News, OwnSlot};
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::at;
use opterius_base::clock::Timestamp;

/// Check-ins that go to their rows at once, and later ones that follow, in a second each.
pub const RATE: u32 = 100;

/// The maximum age of a row whose server's next check-in can wait. Servers check in daily, and in a burst after an outage of up
/// to two days.
const MAX_AGE: Duration = Duration::from_secs(4 * 86_400);

/// The maximum time for which a check-in waits while the license server does not run.
pub const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// The last check-in of each server of a license, `?1`, that waits.
macro_rules! deferred_of_license {
    () => {
        "(SELECT ip AS deferred_ip, max(at) AS deferred_at FROM deferred_check_ins WHERE license = ?1 GROUP BY ip) AS deferred"
    };
}
pub(super) use deferred_of_license;

const ADD: &str = "INSERT INTO deferred_check_ins (license, ip, at) VALUES (?1, ?2, ?3)";

const OLDEST: &str = "SELECT number, license, ip, at FROM deferred_check_ins ORDER BY number LIMIT ?1";

/// Names no indexed column, so it writes one page.
const APPLY: &str = "UPDATE activations SET
        last_seen_at = CASE WHEN last_seen_at < ?3 THEN ?3 ELSE last_seen_at END,
        own_seen_at = CASE WHEN own_seen_at < ?3 THEN ?3 ELSE own_seen_at END
    WHERE license = ?1 AND ip = ?2 AND (last_seen_at < ?3 OR own_seen_at < ?3)";

/// How many check-ins can still go to their rows at once.
pub(super) struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: RATE, since: now }
    }

    /// Takes as many as a commit has changes; `false` if there are not enough left. None are added until the burst is over.
    pub(super) fn take(&mut self, changes: usize, now: Instant) -> bool {
        let milliseconds = now.saturating_duration_since(self.since).as_millis();
        let new = u32::try_from(milliseconds.saturating_mul(u128::from(RATE)) / 1000).unwrap_or(RATE);
        let left = self.left.saturating_add(new).min(RATE);
        let rest = u32::try_from(changes).ok().and_then(|changes| left.checked_sub(changes));
        self.left = rest.unwrap_or(left);
        if new > 0 || rest.is_none() {
            self.since = now;
        }
        rest.is_some()
    }
}

/// The check-ins that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeferredCheckIns {
    /// How many there are.
    pub count: u64,
    /// The time of the first.
    pub oldest: Timestamp,
}

impl ReadTransaction<'_> {
    /// The check-ins that wait; `None` if none does.
    ///
    /// # Errors
    /// A store error.
    pub fn deferred_check_ins(&self) -> Result<Option<DeferredCheckIns>, Error> {
        let first = |row: &Row<'_>| Ok((row.get::<i64>(0)?, at(row, 3)?));
        let Some((first, oldest)) = self.0.query_optional(OLDEST, params![1_u32], first)? else { return Ok(None) };
        let last: i64 = self.0.query_row("SELECT max(number) FROM deferred_check_ins", &[], |row| row.get(0))?;
        let count = u64::try_from(last.saturating_sub(first)).unwrap_or(0).saturating_add(1);
        Ok(Some(DeferredCheckIns { count, oldest }))
    }
}

impl WriteTransaction<'_> {
    /// Adds a check-in to those that wait, if it can wait; returns whether it could.
    pub(super) fn defer_check_in(&self, license: i64, heartbeat: &Heartbeat<'_>, own: &OwnSlot) -> Result<bool, Error> {
        let last = own.slot.last_seen_at;
        if !self.defers || own.news != News::Nothing || last > self.now() || self.now().since(last) > MAX_AGE {
            return Ok(false);
        }
        // Nothing would be written.
        if last < self.now() {
            self.connection().execute(ADD, params![license, heartbeat.ip, self.now().unix()])?;
        }
        self.more_pages.set(self.more_pages.get().saturating_sub(1));
        Ok(true)
    }

    /// Applies the oldest `most` check-ins that wait to their activations, and returns their number.
    ///
    /// # Errors
    /// A store error.
    pub fn apply_deferred_check_ins(&self, most: u32) -> Result<usize, Error> {
        let columns =
            |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get::<IpAddr>(2)?, row.get::<i64>(3)?));
        let oldest = self.connection().query(OLDEST, params![most], columns)?;
        for (_, license, ip, at) in &oldest {
            self.connection().execute(APPLY, params![*license, *ip, *at])?;
        }
        if let Some((last, ..)) = oldest.last() {
            self.connection().execute("DELETE FROM deferred_check_ins WHERE number <= ?1", params![*last])?;
        }
        let applied = i64::try_from(oldest.len()).unwrap_or(i64::MAX);
        self.more_pages.set(self.more_pages.get().saturating_add(applied));
        Ok(oldest.len())
    }
}

#[cfg(test)]
#[path = "../deferral_tests.rs"]
mod tests;
