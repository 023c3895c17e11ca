//! The changes of a batch that are made together.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use super::super::engine::{Connection, Queries, Value};
use super::super::error::Error;
use super::super::slot::{Heartbeat, replacing_activation};
use crate::model::{Action, Actor};
use opterius_base::clock::Timestamp;

/// Refreshes servers that are there and have one address. Rows are locked in the order of license and address, so that two
/// instances never wait for each other; rows that another transaction has locked are left out. The lateral join finds each row
/// by license and address, however many servers a license has.
const REFRESH: &str = "
    WITH locked AS (
        SELECT asked.*, activation.place
        FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7)
            WITH ORDINALITY AS asked (license, ip, observed_ip, reported_ip, agent_version, panel_version, os, number)
        CROSS JOIN LATERAL (
            SELECT ctid AS place FROM activations
            WHERE activations.license = asked.license AND activations.ip = asked.ip AND activations.pair_ip IS NULL
            LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
        ) AS activation
    )
    UPDATE activations SET last_seen_at = CASE WHEN last_seen_at < ?8 THEN ?8 ELSE last_seen_at END,
        observed_ip = locked.observed_ip, reported_ip = coalesce(locked.reported_ip, activations.reported_ip),
        agent_version = coalesce(locked.agent_version, activations.agent_version),
        panel_version = coalesce(locked.panel_version, activations.panel_version),
        os = coalesce(locked.os, activations.os)
    FROM locked WHERE activations.ctid = locked.place
    RETURNING locked.number";

const PUT_ACTIVATIONS: &str = concat!(
    "
    INSERT INTO activations (license, ip, sequence, started_at, last_seen_at, observed_ip, reported_ip, hostname,
        agent_version, panel_version, os, server_id)
    SELECT license, ip, sequence, ?11, ?11, observed_ip, reported_ip, hostname, agent_version, panel_version, os, server_id
    FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) AS asked (license, ip, sequence, observed_ip, reported_ip,
        hostname, agent_version, panel_version, os, server_id)",
    replacing_activation!()
);

const FIRST_CHECKS: &str =
    "UPDATE licenses SET last_check_at = ?2 WHERE id IN (SELECT unnest(?1)) AND last_check_at = 0";

const ADD_ENTRIES: &str = "
    INSERT INTO events (id, at, license, role, actor, action, detail)
    SELECT id, ?7, license, role, actor, action, detail
    FROM unnest(?1, ?2, ?3, ?4, ?5, ?6) AS entry (id, license, role, actor, action, detail)";

/// An entry of the history of a license.
pub(crate) struct Entry {
    license: Option<i64>,
    actor: Actor,
    action: Action,
    detail: String,
}

impl Entry {
    /// An entry.
    pub(crate) fn new(license: Option<i64>, actor: &Actor, action: Action, detail: &str) -> Self {
        Self { license, actor: actor.clone(), action, detail: detail.to_owned() }
    }
}

/// A check-in of a server.
struct CheckIn {
    verification: usize,
    license: i64,
    ip: String,
    sequence: i64,
    observed_ip: String,
    reported_ip: Option<String>,
    hostname: Option<String>,
    agent_version: Option<String>,
    panel_version: Option<String>,
    os: Option<String>,
    server_id: Option<String>,
}

impl CheckIn {
    fn new(verification: usize, license: i64, sequence: i64, heartbeat: &Heartbeat<'_>) -> Self {
        let details = heartbeat.details;
        Self {
            verification,
            license,
            ip: heartbeat.ip.to_string(),
            sequence,
            observed_ip: heartbeat.observed_ip.to_string(),
            reported_ip: heartbeat.reported_ip.map(|ip| ip.to_string()),
            hostname: details.hostname.clone(),
            agent_version: details.agent_version.clone(),
            panel_version: details.panel_version.clone(),
            os: details.os.clone(),
            server_id: details.server_id.clone(),
        }
    }
}

/// The changes of a batch that are made together.
#[derive(Default)]
pub(super) struct Pending {
    refreshed: HashSet<(i64, IpAddr)>,
    refreshes: Vec<CheckIn>,
    activations: Vec<CheckIn>,
    entries: Vec<(i64, Entry)>,
}

impl Pending {
    /// Whether a refresh of this server is pending.
    pub(super) fn refreshes(&self, license: i64, ip: IpAddr) -> bool {
        self.refreshed.contains(&(license, ip))
    }

