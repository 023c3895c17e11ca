//! Activations: who uses a license.

use std::net::IpAddr;

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::values::Ip;
use super::{Changes, Error, Reader};
use crate::clock::Timestamp;
use crate::server::model::{Activation, Details};

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
pub struct Strays {
    /// License and slot of each.
    pub found: Vec<(i64, Slot)>,
    /// The license to go on from; none at the end.
    pub next: Option<i64>,
}

/// A sign of life.
pub struct Sign<'a> {
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

fn activation(row: &Row<'_>) -> rusqlite::Result<Activation> {
    Ok(Activation {
        ip: row.get::<_, Ip>(0)?.0,
        sequence: row.get(1)?,
        started_at: row.get(2)?,
        last_seen_at: row.get(3)?,
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
        other_seen_at: row.get(12)?,
    })
}

impl Reader<'_> {
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
        let parameters = params![license, after, since, count];
        let found: rusqlite::Result<Vec<Activation>> = statement.query_map(parameters, activation)?.collect();
        Ok(found?)
    }

    /// How many activations of a license were seen since then.
    ///
    /// # Errors
    /// The store's own.
    pub fn count_activations(&self, license: i64, since: Timestamp) -> Result<u32, Error> {
        let sql = "SELECT count(*) FROM activations WHERE license = ?1 AND last_seen_at > ?2";
        Ok(self.0.prepare_cached(sql)?.query_row(params![license, since], |row| row.get(0))?)
    }

    /// The order of the activation that has the last of `slots` slots, of those that were seen since then; none while
    /// there are fewer.
    ///
    /// # Errors
    /// The store's own.
    pub fn last_slot(&self, license: i64, slots: u32, since: Timestamp) -> Result<Option<i64>, Error> {
        let sql = "SELECT sequence FROM activations WHERE license = ?1 AND last_seen_at > ?2
            ORDER BY sequence LIMIT 1 OFFSET ?3 - 1";
        Ok(self.0.prepare_cached(sql)?.query_row(params![license, since, slots], |row| row.get(0)).optional()?)
    }

    /// Identities that a license is used with at more than one address, seen since then, each with an address; `count`
    /// at most.
    ///
    /// # Errors
    /// The store's own.
    pub fn twins(&self, license: i64, since: Timestamp, count: u32) -> Result<Vec<(String, IpAddr)>, Error> {
        let seen = "license = ?1 AND last_seen_at > ?2";
        let sql = format!(
            "SELECT server_id, ip FROM activations WHERE {seen} AND server_id IN (
                SELECT server_id FROM activations WHERE {seen} AND server_id <> '' GROUP BY server_id HAVING count(*) > 1
            ) ORDER BY sequence LIMIT ?3"
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        let twin = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Ip>(1)?.0));
        let found: rusqlite::Result<Vec<_>> = statement.query_map(params![license, since, count], twin)?.collect();
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

    /// The slots of a license, in no order.
    ///
    /// # Errors
    /// The store's own.
    pub fn slots(&self, license: i64) -> Result<Vec<Slot>, Error> {
        let sql = "SELECT ip, sequence, last_seen_at FROM activations WHERE license = ?1";
        let mut statement = self.0.prepare_cached(sql)?;
        let slot =
            |row: &Row<'_>| Ok(Slot { ip: row.get::<_, Ip>(0)?.0, sequence: row.get(1)?, last_seen_at: row.get(2)? });
        let found: rusqlite::Result<Vec<Slot>> = statement.query_map(params![license], slot)?.collect();
        Ok(found?)
    }

    /// When any server was last seen.
    ///
    /// # Errors
    /// The store's own.
    pub fn latest_sign(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.0.query_row("SELECT max(last_seen_at) FROM activations", [], |row| row.get(0))?)
    }

    /// The one slot of this address.
    ///
    /// # Errors
    /// The store's own.
    pub fn slot(&self, license: i64, ip: IpAddr) -> Result<Option<Slot>, Error> {
        let sql = "SELECT sequence, last_seen_at FROM activations WHERE license = ?1 AND ip = ?2";
        let slot = |row: &Row<'_>| Ok(Slot { ip, sequence: row.get(0)?, last_seen_at: row.get(1)? });
        Ok(self.0.prepare_cached(sql)?.query_row(params![license, Ip(ip)], slot).optional()?)
    }

    /// Activations whose last sign of life was at `earliest` or before, or after `latest`, of `licenses` licenses from
    /// the number `from` on.
    ///
    /// # Errors
    /// The store's own.
    pub fn strays(&self, from: i64, licenses: i64, earliest: Timestamp, latest: Timestamp) -> Result<Strays, Error> {
        let end = from.saturating_add(licenses);
        let sql = "SELECT license, ip, sequence, last_seen_at FROM activations
            WHERE license >= ?1 AND license < ?2 AND (last_seen_at <= ?3 OR last_seen_at > ?4)";
        let mut statement = self.0.prepare_cached(sql)?;
        let stray = |row: &Row<'_>| {
            Ok((row.get(0)?, Slot { ip: row.get::<_, Ip>(1)?.0, sequence: row.get(2)?, last_seen_at: row.get(3)? }))
        };
        let found: rusqlite::Result<Vec<(i64, Slot)>> =
            statement.query_map(params![from, end, earliest, latest], stray)?.collect();
        let last: Option<i64> = self.0.query_row("SELECT max(license) FROM activations", [], |row| row.get(0))?;
        Ok(Strays { found: found?, next: last.is_some_and(|last| last >= end).then_some(end) })
    }
}

