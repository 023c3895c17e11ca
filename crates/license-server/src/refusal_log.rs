//! Remembers refused servers beside their license, because a refused server is what support is asked about.
//!
//! A refusal itself writes nothing: it is counted in memory, and the thread in `refusal_writer` stores what was counted. A server that
//! asks in a loop costs one row in `REPEAT`, a license at most `MAX_REFUSED` rows in that time, and all of them at most
//! `MAX_ROWS` rows a second, and fewer if the disk is slow. What is not stored when the process ends is lost; the next check of the
//! server is stored again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::model::{Details, MAX_REFUSED, RefusedServer};
use crate::rules::{Denial, Inquiry};
use crate::store::{Error, WriteTransaction};
use opterius_base::clock::Timestamp;

/// How long the refusals of one server are counted before they are stored again.
pub(crate) const REPEAT: Duration = Duration::from_secs(300);

/// The maximum number of rows in one commit.
const MAX_ROWS: usize = 128;

/// The maximum number of servers in memory; further ones are not remembered until there is room.
const MAX_SERVERS: usize = 16 * 1024;

/// What is counted in memory.
pub struct RefusalLog {
    counted: Mutex<Counted>,
    wake: Sender<()>,
    woken: Receiver<()>,
}

#[derive(Default)]
struct Counted {
    licenses: HashMap<i64, HashMap<IpAddr, Entry>>,
    servers: usize,
}

/// The refusals of one server.
struct Entry {
    denial: Denial,
    details: Details,
    /// The first and the last refusal that is not stored.
    first_at: Timestamp,
    last_at: Timestamp,
    /// How many are not stored.
    unstored: u32,
    /// When they are stored next.
    due: Instant,
}

impl Default for RefusalLog {
    fn default() -> Self {
        let (wake, woken) = bounded(1);
        Self { counted: Mutex::default(), wake, woken }
    }
}

impl RefusalLog {
    /// Counts a refusal.
    pub fn record(&self, license: i64, inquiry: &Inquiry, denial: &Denial, at: Timestamp, now: Instant) {
        if self.lock().record(license, inquiry, denial, at, now) {
            // A full channel means that the thread is awake.
            let _ = self.wake.try_send(());
        }
    }

    /// Forgets the refusals of a server that is granted now.
    pub fn forget(&self, license: i64, ip: IpAddr) {
        let mut counted = self.lock();
        let Some(servers) = counted.licenses.get_mut(&license) else { return };
        if servers.remove(&ip).is_some() {
            if servers.is_empty() {
                counted.licenses.remove(&license);
            }
            counted.servers = counted.servers.saturating_sub(1);
        }
    }

    /// Stores what is due, and returns it for [`Self::stored`].
    pub(crate) fn store(
        &self,
        transaction: &WriteTransaction<'_>,
        now: Instant,
    ) -> Result<Vec<(i64, RefusedServer)>, Error> {
        let due = self.lock().take_due(now);
        for (license, refused) in &due {
            transaction.put_refusal(*license, refused)?;
        }
        Ok(due)
    }

    /// Subtracts what was stored.
    pub(crate) fn stored(&self, stored: &[(i64, RefusedServer)], now: Instant) {
        let mut counted = self.lock();
        for (license, refused) in stored {
            let entry = counted.licenses.get_mut(license).and_then(|servers| servers.get_mut(&refused.ip));
            if let Some(entry) = entry {
                entry.unstored = entry.unstored.saturating_sub(refused.denials);
                entry.first_at = entry.last_at;
                entry.due = now + REPEAT;
            }
        }
    }

    /// The time until something is due; `None` if nothing is counted.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let counted = self.lock();
        let due = counted.licenses.values().flat_map(HashMap::values).map(|entry| entry.due).min();
        due.map(|due| due.saturating_duration_since(now))
    }

    /// Receives something after the first refusal of a server.
    pub(crate) fn woken(&self) -> &Receiver<()> {
        &self.woken
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    /// Returns whether this is the first refusal of the server.
    fn record(&mut self, license: i64, inquiry: &Inquiry, denial: &Denial, at: Timestamp, now: Instant) -> bool {
        let most = usize::try_from(MAX_REFUSED).unwrap_or(usize::MAX);
        let servers = self.licenses.entry(license).or_default();
        if let Some(entry) = servers.get_mut(&inquiry.ip) {
            if entry.unstored == 0 {
                entry.first_at = at;
            }
            entry.last_at = at;
            entry.unstored = entry.unstored.saturating_add(1);
            if entry.denial != *denial {
                entry.denial = denial.clone();
            }
            if entry.details != inquiry.details {
                entry.details = inquiry.details.clone();
            }
            return false;
        }
        if servers.len() >= most || self.servers >= MAX_SERVERS {
            if servers.is_empty() {
                self.licenses.remove(&license);
            }
            return false;
        }
        let (denial, details) = (denial.clone(), inquiry.details.clone());
        let entry = Entry { denial, details, first_at: at, last_at: at, unstored: 1, due: now };
        servers.insert(inquiry.ip, entry);
        self.servers = self.servers.saturating_add(1);
        true
    }

    /// Copies up to `MAX_ROWS` servers that are due, and drops those that were not refused again since they were stored.
    fn take_due(&mut self, now: Instant) -> Vec<(i64, RefusedServer)> {
        let mut due = Vec::new();
        self.licenses.retain(|license, servers| {
            servers.retain(|ip, entry| {
                let is_due = entry.due <= now;
                if is_due && entry.unstored > 0 && due.len() < MAX_ROWS {
                    due.push((*license, entry.refused_server(*ip)));
                }
                !is_due || entry.unstored > 0
            });
            !servers.is_empty()
        });
        self.servers = self.licenses.values().map(HashMap::len).sum();
        due
    }
}

