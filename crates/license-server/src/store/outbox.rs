//! The outbox: events for webhooks, written in the transaction that changes what they are about.
//!
//! An event that no webhook wants costs one look into an empty table, and nothing is written.

use std::time::Duration;

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use crate::model::event_data;
use crate::model::{EventFacts, EventType, ExpiryFacts, License, LicenseView, Status};
use crate::random_token::random_id;
use opterius_base::clock::Timestamp;

/// The most deliveries of one webhook that wait: what comes beyond is dropped and counted, because a receiver that never
/// answers must not fill the disk of the license server.
pub const MAX_PENDING: i64 = 100_000;

/// The most refusals of one license that are announced within [`REFUSALS_TIME`]: many addresses may try a stolen key.
const MAX_REFUSALS: u32 = 20;
const REFUSALS_TIME: Duration = Duration::from_secs(3600);

/// The notices before an expiry, in days, and the expiry itself; the latest last.
pub const NOTICES: [u32; 4] = [30, 7, 1, 0];

/// How long an expiry is announced after it has passed, if the server was down.
const LATE: Duration = Duration::from_secs(7 * 86_400);

const DAY: Duration = Duration::from_secs(86_400);

/// The webhooks that want a type, and whether they have room. Every new activation asks. DISTINCT or IN would make SQLite
/// create temporary tables with caches of their own, which took nearly half of the writer's time for an activation.
const WANTED: &str = "SELECT id, pending < ?2 FROM webhooks
    WHERE EXISTS (SELECT 1 FROM webhook_subscriptions WHERE type = ?1 AND webhook = webhooks.id)
        OR EXISTS (SELECT 1 FROM webhook_subscriptions WHERE type = '*' AND webhook = webhooks.id)
    ORDER BY id";

const COUNT_REFUSALS: &str = "SELECT count(*) FROM (SELECT 1 FROM webhook_events
    WHERE type = 'server.refused' AND license = ?1 AND created_at > ?2 LIMIT ?3) AS announced";

/// Licenses with a notice that is due and that nothing was said about, by the index of standings.
const DUE_NOTICES: &str = "SELECT licenses.id FROM licenses
    LEFT JOIN expiry_notices ON expiry_notices.license = licenses.id
        AND expiry_notices.expires_at = licenses.expires_at
    WHERE licenses.status = 'active' AND coalesce(licenses.expires_at, 9223372036854775807) > ?1
        AND coalesce(licenses.expires_at, 9223372036854775807) <= ?5
        AND (expiry_notices.days IS NULL OR expiry_notices.days > CASE
            WHEN licenses.expires_at <= ?2 THEN 0 WHEN licenses.expires_at <= ?3 THEN 1
            WHEN licenses.expires_at <= ?4 THEN 7 ELSE 30 END)
    ORDER BY coalesce(licenses.expires_at, 9223372036854775807) LIMIT ?6";

impl ReadTransaction<'_> {
    /// Whether a webhook wants events of this type, and since when.
    ///
    /// # Errors
    /// A store error.
    pub fn wanted_since(&self, event_type: EventType) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT min(created_at) FROM webhook_subscriptions JOIN webhooks ON webhooks.id = webhook
            WHERE type IN (?1, '*')";
        let since = |row: &Row<'_>| super::values::at_if_any(row, 0);
        self.0.query_row(sql, params![event_type.as_str()], since)
    }

    /// At most `count` licenses whose next notice is due. Those that expired before `since` are left out.
    ///
    /// # Errors
    /// A store error.
    pub fn due_notices(&self, now: Timestamp, since: Timestamp, count: u32) -> Result<Vec<i64>, Error> {
        let days = |days: u32| now.plus(DAY.saturating_mul(days)).unix();
        let parameters = params![since.max(now.minus(LATE)).unix(), now.unix(), days(1), days(7), days(30), count];
        self.0.query(DUE_NOTICES, parameters, |row| row.get(0))
    }
}

