//! What the verifications of a batch will look up, in one statement.

use std::borrow::Cow;

use super::super::counting::count_cap;
use super::super::engine::{Connection, Queries, Row, Value};
use super::super::error::Error;
use super::super::licenses::{COLUMNS, LICENSE, license};
use super::super::slot::{News, OwnSlot, Record, Slot};
use super::super::values::at;
use super::found::{Asked, Count, Found};
use crate::model::ACTIVE_TIME;
use opterius_base::clock::Timestamp;

/// The same as the statements of a single verification read: the license with the key, what is stored about the address, and how
/// many servers come before it, or how many there are if it has no slot.
fn statement() -> String {
    format!(
        "
    SELECT found.*, asked.number,
        EXISTS (SELECT 1 FROM refusals WHERE refusals.license = found.license AND refusals.ip = asked.ip),
        EXISTS (SELECT 1 FROM blocks WHERE blocks.license = found.license AND blocks.ends_at > ?5),
        own.ip IS NOT NULL OR EXISTS (SELECT 1 FROM activations AS relative
            WHERE relative.license = found.license AND relative.server_id = asked.server_id),
        own.ip, own.sequence, own.last_seen_at, own.is_pair, own.has_changed,
        CASE WHEN found.max_servers = 0 THEN NULL
            WHEN own.last_seen_at > ?6 THEN (SELECT count(*) FROM (
                SELECT 1 FROM activations AS earlier
                WHERE earlier.license = found.license AND earlier.sequence < own.sequence AND earlier.last_seen_at > ?6
                ORDER BY earlier.sequence LIMIT found.max_servers) AS counted)
            ELSE (SELECT count(*) FROM (
                SELECT 1 FROM activations AS active
                WHERE active.license = found.license AND active.last_seen_at > ?6
                ORDER BY active.ip LIMIT greatest(found.max_servers + 1, ?7)) AS counted) END
    FROM unnest(?1, ?2, ?3, ?4) WITH ORDINALITY AS asked (key, ip, server_id, hostname, number)
    CROSS JOIN LATERAL ({LICENSE} WHERE licenses.key = asked.key)
        AS found (license, key, owner, owner_name, plan, plan_name, max_accounts, max_servers)
    LEFT JOIN LATERAL (
        SELECT ip, sequence, last_seen_at, pair_ip IS NOT NULL AS is_pair,
            (asked.server_id IS NOT NULL AND server_id IS DISTINCT FROM asked.server_id)
                OR (asked.hostname IS NOT NULL AND hostname IS DISTINCT FROM asked.hostname) AS has_changed
        FROM activations WHERE license = found.license AND ip = asked.ip
        UNION ALL
        SELECT ip, sequence, last_seen_at, TRUE,
            (asked.server_id IS NOT NULL AND server_id IS DISTINCT FROM asked.server_id)
                OR (asked.hostname IS NOT NULL AND hostname IS DISTINCT FROM asked.hostname)
        FROM activations WHERE license = found.license AND pair_ip = asked.ip
        LIMIT 1
    ) AS own ON TRUE"
    )
}

/// Looks up what the verifications will need.
///
/// # Errors
/// A store error.
pub(super) fn prefetch(connection: &Connection, asked: Vec<Asked>, now: Timestamp) -> Result<Vec<Found>, Error> {
    let since = now.minus(ACTIVE_TIME);
    let texts = |of: &dyn Fn(&Asked) -> Option<String>| {
        Value::Texts(asked.iter().map(|asked| of(asked).map(Cow::Owned)).collect())
    };
    let parameters = [
        texts(&|asked| Some(asked.key.clone())),
        texts(&|asked| Some(asked.ip.to_string())),
        texts(&|asked| asked.details.server_id.clone()),
        texts(&|asked| asked.details.hostname.clone()),
        Value::Integer(Some(now.unix())),
        Value::Integer(Some(since.unix())),
        Value::Integer(Some(i64::from(count_cap(0)))),
    ];
    let rows = connection.query(&statement(), &parameters, |row| {
        Ok((row.get::<usize>(COLUMNS)?, license(row)?, record(row)?, row.get::<Option<u32>>(COLUMNS + 9)?))
    })?;
    let mut found: Vec<Found> =
        asked.into_iter().map(|asked| Found { asked, license: None, record: None, count: None }).collect();
    for (number, license, record, servers) in rows {
        let Some(one) = number.checked_sub(1).and_then(|number| found.get_mut(number)) else { continue };
        let allowed = license.plan.max_servers;
        let active = record.own.filter(|own| own.slot.last_seen_at > since);
        let (before, most) = match active {
            Some(own) => (Some(own.slot.sequence), allowed),
            None => (None, count_cap(allowed)),
        };
        one.count = servers.map(|servers| Count { before, most, servers });
        one.license = Some(license);
        one.record = Some(record);
    }
    Ok(found)
}

/// Reads what follows a license's columns and the number.
fn record(row: &Row<'_>) -> Result<Record, Error> {
    let own = match row.get(COLUMNS + 4)? {
        Some(ip) => Some(OwnSlot {
            slot: Slot { ip, sequence: row.get(COLUMNS + 5)?, last_seen_at: at(row, COLUMNS + 6)? },
            is_pair: row.get(COLUMNS + 7)?,
            // Everything else is written with each check-in.
            news: if row.get(COLUMNS + 8)? { News::Identity } else { News::Details },
        }),
        None => None,
    };
    Ok(Record {
        own,
        was_refused: row.get(COLUMNS + 1)?,
        has_blocks: row.get(COLUMNS + 2)?,
        may_have_relatives: row.get(COLUMNS + 3)?,
    })
}
