//! Activations: the servers that use a license.

use std::net::IpAddr;

use super::counting::count_cap;
use super::deferral::deferred_of_license;
use super::engine::{Queries, Row, params};
use super::error::Error;
use super::slot::{Heartbeat, News, OwnSlot, Slot, replacing_activation};
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::{at, at_if_any, details};
use crate::model::{ACTIVE_TIME, Activation, Details, License, Side};
use opterius_base::clock::Timestamp;

/// A page of activations that garbage collection has to examine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredActivations {
    /// License and slot of each activation.
    pub found: Vec<(i64, Slot)>,
    /// The license to continue from; `None` at the end.
    pub next: Option<i64>,
}

macro_rules! activations {
    ($last_seen_at:literal, $join:expr) => {
        concat!(
            "SELECT ip, sequence, started_at, ",
            $last_seen_at,
            ", observed_ip, reported_ip, hostname, agent_version, panel_version, os, server_id, other_server_id,
                other_seen_at, own_seen_at, pair_ip, pair_seen_at
            FROM activations",
            $join
        )
    };
}

/// By license and address. Reads no check-in that waits: the writer reads no table to its end.
const ACTIVATION: &str = concat!(activations!("last_seen_at", ""), " WHERE license = ?1 AND ip = ?2");

/// Those of the license `?1`, with the check-ins that wait.
const ACTIVATIONS: &str = activations!(
    "CASE WHEN deferred_at > last_seen_at THEN deferred_at ELSE last_seen_at END",
    concat!(" LEFT JOIN ", deferred_of_license!(), " ON deferred_ip = ip")
);

/// In primary key order: a single scan.
const COUNT: &str = "SELECT count(*) FROM (
    SELECT 1 FROM activations WHERE license = ?1 AND last_seen_at > ?2 ORDER BY ip LIMIT ?3) AS active";

/// In slot order: of the first ?3 activations before `sequence`, how many were scanned and how many are active.
const FIRST_EARLIER: &str = "SELECT count(*), count(*) FILTER (WHERE last_seen_at > ?2) FROM (
    SELECT last_seen_at FROM activations WHERE license = ?1 AND sequence < ?4 ORDER BY sequence LIMIT ?3) AS earlier";

/// In primary key order, which is faster if very many inactive activations come first.
const COUNT_EARLIER: &str = "SELECT count(*) FROM (
    SELECT 1 FROM activations WHERE license = ?1 AND last_seen_at > ?2 AND +sequence < ?4 ORDER BY ip LIMIT ?3) AS earlier";

/// Inactive activations that are scanned in slot order before falling back to primary key order.
const MAX_INACTIVE: u32 = 1000;

const LAST_SLOT: &str = "SELECT sequence FROM activations WHERE license = ?1 AND last_seen_at > ?2
    ORDER BY sequence LIMIT 1 OFFSET ?3";

const TWINS: &str =
    "SELECT ip FROM activations WHERE license = ?1 AND server_id = ?2 AND ip <> ?3 AND last_seen_at > ?4
    ORDER BY sequence LIMIT ?5";

const PUT_ACTIVATION: &str = concat!(
    "INSERT INTO activations (license, ip, sequence, started_at, last_seen_at, observed_ip,
        reported_ip, hostname, agent_version, panel_version, os, server_id)
    VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    replacing_activation!()
);

const REFRESH: &str = "UPDATE activations SET last_seen_at = CASE WHEN last_seen_at < ?3 THEN ?3 ELSE last_seen_at END,
        observed_ip = ?4, reported_ip = coalesce(?5, reported_ip), agent_version = coalesce(?6, agent_version),
        panel_version = coalesce(?7, panel_version), os = coalesce(?8, os)
    WHERE license = ?1 AND ip = ?2";

