//! The history: an append-only log of changes.

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::instances::batch::Entry;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values;
use crate::model::{Action, Actor, Event, EventFacts, EventType, ServerFacts};
use opterius_base::clock::Timestamp;

// SQLite uses a partial index only if the query repeats its condition literally, not with parameters.

/// The query of [`ReadTransaction::count_by_owners`].
const COUNT_BY_OWNERS: &str = "SELECT count(*) FROM events
    WHERE license = ?1 AND role = 'owner' AND action IN ('revoked', 'moved') AND at > ?2";

/// The query of [`ReadTransaction::has_seen_key`].
const HAS_SEEN_KEY: &str = "SELECT EXISTS (SELECT 1 FROM events
    WHERE license = ?1 AND actor = ?2 AND role = ?3 AND action = 'key shown' AND at > ?4 AND at <= ?5)";

fn event(row: &Row<'_>) -> Result<Event, Error> {
    Ok(Event {
        id: row.get(0)?,
        at: values::at(row, 1)?,
        license: row.get(2)?,
        actor: Actor { role: row.get(3)?, name: row.get(4)? },
        action: row.get(5)?,
        detail: row.get(6)?,
    })
}

impl ReadTransaction<'_> {
    /// The latest `count` entries of a license, or of everything, before the entry `before`; newest first.
    ///
    /// # Errors
    /// A store error.
    pub fn history(&self, license: Option<i64>, before: Option<i64>, count: u32) -> Result<Vec<Event>, Error> {
        let condition = if license.is_some() { "license = ?1" } else { "?1 IS NULL" };
        let sql = format!(
            "SELECT id, at, license, role, actor, action, detail FROM events
            WHERE {condition} AND id < ?2 ORDER BY id DESC LIMIT ?3"
        );
        let parameters = params![license, before.unwrap_or(i64::MAX), count];
        self.0.query(&sql, parameters, event)
    }

    /// The first `count` entries of a license, or of everything, after the entry `after`; oldest first.
    ///
    /// # Errors
    /// A store error.
    pub fn history_after(&self, license: Option<i64>, after: i64, count: u32) -> Result<Vec<Event>, Error> {
        let condition = if license.is_some() { "license = ?1" } else { "?1 IS NULL" };
        let sql = format!(
            "SELECT id, at, license, role, actor, action, detail FROM events
            WHERE {condition} AND id > ?2 ORDER BY id LIMIT ?3"
        );
        self.0.query(&sql, params![license, after, count], event)
    }

    /// How many servers of the license its owner has revoked or moved after `since`.
    ///
    /// # Errors
    /// A store error.
    pub fn count_by_owners(&self, license: i64, since: Timestamp) -> Result<u32, Error> {
        self.0.query_row(COUNT_BY_OWNERS, params![license, since.unix()], |row| row.get(0))
    }

    /// Whether the history records that this actor viewed the key of the license after `since` and not after `until`.
    ///
    /// # Errors
    /// A store error.
    pub fn has_seen_key(&self, license: i64, who: &Actor, since: Timestamp, until: Timestamp) -> Result<bool, Error> {
        let parameters = params![license, who.name, who.role.as_str(), since.unix(), until.unix()];
        self.0.query_row(HAS_SEEN_KEY, parameters, |row| row.get(0))
    }
}

impl WriteTransaction<'_> {
    /// Adds an entry, announces it to the webhooks that want it, and returns its number. What the entry is about must be in
    /// the store already.
    ///
    /// # Errors
    /// A store error.
    pub fn add_event(&self, license: Option<i64>, actor: &Actor, action: Action, detail: &str) -> Result<i64, Error> {
        self.add_server_event(license, actor, action, detail, None)
    }

    /// The same for an entry about a server of the license.
    ///
    /// # Errors
    /// A store error.
    pub fn add_server_event(
        &self,
        license: Option<i64>,
        actor: &Actor,
        action: Action,
        detail: &str,
        server: Option<&ServerFacts<'_>>,
    ) -> Result<i64, Error> {
        let id = self.add_entry(license, actor, action, detail)?;
        if let Some(event_type) = EventType::of(action) {
            let facts = EventFacts { server, expiry: None, history_entry: Some(id), actor: Some(actor), detail };
            self.announce(event_type, license, &facts)?;
        }
        Ok(id)
    }

    /// Adds an entry that the caller announces itself, once what it is about is in the store.
    ///
    /// # Errors
    /// A store error.
    pub fn add_entry(&self, license: Option<i64>, actor: &Actor, action: Action, detail: &str) -> Result<i64, Error> {
        let pending = || Entry::new(license, actor, action, detail);
        if let Some(number) = self.0.batch().and_then(|batch| batch.add_entry(pending())) {
            return Ok(number);
        }
        let sql = "INSERT INTO events (at, license, role, actor, action, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let parameters = params![self.now().unix(), license, actor.role.as_str(), actor.name, action.as_str(), detail];
        self.connection().insert(sql, parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;
    use crate::store::tests::{Scratch, plan};

    #[test]
    fn queries_of_the_history_use_an_index() {
        let mut scratch = Scratch::in_file();
        let owners = scratch.read(|transaction| plan(transaction, COUNT_BY_OWNERS));
        assert!(owners.contains("events_of_owners (license=? AND at>?)"), "{owners}");
        let keys = scratch.read(|transaction| plan(transaction, HAS_SEEN_KEY));
        assert!(keys.contains("events_of_keys (license=? AND actor=? AND role=? AND at>? AND at<?)"), "{keys}");
    }

    #[test]
    fn only_recent_changes_by_the_owner_of_this_license_count() {
        let mut scratch = Scratch::new();
        let at = Timestamp::from_unix;
        let (owner, operator) = (Role::Owner, Role::Operator);
        for (when, license, role, action) in [
            (100, 1, owner, Action::Revoked),
            (101, 1, owner, Action::Moved),
            (102, 1, owner, Action::Revoked),
            (102, 2, owner, Action::Revoked),
            (102, 1, operator, Action::Revoked),
            (102, 1, owner, Action::KeyShown),
        ] {
            let actor = Actor { role, name: "anna".to_owned() };
            scratch.change(at(when), |transaction| transaction.add_event(Some(license), &actor, action, ""));
        }
        assert_eq!(scratch.read(|transaction| transaction.count_by_owners(1, at(100))), 2);
        let anna = |role| Actor { role, name: "anna".to_owned() };
        let mut seen = |license, role, since, until| {
            scratch.read(|transaction| transaction.has_seen_key(license, &anna(role), at(since), at(until)))
        };
        assert!(seen(1, owner, 101, 102));
        assert!(!seen(1, owner, 102, 200) && !seen(1, owner, 0, 101) && !seen(2, owner, 0, 200));
        assert!(!seen(1, operator, 0, 200), "an operator with the same name is another actor");
    }
}
