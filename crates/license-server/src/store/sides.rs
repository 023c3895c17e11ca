//! The addresses of servers: which activations are pairs, and what addresses they had before.

use std::net::IpAddr;

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::activations::{Heartbeat, REFRESH_IDENTITY, Slot};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::{Ip, at, at_if_any};
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
    "UPDATE activations SET ip = :ip, last_seen_at = :last, hostname = :hostname, own_seen_at = :own_seen,
        pair_ip = :pair, pair_seen_at = :pair_seen, pair_hostname = :pair_hostname, former_ips = :former,
        observed_ip = :observed, reported_ip = coalesce(:reported, reported_ip),
        agent_version = coalesce(:agent, agent_version), panel_version = coalesce(:panel, panel_version),
        os = coalesce(:os, os)
    WHERE license = :license AND ip = :before";

/// Names no indexed column, so it writes one page.
const REFRESH_PAIR: &str = "UPDATE activations SET last_seen_at = max(last_seen_at, :now),
        own_seen_at = iif(ip = :asking, :now, own_seen_at), pair_seen_at = iif(ip = :asking, pair_seen_at, :now),
        observed_ip = :observed, reported_ip = coalesce(:reported, reported_ip),
        agent_version = coalesce(:agent, agent_version), panel_version = coalesce(:panel, panel_version),
        os = coalesce(:os, os)
    WHERE license = :license AND ip = :ip";

fn server_sides(row: &Row<'_>) -> rusqlite::Result<ServerSides> {
    let ip = row.get::<_, Ip>(0)?.0;
    let last_seen_at = at(row, 2)?;
    let first = Side { ip, last_seen_at: at_if_any(row, 4)?.unwrap_or(last_seen_at), hostname: row.get(3)? };
    let pair = row.get::<_, Option<Ip>>(5)?.zip(at_if_any(row, 6)?);
    let hostname = row.get(7)?;
    let second = pair.map(|(ip, last_seen_at)| Side { ip: ip.0, last_seen_at, hostname });
    let slot = Slot { ip, sequence: row.get(1)?, last_seen_at };
    let former = row.get::<_, Option<String>>(8)?.map(|text| former(&text)).unwrap_or_default();
    let other = row.get::<_, Option<String>>(10)?.zip(at_if_any(row, 11)?);
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
        let mut statement = self.0.prepare_cached(&format!("{SIDES} WHERE license = ?1 AND ip = ?2"))?;
        Ok(statement.query_row(params![license, Ip(slot.ip)], server_sides).optional()?)
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
        let mut statement = self.0.prepare_cached(&format!("{SIDES} WHERE {condition}"))?;
        let parameters = params![license, identity, since.unix(), count];
        let found: rusqlite::Result<Vec<ServerSides>> = statement.query_map(parameters, server_sides)?.collect();
        Ok(found?)
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
        self.connection().prepare_cached(PUT_SIDES)?.execute(named_params! {
            ":license": license,
            ":before": Ip(slot.ip),
            ":ip": Ip(first.ip),
            ":last": sides.last_seen_at().unix(),
            ":hostname": first.hostname,
            ":own_seen": second.map(|_| first.last_seen_at.unix()),
            ":pair": second.map(|second| Ip(second.ip)),
            ":pair_seen": second.map(|second| second.last_seen_at.unix()),
            ":pair_hostname": second.and_then(|second| second.hostname.as_deref()),
            ":former": former_text(former),
            ":observed": Ip(heartbeat.observed_ip),
            ":reported": heartbeat.reported_ip.map(Ip),
            ":agent": heartbeat.details.agent_version,
            ":panel": heartbeat.details.panel_version,
            ":os": heartbeat.details.os,
        })?;
        Ok(())
    }

    /// Records a check-in of a pair that changes nothing else.
    ///
    /// # Errors
    /// A store error.
    pub fn refresh_pair(&self, license: i64, slot: Slot, heartbeat: &Heartbeat<'_>) -> Result<(), Error> {
        self.connection().prepare_cached(REFRESH_PAIR)?.execute(named_params! {
            ":license": license,
            ":ip": Ip(slot.ip),
            ":asking": Ip(heartbeat.ip),
            ":now": self.now().unix(),
            ":observed": Ip(heartbeat.observed_ip),
            ":reported": heartbeat.reported_ip.map(Ip),
            ":agent": heartbeat.details.agent_version,
            ":panel": heartbeat.details.panel_version,
            ":os": heartbeat.details.os,
        })?;
        Ok(())
    }

    /// Records the identity of an activation, like [`WriteTransaction::refresh_activation`].
    ///
    /// # Errors
    /// A store error.
    pub fn set_identity(&self, license: i64, slot: Slot, identity: &str) -> Result<(), Error> {
        let parameters = params![license, Ip(slot.ip), identity, self.now().unix(), None::<String>];
        self.connection().prepare_cached(REFRESH_IDENTITY)?.execute(parameters)?;
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
        self.connection().prepare_cached(sql)?.execute(params![license, Ip(ip)])?;
        Ok(())
    }
}
