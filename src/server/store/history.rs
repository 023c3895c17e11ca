//! The history: what changed, when, and by whom. Lines are added and never changed.

use rusqlite::{Row, params};

use super::{Changes, Error, Reader};
use crate::clock::Timestamp;
use crate::server::model::{Action, Actor, Event, Role};

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        id: row.get(0)?,
        at: row.get(1)?,
        license: row.get(2)?,
        actor: Actor { role: row.get(3)?, name: row.get(4)? },
        action: row.get(5)?,
        detail: row.get(6)?,
    })
}

impl Reader<'_> {
    /// The latest `count` lines about a license, or about everything, before the line `before`; the latest first.
    ///
    /// # Errors
    /// The store's own.
    pub fn history(&self, license: Option<i64>, before: Option<i64>, count: u32) -> Result<Vec<Event>, Error> {
        let condition = if license.is_some() { "license = ?1" } else { "?1 IS NULL" };
        let sql = format!(
            "SELECT id, at, license, role, actor, action, detail FROM events
            WHERE {condition} AND id < ?2 ORDER BY id DESC LIMIT ?3"
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        let parameters = params![license, before.unwrap_or(i64::MAX), count];
        let found: rusqlite::Result<Vec<Event>> = statement.query_map(parameters, event)?.collect();
        Ok(found?)
    }

    /// How often owners have done one of `actions` to the license since then.
    ///
    /// # Errors
    /// The store's own.
    pub fn count_by_owners(&self, license: i64, actions: [Action; 2], since: Timestamp) -> Result<u32, Error> {
        let sql = "SELECT count(*) FROM events WHERE license = ?1 AND role = ?2 AND action IN (?3, ?4) AND at > ?5";
        let [first, second] = actions.map(Action::word);
        let parameters = params![license, Role::Owner.word(), first, second, since];
        Ok(self.0.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?)
    }
}

impl Changes<'_> {
    /// Adds a line and returns its number.
    ///
    /// # Errors
    /// The store's own.
    pub fn add_event(&self, license: Option<i64>, actor: &Actor, action: Action, detail: &str) -> Result<i64, Error> {
        let sql = "INSERT INTO events (at, license, role, actor, action, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let parameters = params![self.now(), license, actor.role.word(), actor.name, action.word(), detail];
        self.connection().prepare_cached(sql)?.execute(parameters)?;
        Ok(self.connection().last_insert_rowid())
    }
}
