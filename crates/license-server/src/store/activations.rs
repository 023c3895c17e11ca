//! Activations: who uses a license.

use std::net::IpAddr;

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::{Ip, at, at_if_any};
use crate::model::{Activation, Details};
use opterius_base::clock::Timestamp;

/// What the slot rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The address.
    pub ip: IpAddr,
    /// The order of activation.
    pub sequence: i64,
    /// The last verification.
    pub last_seen_at: Timestamp,
}

/// Activations that time has something to do with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredActivations {
    /// License and slot of each.
    pub found: Vec<(i64, Slot)>,
    /// The license to go on from; none at the end.
    pub next: Option<i64>,
}

/// A sign of life.
pub struct Heartbeat<'a> {
    /// The address that counts.
    pub ip: IpAddr,
    /// The address that the request came from.
    pub observed_ip: IpAddr,
    /// The address that it named.
    pub reported_ip: Option<IpAddr>,
    /// What the server says of itself.
    pub details: &'a Details,
}

const ACTIVATION: &str = "
    SELECT ip, sequence, started_at, last_seen_at, observed_ip, reported_ip, hostname, agent_version, panel_version, os,
        server_id, other_server_id, other_seen_at
    FROM activations";

/// In the order of the table: all of them are looked at, and each is read once.
const COUNT: &str = "SELECT count(*) FROM (
    SELECT 1 FROM activations WHERE license = ?1 AND last_seen_at > ?2 ORDER BY ip LIMIT ?3)";

/// In the order of the slots: of those before `sequence`, how many were looked at and how many of these count.
const FIRST_EARLIER: &str = "SELECT count(*), coalesce(sum(counts), 0) FROM (
    SELECT last_seen_at > ?2 AS counts FROM activations WHERE license = ?1 AND sequence < ?4 ORDER BY sequence LIMIT ?3)";

/// In the order of the table, which is quicker where very many that do not count stand in front.
const COUNT_EARLIER: &str = "SELECT count(*) FROM (
    SELECT 1 FROM activations WHERE license = ?1 AND last_seen_at > ?2 AND +sequence < ?4 ORDER BY ip LIMIT ?3)";

/// Activations that do not count and are looked at in the order of the slots.
const PASSED: u32 = 1000;

const LAST_SLOT: &str = "SELECT sequence FROM activations WHERE license = ?1 AND last_seen_at > ?2
    ORDER BY sequence LIMIT 1 OFFSET ?3 - 1";

const TWINS: &str =
    "SELECT ip FROM activations WHERE license = ?1 AND server_id = ?2 AND ip <> ?3 AND last_seen_at > ?4
    ORDER BY sequence LIMIT ?5";

const REFRESH: &str = "UPDATE activations SET last_seen_at = max(last_seen_at, :now), observed_ip = :observed,
        reported_ip = coalesce(:reported, reported_ip), hostname = coalesce(:hostname, hostname),
        agent_version = coalesce(:agent, agent_version), panel_version = coalesce(:panel, panel_version),
        os = coalesce(:os, os)
    WHERE license = :license AND ip = :ip";

/// SQLite writes the index anew for each column that a statement names, changed or not; so this one stands alone, and
/// does nothing while the identity stays what it is.
const REFRESH_IDENTITY: &str = "UPDATE activations SET
        other_seen_at = iif(server_id <> ?3, ?4, other_seen_at),
        other_server_id = iif(server_id <> ?3, server_id, other_server_id),
        server_id = ?3
    WHERE license = ?1 AND ip = ?2 AND server_id IS NOT ?3";

fn activation(row: &Row<'_>) -> rusqlite::Result<Activation> {
    Ok(Activation {
        ip: row.get::<_, Ip>(0)?.0,
        sequence: row.get(1)?,
        started_at: at(row, 2)?,
        last_seen_at: at(row, 3)?,
        observed_ip: row.get::<_, Ip>(4)?.0,
        reported_ip: row.get::<_, Option<Ip>>(5)?.map(|ip| ip.0),
        details: Details {
            hostname: row.get(6)?,
            agent_version: row.get(7)?,
            panel_version: row.get(8)?,
            os: row.get(9)?,
            server_id: row.get(10)?,
        },
        other_server_id: row.get(11)?,
        other_seen_at: at_if_any(row, 12)?,
    })
}