impl WriteTransaction<'_> {
    /// Announces an event of a license to the webhooks that want its type.
    ///
    /// # Errors
    /// A store error.
    pub fn announce(&self, event_type: EventType, license: Option<i64>, facts: &EventFacts<'_>) -> Result<(), Error> {
        let parameters = params![event_type.as_str(), MAX_PENDING];
        let look = || self.connection().query(WANTED, parameters, |row| Ok((row.get(0)?, row.get(1)?)));
        let webhooks: Vec<(i64, bool)> = match self.0.batch() {
            Some(batch) => batch.wanted(event_type.as_str(), look)?,
            None => look()?,
        };
        if !webhooks.iter().any(|(_, has_room)| *has_room) {
            return self.drop_for(&webhooks);
        }
        if self.has_too_many_refusals(event_type, license)? {
            return Ok(());
        }
        self.announce_to(&webhooks, event_type, license, facts)?;
        Ok(())
    }

    /// Announces an event to one webhook, whatever it wants; returns the id of the event.
    ///
    /// # Errors
    /// A store error.
    pub fn announce_test(&self, webhook: i64, facts: &EventFacts<'_>) -> Result<String, Error> {
        self.announce_to(&[(webhook, true)], EventType::WebhookTest, None, facts)
    }

    fn announce_to(
        &self,
        webhooks: &[(i64, bool)],
        event_type: EventType,
        license: Option<i64>,
        facts: &EventFacts<'_>,
    ) -> Result<String, Error> {
        let subject = license.map(|id| self.license(id)).transpose()?.flatten();
        let servers = subject.as_ref().map_or(Ok(0), |license| self.active_servers(license, self.now()))?;
        let view = subject.as_ref().map(|license| LicenseView::new(license, false, servers, self.now()));
        let data = event_data::data(view, facts)
            .ok_or_else(|| Error::Failed("an event cannot be written as JSON".to_owned()))?;
        let sql = "INSERT INTO webhook_events (name, type, created_at, license, data)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let name = format!("evt_{}", random_id()?);
        let event =
            self.connection().insert(sql, params![name, event_type.as_str(), self.now().unix(), license, data])?;
        for (webhook, has_room) in webhooks {
            if *has_room {
                self.queue(*webhook, event)?;
            }
        }
        self.drop_for(webhooks)?;
        Ok(name)
    }

    /// Counts a dropped event for each webhook that has no room for it.
    fn drop_for(&self, webhooks: &[(i64, bool)]) -> Result<(), Error> {
        for (webhook, _) in webhooks.iter().filter(|(_, has_room)| !has_room) {
            let sql = "UPDATE webhooks SET dropped = dropped + 1 WHERE id = ?1";
            self.connection().execute(sql, params![*webhook])?;
        }
        Ok(())
    }

    fn queue(&self, webhook: i64, event: i64) -> Result<(), Error> {
        let sql = "INSERT INTO webhook_deliveries (webhook, event, state, queued_at, next_at)
            VALUES (?1, ?2, 'pending', ?3, ?3)";
        self.connection().execute(sql, params![webhook, event, self.now().unix()])?;
        let sql = "UPDATE webhooks SET pending = pending + 1 WHERE id = ?1";
        self.connection().execute(sql, params![webhook])?;
        Ok(())
    }

    fn has_too_many_refusals(&self, event_type: EventType, license: Option<i64>) -> Result<bool, Error> {
        if event_type != EventType::ServerRefused {
            return Ok(false);
        }
        let since = self.now().minus(REFUSALS_TIME).unix();
        let parameters = params![license, since, MAX_REFUSALS];
        let count: u32 = self.connection().query_row(COUNT_REFUSALS, parameters, |row| row.get(0))?;
        Ok(count >= MAX_REFUSALS)
    }

    /// Announces that a license expires or has expired, unless that was said already; returns whether it was announced.
    /// If several notices have become due at once, only the latest is given: the others are no longer true.
    ///
    /// # Errors
    /// A store error.
    pub fn notify_of_expiry(&self, id: i64) -> Result<bool, Error> {
        let license = self.license(id)?.filter(|license| license.status == Status::Active);
        let Some((expires_at, days)) = license.as_ref().and_then(|license| due_notice(license, self.now())) else {
            return Ok(false);
        };
        let sql = "SELECT days FROM expiry_notices WHERE license = ?1 AND expires_at = ?2";
        let given: Option<u32> =
            self.connection().query_optional(sql, params![id, expires_at.unix()], |row| row.get(0))?;
        if given.is_some_and(|given| given <= days) {
            return Ok(false);
        }
        let sql = "INSERT INTO expiry_notices (license, expires_at, days) VALUES (?1, ?2, ?3)
            ON CONFLICT (license) DO UPDATE SET expires_at = ?2, days = ?3";
        self.connection().execute(sql, params![id, expires_at.unix(), days])?;
        let event_type = if days == 0 { EventType::LicenseExpired } else { EventType::LicenseExpiring };
        let expiry = Some(ExpiryFacts { expires_at, days });
        self.announce(event_type, Some(id), &EventFacts { expiry, ..EventFacts::default() })?;
        Ok(true)
    }
}

/// The expiry of a license and its latest notice that is due at `now`, in days; `None` if none is.
fn due_notice(license: &License, now: Timestamp) -> Option<(Timestamp, u32)> {
    let expires_at = license.expires_at?;
    let is_due = |days: &u32| expires_at <= now.plus(DAY.saturating_mul(*days));
    NOTICES.into_iter().rev().find(is_due).map(|days| (expires_at, days))
}

#[cfg(test)]
#[path = "../outbox_tests.rs"]
mod tests;