    pub(super) fn add_refresh(&mut self, verification: usize, license: i64, heartbeat: &Heartbeat<'_>) {
        self.refreshed.insert((license, heartbeat.ip));
        self.refreshes.push(CheckIn::new(verification, license, 0, heartbeat));
    }

    pub(super) fn add_activation(&mut self, license: i64, sequence: i64, heartbeat: &Heartbeat<'_>) {
        self.activations.push(CheckIn::new(0, license, sequence, heartbeat));
    }

    pub(super) fn add_entry(&mut self, number: i64, entry: Entry) {
        self.entries.push((number, entry));
    }

    /// Makes the changes; returns the verifications whose server was not there to refresh.
    ///
    /// # Errors
    /// A store error.
    pub(super) fn make(mut self, connection: &Connection, now: Timestamp) -> Result<Vec<usize>, Error> {
        self.put_entries(connection, now)?;
        self.put_activations(connection, now)?;
        self.refresh(connection, now)
    }

    fn refresh(&mut self, connection: &Connection, now: Timestamp) -> Result<Vec<usize>, Error> {
        if self.refreshes.is_empty() {
            return Ok(Vec::new());
        }
        self.refreshes.sort_by(|one, other| (one.license, &one.ip).cmp(&(other.license, &other.ip)));
        let rows = &self.refreshes;
        let parameters = [
            integers(rows, |row| row.license),
            texts(rows, |row| Some(&row.ip)),
            texts(rows, |row| Some(&row.observed_ip)),
            texts(rows, |row| row.reported_ip.as_deref()),
            texts(rows, |row| row.agent_version.as_deref()),
            texts(rows, |row| row.panel_version.as_deref()),
            texts(rows, |row| row.os.as_deref()),
            Value::Integer(Some(now.unix())),
        ];
        let made: Vec<i64> = connection.query(REFRESH, &parameters, |row| row.get(0))?;
        let made: HashSet<i64> = made.into_iter().collect();
        let is_lost = |(number, row): (i64, &CheckIn)| (!made.contains(&number)).then_some(row.verification);
        Ok((1..).zip(rows).filter_map(is_lost).collect())
    }

    fn put_activations(&self, connection: &Connection, now: Timestamp) -> Result<(), Error> {
        let rows = &self.activations;
        if rows.is_empty() {
            return Ok(());
        }
        let parameters = [
            integers(rows, |row| row.license),
            texts(rows, |row| Some(&row.ip)),
            integers(rows, |row| row.sequence),
            texts(rows, |row| Some(&row.observed_ip)),
            texts(rows, |row| row.reported_ip.as_deref()),
            texts(rows, |row| row.hostname.as_deref()),
            texts(rows, |row| row.agent_version.as_deref()),
            texts(rows, |row| row.panel_version.as_deref()),
            texts(rows, |row| row.os.as_deref()),
            texts(rows, |row| row.server_id.as_deref()),
            Value::Integer(Some(now.unix())),
        ];
        connection.execute(PUT_ACTIVATIONS, &parameters)?;
        connection.execute(FIRST_CHECKS, &[integers(rows, |row| row.license), Value::Integer(Some(now.unix()))])?;
        Ok(())
    }

    fn put_entries(&self, connection: &Connection, now: Timestamp) -> Result<(), Error> {
        let rows = &self.entries;
        if rows.is_empty() {
            return Ok(());
        }
        let parameters = [
            integers(rows, |(number, _)| *number),
            Value::Integers(rows.iter().map(|(_, entry)| entry.license).collect()),
            texts(rows, |(_, entry)| Some(entry.actor.role.as_str())),
            texts(rows, |(_, entry)| Some(&entry.actor.name)),
            texts(rows, |(_, entry)| Some(entry.action.as_str())),
            texts(rows, |(_, entry)| Some(&entry.detail)),
            Value::Integer(Some(now.unix())),
        ];
        connection.execute(ADD_ENTRIES, &parameters)?;
        Ok(())
    }
}

fn integers<Row>(rows: &[Row], of: impl Fn(&Row) -> i64) -> Value<'static> {
    Value::Integers(rows.iter().map(|row| Some(of(row))).collect())
}

fn texts<Row>(rows: &[Row], of: impl Fn(&Row) -> Option<&str>) -> Value<'_> {
    Value::Texts(rows.iter().map(|row| of(row).map(Cow::Borrowed)).collect())
}
