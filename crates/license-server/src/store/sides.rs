//! The addresses of servers: which activations are pairs, and what addresses they had before.

use std::net::IpAddr;

use super::activations::REFRESH_IDENTITY;
use super::engine::{Queries, Row, params};
use super::error::Error;
use super::slot::{Heartbeat, Slot};
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::{at, at_if_any};
use crate::model::{Side, Sides};
use opterius_base::clock::Timestamp;

/// The addresses of an activation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSides {
    /// The slot.
    pub slot: Slot,
    /// The addresses.
    pub sides: Sides,
    /// The identity that was replaced by the present one, and when.
    pub other: Option<(String, Timestamp)>,
    /// The identity.
    pub server_id: Option<String>,
}

const SIDES: &str = "
    SELECT ip, sequence, last_seen_at, hostname, own_seen_at, pair_ip, pair_seen_at, pair_hostname, former_ips, server_id,
        other_server_id, other_seen_at
    FROM activations";

const PUT_SIDES: &str =
    "UPDATE activations SET ip = ?3, last_seen_at = ?4, hostname = ?5, own_seen_at = ?6, pair_ip = ?7, pair_seen_at = ?8,
        pair_hostname = ?9, former_ips = ?10, observed_ip = ?11, reported_ip = coalesce(?12, reported_ip),
        agent_version = coalesce(?13, agent_version), panel_version = coalesce(?14, panel_version), os = coalesce(?15, os)
    WHERE license = ?1 AND ip = ?2";

/// Names no indexed column, so it writes one page.
const REFRESH_PAIR: &str = "UPDATE activations SET
        last_seen_at = CASE WHEN last_seen_at < ?4 THEN ?4 ELSE last_seen_at END,
        own_seen_at = CASE WHEN ip = ?3 THEN ?4 ELSE own_seen_at END,
        pair_seen_at = CASE WHEN ip = ?3 THEN pair_seen_at ELSE ?4 END,
        observed_ip = ?5, reported_ip = coalesce(?6, reported_ip), agent_version = coalesce(?7, agent_version),
        panel_version = coalesce(?8, panel_version), os = coalesce(?9, os)
    WHERE license = ?1 AND ip = ?2";

fn server_sides(row: &Row<'_>) -> Result<ServerSides, Error> {
    let ip = row.get(0)?;
    let last_seen_at = at(row, 2)?;
    let first = Side { ip, last_seen_at: at_if_any(row, 4)?.unwrap_or(last_seen_at), hostname: row.get(3)? };
    let pair = row.get::<Option<IpAddr>>(5)?.zip(at_if_any(row, 6)?);
    let hostname = row.get(7)?;
    let second = pair.map(|(ip, last_seen_at)| Side { ip, last_seen_at, hostname });
    let slot = Slot { ip, sequence: row.get(1)?, last_seen_at };
    let former = row.get::<Option<String>>(8)?.map(|text| former(&text)).unwrap_or_default();
    let other = row.get::<Option<String>>(10)?.zip(at_if_any(row, 11)?);
    Ok(ServerSides { slot, sides: Sides { first, second, former }, other, server_id: row.get(9)? })
}

/// Reads `2001:db8::1 1800000000`, separated by commas.
fn former(text: &str) -> Vec<(IpAddr, Timestamp)> {
    let item = |item: &str| {
        let (ip, at) = item.split_once(' ')?;
        Some((ip.parse().ok()?, Timestamp::from_unix(at.parse().ok()?)))
    };
    text.split(',').filter_map(item).collect()
}

fn former_text(former: &[(IpAddr, Timestamp)]) -> Option<String> {
    let items: Vec<String> = former.iter().map(|(ip, at)| format!("{ip} {}", at.unix())).collect();
    (!items.is_empty()).then(|| items.join(","))
}

impl ReadTransaction<'_> {
    /// The addresses of an activation.
    ///
    /// # Errors
    /// A store error.
    pub fn sides(&self, license: i64, slot: Slot) -> Result<Option<ServerSides>, Error> {
        self.0.query_optional(
            &format!("{SIDES} WHERE license = ?1 AND ip = ?2"),
            params![license, slot.ip],
            server_sides,
        )
    }

    /// The first `count` activations with this identity and a check-in after `since`.
    ///
    /// # Errors
    /// A store error.
    pub fn relatives(
        &self,
        license: i64,
        identity: &str,
        since: Timestamp,
        count: u32,
    ) -> Result<Vec<ServerSides>, Error> {
        let condition = "license = ?1 AND server_id = ?2 AND last_seen_at > ?3 ORDER BY sequence LIMIT ?4";
        let parameters = params![license, identity, since.unix(), count];
        self.0.query(&format!("{SIDES} WHERE {condition}"), parameters, server_sides)
    }
}

impl WriteTransaction<'_> {
    /// Replaces the addresses of the activation `slot`, and records the heartbeat.
    ///
    /// # Errors
    /// [`Error::Taken`] if another activation has one of them, or another store error.
    pub fn put_sides(&self, license: i64, slot: Slot, sides: &Sides, heartbeat: &Heartbeat<'_>) -> Result<(), Error> {
        let Sides { first, second, former } = sides;
        let second = second.as_ref();
        self.connection().execute(
            PUT_SIDES,
            params![
                license,
                slot.ip,
                first.ip,
                sides.last_seen_at().unix(),
                first.hostname,
                second.map(|_| first.last_seen_at.unix()),
                second.map(|second| second.ip),
                second.map(|second| second.last_seen_at.unix()),
                second.and_then(|second| second.hostname.as_deref()),
                former_text(former),
                heartbeat.observed_ip,
                heartbeat.reported_ip,
                heartbeat.details.agent_version,
                heartbeat.details.panel_version,
                heartbeat.details.os,
            ],
        )?;
        Ok(())
    }

    /// Records a check-in of a pair that changes nothing else.
    ///
    /// # Errors
    /// A store error.
    pub fn refresh_pair(&self, license: i64, slot: Slot, heartbeat: &Heartbeat<'_>) -> Result<(), Error> {
        self.connection().execute(
            REFRESH_PAIR,
            params![
                license,
                slot.ip,
                heartbeat.ip,
                self.now().unix(),
                heartbeat.observed_ip,
                heartbeat.reported_ip,
                heartbeat.details.agent_version,
                heartbeat.details.panel_version,
                heartbeat.details.os,
            ],
        )?;
        Ok(())
    }

    /// Records the identity of an activation, like [`WriteTransaction::refresh_activation`].
    ///
    /// # Errors
    /// A store error.
    pub fn set_identity(&self, license: i64, slot: Slot, identity: &str) -> Result<(), Error> {
        let parameters = params![license, slot.ip, identity, self.now().unix(), None::<String>];
        self.connection().execute(REFRESH_IDENTITY, parameters)?;
        Ok(())
    }

    /// Takes an address away from the activation that has it as the second of a pair.
    ///
    /// # Errors
    /// A store error.
    pub fn release_second(&self, license: i64, ip: IpAddr) -> Result<(), Error> {
        let sql = "UPDATE activations SET last_seen_at = coalesce(own_seen_at, last_seen_at), own_seen_at = NULL,
                pair_ip = NULL, pair_seen_at = NULL, pair_hostname = NULL
            WHERE license = ?1 AND pair_ip = ?2";
        self.connection().execute(sql, params![license, ip])?;
        Ok(())
    }
}