/// SQLite rewrites an index for every column that an UPDATE names, changed or not. So identity and host name have their
/// own statement, which does nothing if they are unchanged.
pub(super) const REFRESH_IDENTITY: &str = "UPDATE activations SET
        other_seen_at = CASE WHEN server_id <> ?3 THEN ?4 ELSE other_seen_at END,
        other_server_id = CASE WHEN server_id <> ?3 THEN server_id ELSE other_server_id END,
        server_id = coalesce(?3, server_id),
        hostname = coalesce(?5, hostname)
    WHERE license = ?1 AND ip = ?2
        AND ((?3 IS NOT NULL AND server_id IS DISTINCT FROM ?3) OR (?5 IS NOT NULL AND hostname IS DISTINCT FROM ?5))";

const SLOT: &str = "SELECT ip, sequence, last_seen_at FROM activations WHERE license = ?1 AND ip = ?2";

const PAIR_SLOT: &str = "SELECT ip, sequence, last_seen_at FROM activations WHERE license = ?1 AND pair_ip = ?2";

fn slot(row: &Row<'_>) -> Result<Slot, Error> {
    Ok(Slot { ip: row.get(0)?, sequence: row.get(1)?, last_seen_at: at(row, 2)? })
}

fn activation(row: &Row<'_>) -> Result<Activation, Error> {
    let ip = row.get(0)?;
    let own_seen_at = at_if_any(row, 13)?.map_or_else(|| at(row, 3), Ok)?;
    let mut addresses = vec![Side { ip, last_seen_at: own_seen_at, hostname: None }];
    if let (Some(ip), Some(last_seen_at)) = (row.get::<Option<IpAddr>>(14)?, at_if_any(row, 15)?) {
        addresses.push(Side { ip, last_seen_at, hostname: None });
    }
    Ok(Activation {
        ip,
        addresses,
        sequence: row.get(1)?,
        started_at: at(row, 2)?,
        last_seen_at: at(row, 3)?,
        observed_ip: row.get(4)?,
        reported_ip: row.get(5)?,
        details: details(row, 6)?,
        other_server_id: row.get(11)?,
        other_seen_at: at_if_any(row, 12)?,
    })
}

