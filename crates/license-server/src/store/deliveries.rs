//! Deliveries: the events of the outbox for each webhook, until they are delivered or given up.

use std::time::Duration;

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::{at, at_if_any};
use crate::model::{Attempt, Delivery, DeliveryState};
use opterius_base::clock::Timestamp;

/// How long events are kept, for replays.
pub const KEPT_TIME: Duration = Duration::from_secs(7 * 86_400);

/// The most events that are kept; beyond that, the oldest that nothing waits for go first.
const MAX_KEPT: i64 = 500_000;

/// Further ahead than any wait for a next attempt: such a time was set by a wrong clock.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// Events that are deleted in one transaction.
const BATCH: u32 = 500;

const DELIVERY: &str =
    "SELECT event, name, type, created_at, license, state, attempts, next_at, tried_at, status, answer
    FROM webhook_deliveries JOIN webhook_events ON webhook_events.id = event";

/// The query of [`ReadTransaction::deliveries`]. The limit comes before the join: PostgreSQL would otherwise read the events of
/// all webhooks down to the first one of the page.
const LATEST: &str =
    "SELECT event, name, type, webhook_events.created_at, license, state, attempts, next_at, tried_at, status, answer
    FROM (SELECT * FROM webhook_deliveries WHERE webhook = ?1 AND event < ?2 ORDER BY event DESC LIMIT ?3) AS latest
    JOIN webhook_events ON webhook_events.id = event ORDER BY event DESC";

/// The delivery that is due first.
const DUE: &str = "SELECT event FROM webhook_deliveries
    WHERE webhook = ?1 AND state = 'pending' AND next_at <= ?2 ORDER BY next_at, event LIMIT 1";

const DELETE_OLD: &str = "DELETE FROM webhook_events WHERE id IN (SELECT id FROM webhook_events
    WHERE (created_at <= ?1 OR id <= ?2) AND NOT EXISTS (SELECT 1 FROM webhook_deliveries
        WHERE event = webhook_events.id AND (state = 'pending' OR tried_at > ?1))
    ORDER BY created_at LIMIT ?3)";

fn delivery(row: &Row<'_>) -> Result<Delivery, Error> {
    Ok(Delivery {
        event: row.get(0)?,
        name: row.get(1)?,
        event_type: row.get(2)?,
        created_at: at(row, 3)?,
        license: row.get(4)?,
        state: row.get(5)?,
        attempts: row.get(6)?,
        next_at: at(row, 7)?,
        tried_at: at_if_any(row, 8)?,
        status: row.get(9)?,
        answer: row.get(10)?,
    })
}

impl ReadTransaction<'_> {
    /// The delivery of a webhook that is due first, with the `data` of its event.
    ///
    /// # Errors
    /// A store error.
    pub fn due_delivery(&self, webhook: i64, now: Timestamp) -> Result<Option<(Delivery, String)>, Error> {
        let parameters = params![webhook, now.unix()];
        let event: Option<i64> = self.0.query_optional(DUE, parameters, |row| row.get(0))?;
        let Some(event) = event else { return Ok(None) };
        let sql = "SELECT data FROM webhook_events WHERE id = ?1";
        let data: String = self.0.query_row(sql, params![event], |row| row.get(0))?;
        let sql = format!("{DELIVERY} WHERE webhook = ?1 AND event = ?2");
        Ok(Some((self.0.query_row(&sql, params![webhook, event], delivery)?, data)))
    }

    /// The newest `count` deliveries of a webhook, before the event with the number `before`.
    ///
    /// # Errors
    /// A store error.
    pub fn deliveries(&self, webhook: i64, before: Option<i64>, count: u32) -> Result<Vec<Delivery>, Error> {
        let parameters = params![webhook, before.unwrap_or(i64::MAX), count];
        self.0.query(LATEST, parameters, delivery)
    }

    /// The delivery to a webhook of the event with this id.
    ///
    /// # Errors
    /// A store error.
    pub fn delivery(&self, webhook: i64, name: &str) -> Result<Option<Delivery>, Error> {
        self.0.query_optional(&format!("{DELIVERY} WHERE webhook = ?1 AND name = ?2"), params![webhook, name], delivery)
    }
}

