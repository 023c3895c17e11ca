//! Refused servers, and servers that are kept out.

use std::net::IpAddr;

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::{at, details};
use crate::model::{Block, EventFacts, EventType, MAX_REFUSED, RefusedServer, ServerFacts};
use opterius_base::clock::Timestamp;

/// A page of refusals and blocks that are due for deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueServers {
    /// License and address of each.
    pub found: Vec<(i64, IpAddr)>,
    /// The last row that was read, to continue after it; `None` at the end.
    pub next: Option<(i64, String)>,
}

/// The tables of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerTable {
    /// Refused servers, due after their last refusal.
    Refusals,
    /// Servers that are kept out, due at their end.
    Blocks,
}

const REFUSAL: &str = "
    SELECT ip, reason, message, first_at, last_at, denials, hostname, agent_version, panel_version, os, server_id
    FROM refusals";

/// The license may have been deleted since the refusal.
const PUT_REFUSAL: &str = "INSERT INTO refusals (license, ip, reason, message, first_at, last_at, denials, hostname,
        agent_version, panel_version, os, server_id)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 FROM licenses WHERE id = ?1
    ON CONFLICT (license, ip) DO UPDATE SET reason = excluded.reason, message = excluded.message,
        last_at = excluded.last_at, denials = refusals.denials + excluded.denials,
        hostname = coalesce(excluded.hostname, refusals.hostname), agent_version = coalesce(excluded.agent_version, refusals.agent_version),
        panel_version = coalesce(excluded.panel_version, refusals.panel_version), os = coalesce(excluded.os, refusals.os),
        server_id = coalesce(excluded.server_id, refusals.server_id)
    RETURNING refusals.denials";

/// More refusals than a license can have.
const MAX_DROPPED: u32 = 1_000_000;

const DROP_OLDEST: &str = "DELETE FROM refusals WHERE license = ?1 AND ip IN (
    SELECT ip FROM refusals WHERE license = ?1 ORDER BY last_at DESC, ip LIMIT ?3 OFFSET ?2)";

fn refused_server(row: &Row<'_>) -> Result<RefusedServer, Error> {
    Ok(RefusedServer {
        ip: row.get(0)?,
        reason: row.get(1)?,
        message: row.get(2)?,
        first_at: at(row, 3)?,
        last_at: at(row, 4)?,
        denials: row.get(5)?,
        details: details(row, 6)?,
    })
}

impl ReadTransaction<'_> {
    /// The refused servers of a license, latest refusal first.
    ///
    /// # Errors
    /// A store error.
    pub fn refused_servers(&self, license: i64) -> Result<Vec<RefusedServer>, Error> {
        let sql = format!("{REFUSAL} WHERE license = ?1 ORDER BY last_at DESC, ip");
        self.0.query(&sql, params![license], refused_server)
    }

    /// The refused server with this address.
    ///
    /// # Errors
    /// A store error.
    pub fn refused_server(&self, license: i64, ip: IpAddr) -> Result<Option<RefusedServer>, Error> {
        self.0.query_optional(
            &format!("{REFUSAL} WHERE license = ?1 AND ip = ?2"),
            params![license, ip],
            refused_server,
        )
    }

    /// The servers that a license keeps out at `now`, the first to end first.
    ///
    /// # Errors
    /// A store error.
    pub fn blocks(&self, license: i64, now: Timestamp) -> Result<Vec<Block>, Error> {
        let sql = "SELECT ip, ends_at, server_id FROM blocks WHERE license = ?1 AND ends_at > ?2 ORDER BY ends_at, ip";
        let block = |row: &Row<'_>| Ok(Block { ip: row.get(0)?, ends_at: at(row, 1)?, server_id: row.get(2)? });
        self.0.query(sql, params![license, now.unix()], block)
    }

    /// Up to `count` rows after `after`: those last refused at or before `earliest`, or dated after `latest`; or, of
    /// [`ServerTable::Blocks`], those that ended at or before `earliest`.
    ///
    /// # Errors
    /// A store error.
    pub fn due_servers(
        &self,
        table: ServerTable,
        after: &(i64, String),
        count: u32,
        earliest: Timestamp,
        latest: Timestamp,
    ) -> Result<DueServers, Error> {
        let sql = match table {
            ServerTable::Refusals => {
                "SELECT license, ip, last_at <= ?4 OR last_at > ?5 FROM refusals
                WHERE (license, ip) > (?1, ?2) ORDER BY license, ip LIMIT ?3"
            }
            ServerTable::Blocks => {
                "SELECT license, ip, ends_at <= ?4 AND ?5 = ?5 FROM blocks
                WHERE (license, ip) > (?1, ?2) ORDER BY license, ip LIMIT ?3"
            }
        };
        let parameters = params![after.0, after.1, count, earliest.unix(), latest.unix()];
        let (mut found, mut last, mut read) = (Vec::new(), None, 0_u32);
        self.0.each(sql, parameters, |row| {
            read = read.saturating_add(1);
            last = Some((row.get(0)?, row.get(1)?));
            if row.get(2)? {
                found.push((row.get(0)?, row.get(1)?));
            }
            Ok(true)
        })?;
        Ok(DueServers { found, next: last.filter(|_| read == count) })
    }
}