impl ReadTransaction<'_> {
    /// All activations of a license, in order of activation.
    ///
    /// # Errors
    /// A store error.
    pub fn activations(&self, license: i64) -> Result<Vec<Activation>, Error> {
        self.0.query(&format!("{ACTIVATIONS} WHERE license = ?1 ORDER BY sequence"), params![license], activation)
    }

    /// The first `count` activations with a sequence number above `after` and a check-in after `since`. An unlimited license
    /// can have too many to load at once.
    ///
    /// # Errors
    /// A store error.
    pub fn activations_after(
        &self,
        license: i64,
        after: i64,
        since: Timestamp,
        count: u32,
    ) -> Result<Vec<Activation>, Error> {
        let condition = "license = ?1 AND sequence > ?2 AND last_seen_at > ?3";
        let sql = format!("{ACTIVATIONS} WHERE {condition} ORDER BY sequence LIMIT ?4");
        let parameters = params![license, after, since.unix(), count];
        self.0.query(&sql, parameters, activation)
    }

    /// The number of activations with a check-in after `since`, counted up to `most`.
    ///
    /// # Errors
    /// A store error.
    pub fn count_activations(&self, license: i64, since: Timestamp, most: u32) -> Result<u32, Error> {
        if let Some(found) = self.0.batch().and_then(|batch| batch.count(license, None, most)) {
            return Ok(found);
        }
        self.0.query_row(COUNT, params![license, since.unix(), most], |row| row.get(0))
    }

    /// The number of active servers of a license, counted up to [`count_cap`].
    ///
    /// # Errors
    /// A store error.
    pub fn active_servers(&self, license: &License, now: Timestamp) -> Result<u32, Error> {
        self.count_activations(license.id, now.minus(ACTIVE_TIME), count_cap(license.plan.max_servers))
    }

    /// The number of activations with a sequence number below `sequence`, counted up to `most`.
    ///
    /// # Errors
    /// A store error.
    pub fn count_earlier(&self, license: i64, since: Timestamp, sequence: i64, most: u32) -> Result<u32, Error> {
        if let Some(found) = self.0.batch().and_then(|batch| batch.count(license, Some(sequence), most)) {
            return Ok(found);
        }
        let window = most.saturating_add(MAX_INACTIVE);
        let first = |row: &Row<'_>| Ok((row.get::<u32>(0)?, row.get::<u32>(1)?));
        let parameters = params![license, since.unix(), window, sequence];
        let (scanned, counted) = self.0.query_row(FIRST_EARLIER, parameters, first)?;
        if scanned < window || counted >= most {
            return Ok(counted.min(most));
        }
        let parameters = params![license, since.unix(), most, sequence];
        self.0.query_row(COUNT_EARLIER, parameters, |row| row.get(0))
    }

    /// The sequence number of the activation in the last of `slots` slots, among those with a check-in after `since`; `None`
    /// if there are fewer.
    ///
    /// # Errors
    /// A store error.
    pub fn last_slot(&self, license: i64, slots: u32, since: Timestamp) -> Result<Option<i64>, Error> {
        self.0.query_optional(LAST_SLOT, params![license, since.unix(), slots.saturating_sub(1)], |row| row.get(0))
    }

    /// The first `count` addresses other than `ip` with the same server identity and a check-in after `since`.
    ///
    /// # Errors
    /// A store error.
    pub fn twins(
        &self,
        license: i64,
        identity: &str,
        ip: IpAddr,
        since: Timestamp,
        count: u32,
    ) -> Result<Vec<IpAddr>, Error> {
        let parameters = params![license, identity, ip, since.unix(), count];
        self.0.query(TWINS, parameters, |row| row.get(0))
    }

    /// The activation with this address, which can be either of a pair. Its last check-in can be a later one that waits (see
    /// `store/deferral.rs`).
    ///
    /// # Errors
    /// A store error.
    pub fn activation(&self, license: i64, ip: IpAddr) -> Result<Option<Activation>, Error> {
        let Some(slot) = self.slot(license, ip)? else { return Ok(None) };
        self.0.query_optional(ACTIVATION, params![license, slot.ip], activation)
    }

    /// The latest check-in of any server.
    ///
    /// # Errors
    /// A store error.
    pub fn latest_check_in(&self) -> Result<Option<Timestamp>, Error> {
        let latest = |sql| self.0.query_row(sql, &[], |row| at_if_any(row, 0));
        let deferred = latest("SELECT max(at) FROM deferred_check_ins")?;
        Ok(latest("SELECT max(last_seen_at) FROM activations")?.max(deferred))
    }

    /// The slot with this address, which can be either of a pair. The slot's address is that of the activation.
    ///
    /// # Errors
    /// A store error.
    pub fn slot(&self, license: i64, ip: IpAddr) -> Result<Option<Slot>, Error> {
        for sql in [SLOT, PAIR_SLOT] {
            let found = self.0.query_optional(sql, params![license, ip], slot)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Activations whose last check-in was at or before `earliest`, or after `latest`, of the `licenses` licenses from number
    /// `from` on.
    ///
    /// # Errors
    /// A store error.
    pub fn expired_activations(
        &self,
        from: i64,
        licenses: i64,
        earliest: Timestamp,
        latest: Timestamp,
    ) -> Result<ExpiredActivations, Error> {
        let end = from.saturating_add(licenses);
        let sql = "SELECT license, ip, sequence, last_seen_at FROM activations
            WHERE license >= ?1 AND license < ?2 AND (last_seen_at <= ?3 OR last_seen_at > ?4)";
        let expired = |row: &Row<'_>| {
            Ok((row.get(0)?, Slot { ip: row.get(1)?, sequence: row.get(2)?, last_seen_at: at(row, 3)? }))
        };
        let found = self.0.query(sql, params![from, end, earliest.unix(), latest.unix()], expired);
        let last: Option<i64> = self.0.query_row("SELECT max(license) FROM activations", &[], |row| row.get(0))?;
        Ok(ExpiredActivations { found: found?, next: last.is_some_and(|last| last >= end).then_some(end) })
    }
}