impl ReadTransaction<'_> {
    /// All activations of a license, in the order in which they were made.
    ///
    /// # Errors
    /// The store's own.
    pub fn activations(&self, license: i64) -> Result<Vec<Activation>, Error> {
        let mut statement = self.0.prepare_cached(&format!("{ACTIVATION} WHERE license = ?1 ORDER BY sequence"))?;
        let found: rusqlite::Result<Vec<Activation>> = statement.query_map(params![license], activation)?.collect();
        Ok(found?)
    }

    /// The first `count` activations that were made after the one numbered `after` and seen since that time. A license
    /// without a limit may have more than anybody wants to have in memory.
    ///
    /// # Errors
    /// The store's own.
    pub fn activations_after(
        &self,
        license: i64,
        after: i64,
        since: Timestamp,
        count: u32,
    ) -> Result<Vec<Activation>, Error> {
        let condition = "license = ?1 AND sequence > ?2 AND last_seen_at > ?3";
        let sql = format!("{ACTIVATION} WHERE {condition} ORDER BY sequence LIMIT ?4");
        let mut statement = self.0.prepare_cached(&sql)?;
        let parameters = params![license, after, since.unix(), count];
        let found: rusqlite::Result<Vec<Activation>> = statement.query_map(parameters, activation)?.collect();
        Ok(found?)
    }

    /// How many activations of a license were seen since then, counted up to `most`.
    ///
    /// # Errors
    /// The store's own.
    pub fn count_activations(&self, license: i64, since: Timestamp, most: u32) -> Result<u32, Error> {
        Ok(self.0.prepare_cached(COUNT)?.query_row(params![license, since.unix(), most], |row| row.get(0))?)
    }

    /// How many of them were made before the one numbered `sequence`, counted up to `most`.
    ///
    /// # Errors
    /// The store's own.
    pub fn count_earlier(&self, license: i64, since: Timestamp, sequence: i64, most: u32) -> Result<u32, Error> {
        let window = most.saturating_add(PASSED);
        let first = |row: &Row<'_>| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?));
        let parameters = params![license, since.unix(), window, sequence];
        let (looked_at, counted) = self.0.prepare_cached(FIRST_EARLIER)?.query_row(parameters, first)?;
        if looked_at < window || counted >= most {
            return Ok(counted.min(most));
        }
        let parameters = params![license, since.unix(), most, sequence];
        Ok(self.0.prepare_cached(COUNT_EARLIER)?.query_row(parameters, |row| row.get(0))?)
    }

    /// The order of the activation that has the last of `slots` slots, of those that were seen since then; none while
    /// there are fewer.
    ///
    /// # Errors
    /// The store's own.
    pub fn last_slot(&self, license: i64, slots: u32, since: Timestamp) -> Result<Option<i64>, Error> {
        Ok(self
            .0
            .prepare_cached(LAST_SLOT)?
            .query_row(params![license, since.unix(), slots], |row| row.get(0))
            .optional()?)
    }

    /// The first `count` addresses other than `ip` at which a license is used with this identity, seen since then.
    ///
    /// # Errors
    /// The store's own.
    pub fn twins(
        &self,
        license: i64,
        identity: &str,
        ip: IpAddr,
        since: Timestamp,
        count: u32,
    ) -> Result<Vec<IpAddr>, Error> {
        let mut statement = self.0.prepare_cached(TWINS)?;
        let parameters = params![license, identity, Ip(ip), since.unix(), count];
        let found: rusqlite::Result<Vec<IpAddr>> =
            statement.query_map(parameters, |row| Ok(row.get::<_, Ip>(0)?.0))?.collect();
        Ok(found?)
    }

    /// The activation of this address.
    ///
    /// # Errors
    /// The store's own.
    pub fn activation(&self, license: i64, ip: IpAddr) -> Result<Option<Activation>, Error> {
        let mut statement = self.0.prepare_cached(&format!("{ACTIVATION} WHERE license = ?1 AND ip = ?2"))?;
        Ok(statement.query_row(params![license, Ip(ip)], activation).optional()?)
    }

    /// When any server was last seen.
    ///
    /// # Errors
    /// The store's own.
    pub fn latest_check_in(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.0.query_row("SELECT max(last_seen_at) FROM activations", [], |row| at_if_any(row, 0))?)
    }

    /// The slot of this address.
    ///
    /// # Errors
    /// The store's own.
    pub fn slot(&self, license: i64, ip: IpAddr) -> Result<Option<Slot>, Error> {
        let sql = "SELECT sequence, last_seen_at FROM activations WHERE license = ?1 AND ip = ?2";
        let slot = |row: &Row<'_>| Ok(Slot { ip, sequence: row.get(0)?, last_seen_at: at(row, 1)? });
        Ok(self.0.prepare_cached(sql)?.query_row(params![license, Ip(ip)], slot).optional()?)
    }

    /// Activations whose last sign of life was at `earliest` or before, or after `latest`, of `licenses` licenses from
    /// the number `from` on.
    ///
    /// # Errors
    /// The store's own.
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
        let mut statement = self.0.prepare_cached(sql)?;
        let stray = |row: &Row<'_>| {
            Ok((row.get(0)?, Slot { ip: row.get::<_, Ip>(1)?.0, sequence: row.get(2)?, last_seen_at: at(row, 3)? }))
        };
        let found: rusqlite::Result<Vec<(i64, Slot)>> =
            statement.query_map(params![from, end, earliest.unix(), latest.unix()], stray)?.collect();
        let last: Option<i64> = self.0.query_row("SELECT max(license) FROM activations", [], |row| row.get(0))?;
        Ok(ExpiredActivations { found: found?, next: last.is_some_and(|last| last >= end).then_some(end) })
    }
}