impl WriteTransaction<'_> {
    /// Records an attempt. An event that was deleted meanwhile, with its webhook, is left alone.
    ///
    /// # Errors
    /// A store error.
    pub fn record_attempt(&self, webhook: i64, event: i64, attempt: &Attempt) -> Result<(), Error> {
        let state = match (attempt.is_accepted, attempt.next_at) {
            (true, _) => DeliveryState::Delivered,
            (false, Some(_)) => DeliveryState::Pending,
            (false, None) => DeliveryState::GivenUp,
        };
        let now = self.now().unix();
        let sql = "UPDATE webhook_deliveries SET state = ?3, attempts = attempts + 1, next_at = ?4, tried_at = ?5,
            status = ?6, answer = ?7 WHERE webhook = ?1 AND event = ?2 AND state = 'pending'";
        let next_at = attempt.next_at.map_or(now, Timestamp::unix);
        let parameters = params![webhook, event, state.as_str(), next_at, now, attempt.status, attempt.answer];
        let is_found = self.connection().execute(sql, parameters)? > 0;
        let sql =
            "UPDATE webhooks SET pending = pending - ?2, delivered_at = CASE WHEN ?3 = 1 THEN ?4 ELSE delivered_at END,
            failing_since = CASE WHEN ?3 = 1 THEN NULL ELSE coalesce(failing_since, ?4) END WHERE id = ?1";
        let is_ended = is_found && state != DeliveryState::Pending;
        self.connection().execute(sql, params![webhook, is_ended, attempt.is_accepted, now])?;
        Ok(())
    }

    /// Queues a delivery again, or makes a pending one due now. Returns whether there is one.
    ///
    /// # Errors
    /// A store error.
    pub fn replay(&self, webhook: i64, event: i64) -> Result<bool, Error> {
        let now = self.now().unix();
        let sql = "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, queued_at = ?3, next_at = ?3
            WHERE webhook = ?1 AND event = ?2 AND state <> 'pending'";
        let is_queued = self.connection().execute(sql, params![webhook, event, now])? > 0;
        if is_queued {
            let sql = "UPDATE webhooks SET pending = pending + 1 WHERE id = ?1";
            self.connection().execute(sql, params![webhook])?;
            return Ok(true);
        }
        let sql = "UPDATE webhook_deliveries SET next_at = ?3 WHERE webhook = ?1 AND event = ?2";
        Ok(self.connection().execute(sql, params![webhook, event, now])? > 0)
    }

    /// Queues all deliveries of a webhook again that were given up; returns their number.
    ///
    /// # Errors
    /// A store error.
    pub fn replay_given_up(&self, webhook: i64) -> Result<usize, Error> {
        let now = self.now().unix();
        let sql = "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, queued_at = ?2, next_at = ?2
            WHERE webhook = ?1 AND state = 'given up'";
        let count = self.connection().execute(sql, params![webhook, now])?;
        let sql = "UPDATE webhooks SET pending = pending + ?2 WHERE id = ?1";
        self.connection().execute(sql, params![webhook, i64::try_from(count).unwrap_or(0)])?;
        Ok(count)
    }

    /// Deletes some of the events that are no longer kept, and makes deliveries due that a wrong clock has put off. Returns
    /// whether there may be more.
    ///
    /// # Errors
    /// A store error.
    pub fn sweep_outbox(&self) -> Result<bool, Error> {
        let now = self.now();
        let sql = "UPDATE webhook_deliveries SET next_at = ?1 WHERE state = 'pending' AND next_at > ?2
            AND webhook IN (SELECT id FROM webhooks)";
        self.connection().execute(sql, params![now.unix(), now.plus(MAX_WAIT).unix()])?;
        let sql = "SELECT coalesce(max(id), 0) FROM webhook_events";
        let last: i64 = self.connection().query_row(sql, &[], |row| row.get(0))?;
        let parameters = params![now.minus(KEPT_TIME).unix(), last.saturating_sub(MAX_KEPT), BATCH];
        let deleted = self.connection().execute(DELETE_OLD, parameters)?;
        Ok(u32::try_from(deleted).is_ok_and(|deleted| deleted >= BATCH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Scratch, plan};

    #[test]
    fn deliveries_are_found_by_an_index() {
        let mut scratch = Scratch::in_file();
        let due = scratch.read(|transaction| plan(transaction, DUE));
        assert!(due.contains("webhook_deliveries_due (webhook=? AND next_at<?)") && !due.contains("TEMP"), "{due}");
        let latest = scratch.read(|transaction| plan(transaction, LATEST));
        assert!(latest.contains("(webhook=? AND event<?)") && latest.contains("(rowid=?)"), "{latest}");
    }
}