impl WriteTransaction<'_> {
    /// Stores a refusal, whose `denials` are added to those that are stored. Returns whether it is the first of this server;
    /// a license that was deleted stores none.
    ///
    /// # Errors
    /// A store error.
    pub fn put_refusal(&self, license: i64, refused: &RefusedServer) -> Result<bool, Error> {
        let details = &refused.details;
        let parameters = params![
            license,
            refused.ip,
            refused.reason,
            refused.message,
            refused.first_at.unix(),
            refused.last_at.unix(),
            refused.denials,
            details.hostname,
            details.agent_version,
            details.panel_version,
            details.os,
            details.server_id,
        ];
        let denials: Option<u32> = self.connection().query_optional(PUT_REFUSAL, parameters, |row| row.get(0))?;
        let is_first = denials == Some(refused.denials);
        if is_first {
            let parameters = params![license, MAX_REFUSED, MAX_DROPPED];
            self.connection().execute(DROP_OLDEST, parameters)?;
            let server = ServerFacts {
                hostname: details.hostname.as_deref(),
                server_id: details.server_id.as_deref(),
                reason: Some(&refused.reason),
                message: Some(&refused.message),
                ..ServerFacts::at(refused.ip)
            };
            let facts = EventFacts { server: Some(&server), ..EventFacts::default() };
            self.announce(EventType::ServerRefused, Some(license), &facts)?;
        }
        Ok(is_first)
    }

    /// Deletes the refusal of a server; returns whether there was one.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_refusal(&self, license: i64, ip: IpAddr) -> Result<bool, Error> {
        let sql = "DELETE FROM refusals WHERE license = ?1 AND ip = ?2";
        Ok(self.connection().execute(sql, params![license, ip])? > 0)
    }

    /// Keeps a server out, until a new time if it is kept out already.
    ///
    /// # Errors
    /// A store error.
    pub fn put_block(&self, license: i64, block: &Block) -> Result<(), Error> {
        let sql = "INSERT INTO blocks (license, ip, ends_at, server_id) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (license, ip) DO UPDATE SET ends_at = excluded.ends_at,
                server_id = coalesce(excluded.server_id, blocks.server_id)";
        let parameters = params![license, block.ip, block.ends_at.unix(), block.server_id];
        self.connection().execute(sql, parameters)?;
        Ok(())
    }

    /// Keeps a server out no longer; returns whether it was kept out.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_block(&self, license: i64, ip: IpAddr) -> Result<bool, Error> {
        let sql = "DELETE FROM blocks WHERE license = ?1 AND ip = ?2 RETURNING ends_at > ?3";
        let parameters = params![license, ip, self.now().unix()];
        let was_kept_out = self.connection().query_optional(sql, parameters, |row| row.get(0))?;
        Ok(was_kept_out == Some(true))
    }

    /// Deletes a row that [`ReadTransaction::due_servers`] found, unless it has changed meanwhile.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_due_server(
        &self,
        table: ServerTable,
        (license, ip): (i64, IpAddr),
        earliest: Timestamp,
        latest: Timestamp,
    ) -> Result<bool, Error> {
        let sql = match table {
            ServerTable::Refusals => {
                "DELETE FROM refusals WHERE license = ?1 AND ip = ?2 AND (last_at <= ?3 OR last_at > ?4)"
            }
            ServerTable::Blocks => "DELETE FROM blocks WHERE license = ?1 AND ip = ?2 AND ends_at <= ?3 AND ?4 = ?4",
        };
        let parameters = params![license, ip, earliest.unix(), latest.unix()];
        Ok(self.connection().execute(sql, parameters)? > 0)
    }
}

#[cfg(test)]
#[path = "../refusals_tests.rs"]
mod tests;
