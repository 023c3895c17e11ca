//! Webhooks: the receivers of events.

use std::time::Duration;

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::{at, at_if_any};
use crate::model::{EventType, Webhook};
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;

/// How long deliveries are signed with the secret before as well after a rotation.
const ROTATION_TIME: Duration = Duration::from_secs(86_400);

const WEBHOOK: &str = "SELECT id, url, secret, previous_secret, previous_secret_ends_at, created_at, pending, dropped,
    delivered_at, failing_since FROM webhooks";

fn webhook(row: &Row<'_>, now: Timestamp) -> Result<Webhook, Error> {
    let previous: Option<String> = row.get(3)?;
    let previous = previous.filter(|_| matches!(at_if_any(row, 4), Ok(Some(end)) if now < end));
    let secrets = [Some(row.get(2)?), previous].into_iter().flatten().map(Secret::new).collect();
    Ok(Webhook {
        id: row.get(0)?,
        url: row.get(1)?,
        events: None,
        secrets,
        created_at: at(row, 5)?,
        pending: row.get(6)?,
        dropped: row.get(7)?,
        delivered_at: at_if_any(row, 8)?,
        failing_since: at_if_any(row, 9)?,
    })
}

impl ReadTransaction<'_> {
    /// All webhooks, by number, with the secrets that count at `now`.
    ///
    /// # Errors
    /// A store error.
    pub fn webhooks(&self, now: Timestamp) -> Result<Vec<Webhook>, Error> {
        let found = self.0.query(&format!("{WEBHOOK} ORDER BY id"), &[], |row| webhook(row, now));
        found?.into_iter().map(|webhook| self.with_events(webhook)).collect()
    }

    /// The webhook with this number.
    ///
    /// # Errors
    /// A store error.
    pub fn webhook(&self, id: i64, now: Timestamp) -> Result<Option<Webhook>, Error> {
        let found = self.0.query_optional(&format!("{WEBHOOK} WHERE id = ?1"), params![id], |row| webhook(row, now))?;
        found.map(|webhook| self.with_events(webhook)).transpose()
    }

    fn with_events(&self, webhook: Webhook) -> Result<Webhook, Error> {
        let sql = "SELECT type FROM webhook_subscriptions WHERE webhook = ?1";
        let types: Vec<String> = self.0.query(sql, params![webhook.id], |row| row.get(0))?;
        let is_wanted = |event_type: &EventType| types.iter().any(|name| name == event_type.as_str());
        let events = EventType::subscribable().filter(is_wanted).collect();
        let wants_all = types.iter().any(|name| name == "*");
        Ok(Webhook { events: (!wants_all).then_some(events), ..webhook })
    }
}

impl WriteTransaction<'_> {
    /// Inserts a webhook for these events, or for all, and returns its number.
    ///
    /// # Errors
    /// A store error.
    pub fn insert_webhook(&self, url: &str, events: Option<&[EventType]>, secret: &Secret) -> Result<i64, Error> {
        let sql = "INSERT INTO webhooks (url, secret, created_at) VALUES (?1, ?2, ?3) RETURNING id";
        let parameters = params![url, secret.expose(), self.now().unix()];
        let id: i64 = self.connection().query_row(sql, parameters, |row| row.get(0))?;
        let names: Vec<&str> = events.map_or_else(|| vec!["*"], |types| types.iter().map(|t| t.as_str()).collect());
        for name in names {
            let sql = "INSERT INTO webhook_subscriptions (type, webhook) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            self.connection().execute(sql, params![name, id])?;
        }
        Ok(id)
    }

    /// Deletes a webhook with its deliveries.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_webhook(&self, id: i64) -> Result<(), Error> {
        self.connection().execute("DELETE FROM webhooks WHERE id = ?1", params![id])?;
        Ok(())
    }

    /// Gives a webhook a new secret; the one before counts for a day.
    ///
    /// # Errors
    /// A store error.
    pub fn rotate_webhook_secret(&self, id: i64, secret: &Secret) -> Result<(), Error> {
        let sql =
            "UPDATE webhooks SET previous_secret = secret, previous_secret_ends_at = ?3, secret = ?2 WHERE id = ?1";
        let ends_at = self.now().plus(ROTATION_TIME).unix();
        self.connection().execute(sql, params![id, secret.expose(), ends_at])?;
        Ok(())
    }
}