impl Entry {
    fn refused_server(&self, ip: IpAddr) -> RefusedServer {
        RefusedServer {
            ip,
            reason: self.denial.reason().to_owned(),
            message: self.denial.message(),
            first_at: self.first_at,
            last_at: self.last_at,
            denials: self.unstored,
            details: self.details.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_base::clock::{Clock, SystemClock};

    const AT: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn inquiry(number: u16) -> Inquiry {
        let [high, low] = number.to_be_bytes();
        let ip = IpAddr::from([10, 0, high, low]);
        Inquiry { observed_ip: ip, reported_ip: None, ip, details: Details::default() }
    }

    fn refuse(counted: &mut Counted, license: i64, number: u16, at: Timestamp, now: Instant) -> bool {
        counted.record(license, &inquiry(number), &Denial::Suspended, at, now)
    }

    #[test]
    fn a_server_in_a_loop_is_stored_once_in_five_minutes() {
        let (refusal_log, now) = (RefusalLog::default(), SystemClock.monotonic());
        let mut stored = Vec::new();
        for second in 0..=600 {
            let (at, now) = (AT.plus(Duration::from_secs(second)), now + Duration::from_secs(second));
            refusal_log.record(1, &inquiry(1), &Denial::Suspended, at, now);
            let due = refusal_log.lock().take_due(now);
            refusal_log.stored(&due, now);
            stored.extend(due.into_iter().map(|(_, refused)| (second, refused.denials, refused.first_at)));
        }
        let at = |second| AT.plus(Duration::from_secs(second));
        assert_eq!(stored, [(0, 1, at(0)), (300, 300, at(1)), (600, 300, at(301))]);
    }

    #[test]
    fn a_server_that_stays_away_leaves_the_memory() {
        let (refusal_log, now) = (RefusalLog::default(), SystemClock.monotonic());
        refusal_log.record(1, &inquiry(1), &Denial::Suspended, AT, now);
        let due = refusal_log.lock().take_due(now);
        refusal_log.stored(&due, now);
        assert_eq!(refusal_log.wait(now), Some(REPEAT));
        assert!(refusal_log.lock().take_due(now + REPEAT).is_empty());
        assert_eq!((refusal_log.wait(now), refusal_log.lock().servers), (None, 0));
    }

    #[test]
    fn what_was_refused_during_the_commit_is_stored_the_next_time() {
        let (refusal_log, now) = (RefusalLog::default(), SystemClock.monotonic());
        refusal_log.record(1, &inquiry(1), &Denial::Suspended, AT, now);
        let due = refusal_log.lock().take_due(now);
        refusal_log.record(1, &inquiry(1), &Denial::Cancelled, AT.plus(REPEAT), now);
        refusal_log.stored(&due, now);
        let due = refusal_log.lock().take_due(now + REPEAT);
        assert_eq!((due[0].1.denials, due[0].1.reason.as_str()), (1, "cancelled"));
        assert_eq!(due[0].1.first_at, AT.plus(REPEAT));
    }

    #[test]
    fn memory_is_bounded_for_a_license_and_in_total() {
        let (mut counted, now) = (Counted::default(), SystemClock.monotonic());
        for number in 0..1000 {
            assert_eq!(refuse(&mut counted, 1, number, AT, now), number < 100, "{number}");
        }
        for license in 2..20_000 {
            refuse(&mut counted, license, 1, AT, now);
        }
        assert_eq!(counted.servers, MAX_SERVERS);
        assert!(counted.licenses.len() <= MAX_SERVERS);
        assert_eq!(counted.take_due(now).len(), MAX_ROWS);
    }

    #[test]
    fn a_granted_server_is_forgotten() {
        let (refusal_log, now) = (RefusalLog::default(), SystemClock.monotonic());
        refusal_log.record(1, &inquiry(1), &Denial::Suspended, AT, now);
        refusal_log.forget(1, inquiry(2).ip);
        refusal_log.forget(2, inquiry(1).ip);
        assert_eq!(refusal_log.lock().servers, 1);
        refusal_log.forget(1, inquiry(1).ip);
        let counted = refusal_log.lock();
        assert_eq!((counted.servers, counted.licenses.len()), (0, 0));
    }
}