impl WriteTransaction<'_> {
    /// Gives a slot to an address, new or again.
    ///
    /// # Errors
    /// The store's own.
    pub fn put_activation(&self, license: i64, sequence: i64, heartbeat: &Heartbeat<'_>) -> Result<(), Error> {
        let sql = "INSERT OR REPLACE INTO activations (license, ip, sequence, started_at, last_seen_at, observed_ip,
                reported_ip, hostname, agent_version, panel_version, os, server_id)
            VALUES (:license, :ip, :sequence, :now, :now, :observed, :reported, :hostname, :agent, :panel, :os, :server)";
        self.connection().prepare_cached(sql)?.execute(named_params! {
            ":license": license,
            ":ip": Ip(heartbeat.ip),
            ":sequence": sequence,
            ":now": self.now().unix(),
            ":observed": Ip(heartbeat.observed_ip),
            ":reported": heartbeat.reported_ip.map(Ip),
            ":hostname": heartbeat.details.hostname,
            ":agent": heartbeat.details.agent_version,
            ":panel": heartbeat.details.panel_version,
            ":os": heartbeat.details.os,
            ":server": heartbeat.details.server_id,
        })?;
        Ok(())
    }

    /// Notes that the server is alive. What it does not say of itself stays as it was: the Panel and the Agent of one
    /// server say different things. A clock that was set back does not make it older than it is known to be: else its
    /// slot would be free when the clock is put right.
    ///
    /// # Errors
    /// The store's own.
    pub fn refresh_activation(&self, license: i64, heartbeat: &Heartbeat<'_>) -> Result<(), Error> {
        self.connection().prepare_cached(REFRESH)?.execute(named_params! {
            ":license": license,
            ":ip": Ip(heartbeat.ip),
            ":now": self.now().unix(),
            ":observed": Ip(heartbeat.observed_ip),
            ":reported": heartbeat.reported_ip.map(Ip),
            ":hostname": heartbeat.details.hostname,
            ":agent": heartbeat.details.agent_version,
            ":panel": heartbeat.details.panel_version,
            ":os": heartbeat.details.os,
        })?;
        if let Some(identity) = &heartbeat.details.server_id {
            let parameters = params![license, Ip(heartbeat.ip), identity, self.now().unix()];
            self.connection().prepare_cached(REFRESH_IDENTITY)?.execute(parameters)?;
        }
        Ok(())
    }

    /// Sets when an activation was last seen, for one that was seen in the future.
    ///
    /// # Errors
    /// The store's own.
    pub fn set_last_seen(&self, license: i64, ip: IpAddr, at: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE activations SET last_seen_at = ?3 WHERE license = ?1 AND ip = ?2";
        self.connection().prepare_cached(sql)?.execute(params![license, Ip(ip), at.unix()])?;
        Ok(())
    }

    /// Deletes an activation; whether there was one.
    ///
    /// # Errors
    /// The store's own.
    pub fn delete_activation(&self, license: i64, ip: IpAddr) -> Result<bool, Error> {
        let sql = "DELETE FROM activations WHERE license = ?1 AND ip = ?2";
        Ok(self.connection().prepare_cached(sql)?.execute(params![license, Ip(ip)])? > 0)
    }

    /// Gives an activation another address; whether there was one.
    ///
    /// # Errors
    /// [`Error::Taken`] when the new address has one already, or the store's own.
    pub fn move_activation(&self, license: i64, from: IpAddr, to: IpAddr) -> Result<bool, Error> {
        let sql = "UPDATE activations SET ip = ?3 WHERE license = ?1 AND ip = ?2";
        Ok(self.connection().prepare_cached(sql)?.execute(params![license, Ip(from), Ip(to)])? > 0)
    }
}

#[cfg(test)]
#[path = "../activations_tests.rs"]
mod tests;