impl Changes<'_> {
    /// Gives a slot to an address, new or again.
    ///
    /// # Errors
    /// The store's own.
    pub fn put_activation(&self, license: i64, sequence: i64, sign: &Sign<'_>) -> Result<(), Error> {
        let sql = "INSERT OR REPLACE INTO activations (license, ip, sequence, started_at, last_seen_at, observed_ip,
                reported_ip, hostname, agent_version, panel_version, os, server_id)
            VALUES (:license, :ip, :sequence, :now, :now, :observed, :reported, :hostname, :agent, :panel, :os, :server)";
        self.connection().prepare_cached(sql)?.execute(named_params! {
            ":license": license,
            ":ip": Ip(sign.ip),
            ":sequence": sequence,
            ":now": self.now(),
            ":observed": Ip(sign.observed_ip),
            ":reported": sign.reported_ip.map(Ip),
            ":hostname": sign.details.hostname,
            ":agent": sign.details.agent_version,
            ":panel": sign.details.panel_version,
            ":os": sign.details.os,
            ":server": sign.details.server_id,
        })?;
        Ok(())
    }

    /// Notes that the server is alive. What it does not say of itself stays as it was: the Panel and the Agent of one
    /// server say different things. A clock that was set back does not make it older than it is known to be: else its
    /// slot would be free when the clock is put right.
    ///
    /// # Errors
    /// The store's own.
    pub fn refresh_activation(&self, license: i64, sign: &Sign<'_>) -> Result<(), Error> {
        let sql = "UPDATE activations SET last_seen_at = max(last_seen_at, :now), observed_ip = :observed,
                reported_ip = coalesce(:reported, reported_ip), hostname = coalesce(:hostname, hostname),
                agent_version = coalesce(:agent, agent_version), panel_version = coalesce(:panel, panel_version),
                os = coalesce(:os, os),
                other_seen_at = iif(server_id <> :server, :now, other_seen_at),
                other_server_id = iif(server_id <> :server, server_id, other_server_id),
                server_id = coalesce(:server, server_id)
            WHERE license = :license AND ip = :ip";
        self.connection().prepare_cached(sql)?.execute(named_params! {
            ":license": license,
            ":ip": Ip(sign.ip),
            ":now": self.now(),
            ":observed": Ip(sign.observed_ip),
            ":reported": sign.reported_ip.map(Ip),
            ":hostname": sign.details.hostname,
            ":agent": sign.details.agent_version,
            ":panel": sign.details.panel_version,
            ":os": sign.details.os,
            ":server": sign.details.server_id,
        })?;
        Ok(())
    }

    /// Sets when an activation was last seen, for one that was seen in the future.
    ///
    /// # Errors
    /// The store's own.
    pub fn set_last_seen(&self, license: i64, ip: IpAddr, at: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE activations SET last_seen_at = ?3 WHERE license = ?1 AND ip = ?2";
        self.connection().prepare_cached(sql)?.execute(params![license, Ip(ip), at])?;
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