impl WriteTransaction<'_> {
    /// Adds an activation, or replaces the one with the same address.
    ///
    /// # Errors
    /// A store error.
    pub fn put_activation(&self, license: i64, sequence: i64, heartbeat: &Heartbeat<'_>) -> Result<(), Error> {
        if self.0.batch().is_some_and(|batch| batch.put_activation(license, sequence, heartbeat)) {
            return Ok(());
        }
        self.connection().execute(
            PUT_ACTIVATION,
            params![
                license,
                heartbeat.ip,
                sequence,
                self.now().unix(),
                heartbeat.observed_ip,
                heartbeat.reported_ip,
                heartbeat.details.hostname,
                heartbeat.details.agent_version,
                heartbeat.details.panel_version,
                heartbeat.details.os,
                heartbeat.details.server_id,
            ],
        )?;
        let first = "UPDATE licenses SET last_check_at = ?2 WHERE id = ?1 AND last_check_at = 0";
        self.connection().execute(first, params![license, self.now().unix()])?;
        Ok(())
    }

    /// Records a check-in. Details that the request does not contain stay unchanged, because the Panel and the Agent of a
    /// server report different ones. `last_seen_at` never decreases: if the clock is set back, the slot would otherwise
    /// look free once the clock is corrected. `own` is from [`ReadTransaction::record`] in the same transaction.
    ///
    /// # Errors
    /// A store error.
    pub fn refresh_activation(&self, license: i64, heartbeat: &Heartbeat<'_>, own: &OwnSlot) -> Result<(), Error> {
        let is_identity_new = own.news == News::Identity;
        if let Some(batch) = self.0.batch()
            && batch.refresh(license, heartbeat, is_identity_new)?
        {
            return Ok(());
        }
        if self.defer_check_in(license, heartbeat, own)? {
            return Ok(());
        }
        self.connection().execute(
            REFRESH,
            params![
                license,
                heartbeat.ip,
                self.now().unix(),
                heartbeat.observed_ip,
                heartbeat.reported_ip,
                heartbeat.details.agent_version,
                heartbeat.details.panel_version,
                heartbeat.details.os,
            ],
        )?;
        if is_identity_new {
            let Details { server_id, hostname, .. } = heartbeat.details;
            let parameters = params![license, heartbeat.ip, *server_id, self.now().unix(), *hostname];
            self.connection().execute(REFRESH_IDENTITY, parameters)?;
        }
        Ok(())
    }

    /// Sets the last check-in, to correct one that is dated in the future.
    ///
    /// # Errors
    /// A store error.
    pub fn set_last_seen(&self, license: i64, ip: IpAddr, at: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE activations SET last_seen_at = ?3 WHERE license = ?1 AND ip = ?2";
        self.connection().execute(sql, params![license, ip, at.unix()])?;
        Ok(())
    }

    /// Deletes the activation with this address, which can be either of a pair; returns whether it existed.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_activation(&self, license: i64, ip: IpAddr) -> Result<bool, Error> {
        let Some(slot) = self.slot(license, ip)? else { return Ok(false) };
        let sql = "DELETE FROM activations WHERE license = ?1 AND ip = ?2";
        Ok(self.connection().execute(sql, params![license, slot.ip])? > 0)
    }

    /// Changes the address of an activation; a pair has one address then. Returns whether it existed.
    ///
    /// # Errors
    /// [`Error::Taken`] if the new address has another activation already, or another store error.
    pub fn move_activation(&self, license: i64, from: IpAddr, to: IpAddr) -> Result<bool, Error> {
        let Some(slot) = self.slot(license, from)? else { return Ok(false) };
        if self.slot(license, to)?.is_some_and(|other| other.sequence != slot.sequence) {
            return Err(Error::Taken);
        }
        let sql = "UPDATE activations SET ip = ?3, own_seen_at = NULL, pair_ip = NULL, pair_seen_at = NULL,
                pair_hostname = NULL, former_ips = NULL
            WHERE license = ?1 AND ip = ?2";
        Ok(self.connection().execute(sql, params![license, slot.ip, to])? > 0)
    }
}

#[cfg(test)]
#[path = "../activations_tests.rs"]
mod tests;
