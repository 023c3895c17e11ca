//! What the verifications of a batch will look up, in two statements.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::counting::count_cap;
use super::super::engine::{Connection, Queries, Row, Value};
use super::super::error::Error;
use super::super::licenses::{LICENSE, license};
use super::super::slot::{OwnSlot, Record, Slot};
use super::super::values::at;
use super::found::{Asked, Count, Found};
use crate::model::{ACTIVE_TIME, License};
use opterius_base::clock::Timestamp;

/// The same as the statements of a single verification read: what is stored about the address, and how many servers come
/// before it, or how many there are if it has no slot.
const RECORDS: &str = "
    SELECT asked.number,
        EXISTS (SELECT 1 FROM refusals WHERE refusals.license = asked.license AND refusals.ip = asked.ip),
        EXISTS (SELECT 1 FROM blocks WHERE blocks.license = asked.license AND blocks.ends_at > ?7),
        own.ip IS NOT NULL OR EXISTS (SELECT 1 FROM activations AS relative
            WHERE relative.license = asked.license AND relative.server_id = asked.server_id),
        own.ip, own.sequence, own.last_seen_at, own.is_pair, own.has_changed,
        CASE WHEN asked.allowed = 0 THEN NULL
            WHEN own.last_seen_at > ?8 THEN (SELECT count(*) FROM (
                SELECT 1 FROM activations AS earlier
                WHERE earlier.license = asked.license AND earlier.sequence < own.sequence AND earlier.last_seen_at > ?8
                ORDER BY earlier.sequence LIMIT asked.allowed) AS counted)
            ELSE (SELECT count(*) FROM (
                SELECT 1 FROM activations AS active
                WHERE active.license = asked.license AND active.last_seen_at > ?8
                ORDER BY active.ip LIMIT asked.most) AS counted) END
    FROM unnest(?1, ?2, ?3, ?4, ?5, ?6)
        WITH ORDINALITY AS asked (license, ip, server_id, hostname, allowed, most, number)
    LEFT JOIN LATERAL (
        SELECT ip, sequence, last_seen_at, pair_ip IS NOT NULL AS is_pair,
            (asked.server_id IS NOT NULL AND server_id IS DISTINCT FROM asked.server_id)
                OR (asked.hostname IS NOT NULL AND hostname IS DISTINCT FROM asked.hostname) AS has_changed
        FROM activations WHERE license = asked.license AND ip = asked.ip
        UNION ALL
        SELECT ip, sequence, last_seen_at, TRUE,
            (asked.server_id IS NOT NULL AND server_id IS DISTINCT FROM asked.server_id)
                OR (asked.hostname IS NOT NULL AND hostname IS DISTINCT FROM asked.hostname)
        FROM activations WHERE license = asked.license AND pair_ip = asked.ip
        LIMIT 1
    ) AS own ON TRUE";

/// Looks up what the verifications will need.
///
/// # Errors
/// A store error.
pub(super) fn prefetch(connection: &Connection, asked: Vec<Asked>, now: Timestamp) -> Result<Vec<Found>, Error> {
    let licenses = licenses(connection, &asked)?;
    let mut found: Vec<Found> = asked
        .into_iter()
        .map(|asked| Found { license: licenses.get(&asked.key).cloned(), asked, record: None, count: None })
        .collect();
    // Numbers of `found`, in the order of the statement's rows.
    let known: Vec<usize> =
        (0..).zip(&found).filter_map(|(number, one)| one.license.as_ref().map(|_| number)).collect();
    if known.is_empty() {
        return Ok(found);
    }
    let rows: Vec<(&Asked, &License)> =
        found.iter().filter_map(|one| Some((&one.asked, one.license.as_ref()?))).collect();
    let integers =
        |of: &dyn Fn(&License) -> i64| Value::Integers(rows.iter().map(|(_, license)| Some(of(license))).collect());
    let texts = |of: &dyn Fn(&Asked) -> Option<String>| {
        Value::Texts(rows.iter().map(|(asked, _)| of(asked).map(Cow::Owned)).collect())
    };
    let since = now.minus(ACTIVE_TIME);
    let parameters = [
        integers(&|license| license.id),
        texts(&|asked| Some(asked.ip.to_string())),
        texts(&|asked| asked.details.server_id.clone()),
        texts(&|asked| asked.details.hostname.clone()),
        integers(&|license| i64::from(license.plan.max_servers)),
        integers(&|license| i64::from(count_cap(license.plan.max_servers))),
        Value::Integer(Some(now.unix())),
        Value::Integer(Some(since.unix())),
    ];
    let records = connection
        .query(RECORDS, &parameters, |row| Ok((row.get::<usize>(0)?, record(row)?, row.get::<Option<u32>>(9)?)))?;
    for (number, record, servers) in records {
        let place = number.checked_sub(1).and_then(|number| known.get(number)).copied();
        let Some(one) = place.and_then(|place| found.get_mut(place)) else { continue };
        let Some(license) = &one.license else { continue };
        let allowed = license.plan.max_servers;
        let active = record.own.filter(|own| own.slot.last_seen_at > since);
        let (before, most) = match active {
            Some(own) => (Some(own.slot.sequence), allowed),
            None => (None, count_cap(allowed)),
        };
        one.count = servers.map(|servers| Count { before, most, servers });
        one.record = Some(record);
    }
    Ok(found)
}

/// The licenses with the keys.
fn licenses(connection: &Connection, asked: &[Asked]) -> Result<HashMap<String, License>, Error> {
    let keys = Value::Texts(asked.iter().map(|asked| Some(Cow::Borrowed(asked.key.as_str()))).collect());
    let sql = format!("{LICENSE} WHERE licenses.key IN (SELECT unnest(?1))");
    let found = connection.query(&sql, &[keys], license)?;
    Ok(found.into_iter().map(|license| (license.key.expose().to_owned(), license)).collect())
}

fn record(row: &Row<'_>) -> Result<Record, Error> {
    let own = match row.get(4)? {
        Some(ip) => Some(OwnSlot {
            slot: Slot { ip, sequence: row.get(5)?, last_seen_at: at(row, 6)? },
            is_pair: row.get(7)?,
            has_changed: row.get(8)?,
        }),
        None => None,
    };
    Ok(Record { own, was_refused: row.get(1)?, has_blocks: row.get(2)?, may_have_relatives: row.get(3)? })
}
