//! What the verifications of a batch share: what was found for them before, and what they change together at the end.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::super::engine::Connection;
use super::super::error::Error;
use super::super::slot::{Heartbeat, Record};
use super::found::Found;
use super::pending::Pending;
use crate::model::License;
use opterius_base::clock::Timestamp;

pub use super::found::Asked;
pub(crate) use super::pending::Entry;

/// What the verifications of a batch share.
pub(crate) struct Batch {
    found: Vec<Found>,
    /// Whether the licenses are locked. Otherwise nothing but a refresh can be changed.
    is_locked: bool,
    now: Timestamp,
    current: Cell<usize>,
    needs_lock: Cell<bool>,
    /// Licenses that the batch has changed: what was found for them is no longer true.
    changed: RefCell<HashSet<i64>>,
    pending: RefCell<Pending>,
    /// Numbers for entries of the history.
    numbers: RefCell<Vec<i64>>,
    wanted: RefCell<HashMap<&'static str, Vec<(i64, bool)>>>,
}

impl Batch {
    /// A batch whose licenses are not locked.
    pub(super) fn unlocked(found: Vec<Found>, now: Timestamp) -> Self {
        Self::new(found, false, Vec::new(), now)
    }

    /// A batch whose licenses are locked, with a number for an entry of each.
    pub(super) fn locked(found: Vec<Found>, numbers: Vec<i64>, now: Timestamp) -> Self {
        Self::new(found, true, numbers, now)
    }

    fn new(found: Vec<Found>, is_locked: bool, numbers: Vec<i64>, now: Timestamp) -> Self {
        Self {
            found,
            is_locked,
            now,
            current: Cell::new(0),
            needs_lock: Cell::new(false),
            changed: RefCell::default(),
            pending: RefCell::default(),
            numbers: RefCell::new(numbers),
            wanted: RefCell::default(),
        }
    }

    /// Goes on with the verification of this number.
    pub(super) fn begin(&self, number: usize) {
        self.current.set(number);
        self.needs_lock.set(false);
    }

    /// Whether the verification has to be decided again under the lock of its license.
    pub(super) fn needs_lock(&self) -> bool {
        self.needs_lock.get()
    }

    /// What was found for the verification, unless the batch has changed its license since.
    fn found(&self) -> Option<&Found> {
        let found = self.found.get(self.current.get())?;
        let is_changed = found.license.as_ref().is_some_and(|license| self.changed.borrow().contains(&license.id));
        (!is_changed).then_some(found)
    }

    /// The license with the key, if it was looked up.
    pub(in super::super) fn license_by_key(&self, key: &str) -> Option<Option<License>> {
        self.found().filter(|found| found.asked.key == key).map(|found| found.license.clone())
    }

    /// What is stored about the address, if it was looked up.
    pub(in super::super) fn record(&self, license: i64, ip: IpAddr) -> Option<Record> {
        let found = self.found().filter(|found| found.asked.ip == ip)?;
        found.record.filter(|_| found.license.as_ref().is_some_and(|found| found.id == license))
    }

    /// The number of servers, if just these were counted.
    pub(in super::super) fn count(&self, license: i64, before: Option<i64>, most: u32) -> Option<u32> {
        let found = self.found().filter(|found| found.license.as_ref().is_some_and(|found| found.id == license))?;
        found.count.filter(|count| count.before == before && count.most == most).map(|count| count.servers)
    }

    /// Before a statement that reads: what is pending must be visible.
    ///
    /// # Errors
    /// A store error.
    pub(in super::super) fn before_read(&self, connection: &Connection) -> Result<(), Error> {
        if self.is_locked { self.flush(connection).map(drop) } else { Ok(()) }
    }

    /// Before a statement that changes something.
    ///
    /// # Errors
    /// [`Error::Unlocked`] without the locks, or a store error.
    pub(in super::super) fn before_change(&self, connection: &Connection) -> Result<(), Error> {
        self.check_locked()?;
        self.has_changed();
        self.flush(connection).map(drop)
    }

    fn check_locked(&self) -> Result<(), Error> {
        if self.is_locked {
            return Ok(());
        }
        self.needs_lock.set(true);
        Err(Error::Unlocked)
    }

    fn has_changed(&self) {
        let license = self.found.get(self.current.get()).and_then(|found| found.license.as_ref());
        self.changed.borrow_mut().extend(license.map(|license| license.id));
    }

    /// Refreshes a server at the end. `false` if that cannot wait.
    ///
    /// # Errors
    /// [`Error::Unlocked`] if it cannot be done without the lock.
    pub(in super::super) fn refresh(
        &self,
        license: i64,
        heartbeat: &Heartbeat<'_>,
        is_identity_new: bool,
    ) -> Result<bool, Error> {
        let mut pending = self.pending.borrow_mut();
        if is_identity_new || pending.refreshes(license, heartbeat.ip) {
            drop(pending);
            self.check_locked()?;
            return Ok(false);
        }
        pending.add_refresh(self.current.get(), license, heartbeat);
        Ok(true)
    }

    /// Adds an entry of the history at the end; returns its number, or `None` if that cannot wait.
    pub(in super::super) fn add_entry(&self, entry: Entry) -> Option<i64> {
        if !self.is_locked {
            return None;
        }
        let number = self.numbers.borrow_mut().pop()?;
        self.pending.borrow_mut().add_entry(number, entry);
        Some(number)
    }

    /// Adds an activation at the end. `false` if that cannot wait.
    pub(in super::super) fn put_activation(&self, license: i64, sequence: i64, heartbeat: &Heartbeat<'_>) -> bool {
        if self.is_locked {
            self.has_changed();
            self.pending.borrow_mut().add_activation(license, sequence, heartbeat);
        }
        self.is_locked
    }

    /// The webhooks that want a type of event, looked up once.
    ///
    /// # Errors
    /// What `look` returns.
    pub(in super::super) fn wanted(
        &self,
        event_type: &'static str,
        look: impl FnOnce() -> Result<Vec<(i64, bool)>, Error>,
    ) -> Result<Vec<(i64, bool)>, Error> {
        if let Some(known) = self.wanted.borrow().get(event_type) {
            return Ok(known.clone());
        }
        let webhooks = look()?;
        // What one has room for changes with each event.
        if webhooks.is_empty() {
            self.wanted.borrow_mut().insert(event_type, Vec::new());
        }
        Ok(webhooks)
    }

    /// Makes the pending changes. Returns the verifications whose server was no longer there to refresh.
    ///
    /// # Errors
    /// A store error.
    pub(super) fn flush(&self, connection: &Connection) -> Result<Vec<usize>, Error> {
        let pending = self.pending.take();
        let lost = pending.make(connection, self.now)?;
        if self.is_locked && !lost.is_empty() {
            return Err(Error::Failed("a server went away under the lock of its license".to_owned()));
        }
        Ok(lost)
    }
}
