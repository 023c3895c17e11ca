//! What a verification has to know about the address that asks, in one statement because every verification asks.

use std::net::IpAddr;

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::slot::{Heartbeat, News, OwnSlot, Record, Slot};
use super::transactions::ReadTransaction;
use super::values::at;
use crate::model::Details;
use opterius_base::clock::Timestamp;

macro_rules! record {
    ($relatives:literal, $own:literal) => {
        concat!(
            "SELECT EXISTS (SELECT 1 FROM refusals WHERE license = ?1 AND ip = ?2),
                EXISTS (SELECT 1 FROM blocks WHERE license = ?1 AND ends_at > ?3), ",
            $relatives,
            ", ",
            $own
        )
    };
}

macro_rules! own {
    ($address:literal) => {
        concat!(
            record!(
                "TRUE",
                "ip, sequence, last_seen_at, pair_ip IS NOT NULL, (?4 IS NOT NULL AND server_id IS DISTINCT FROM ?4)
                OR (?5 IS NOT NULL AND hostname IS DISTINCT FROM ?5),
                observed_ip <> ?6 OR (?7 IS NOT NULL AND reported_ip IS DISTINCT FROM ?7)
                OR (?8 IS NOT NULL AND agent_version IS DISTINCT FROM ?8)
                OR (?9 IS NOT NULL AND panel_version IS DISTINCT FROM ?9) OR (?10 IS NOT NULL AND os IS DISTINCT FROM ?10)
                FROM activations WHERE license = ?1 AND "
            ),
            $address
        )
    };
}

/// The activation with the address, otherwise the pair with the address, otherwise none: SQLite reads no further than it
/// has to.
const RECORD: &str = concat!(
    own!("ip = ?2"),
    " UNION ALL ",
    own!("pair_ip = ?2"),
    " UNION ALL ",
    record!(
        "EXISTS (SELECT 1 FROM activations WHERE license = ?1 AND server_id = ?4)",
        "NULL, NULL, NULL, NULL, NULL, NULL"
    ),
    " LIMIT 1"
);

fn record(row: &Row<'_>) -> Result<Record, Error> {
    let own = match row.get::<Option<IpAddr>>(3)? {
        Some(ip) => Some(OwnSlot {
            slot: Slot { ip, sequence: row.get(4)?, last_seen_at: at(row, 5)? },
            is_pair: row.get(6)?,
            news: match (row.get(7)?, row.get(8)?) {
                (true, _) => News::Identity,
                (false, true) => News::Details,
                (false, false) => News::Nothing,
            },
        }),
        None => None,
    };
    Ok(Record { own, may_have_relatives: row.get(2)?, was_refused: row.get(0)?, has_blocks: row.get(1)? })
}

impl ReadTransaction<'_> {
    /// What is stored about the address of `heartbeat`, at `now`.
    ///
    /// # Errors
    /// A store error.
    pub fn record(&self, license: i64, heartbeat: &Heartbeat<'_>, now: Timestamp) -> Result<Record, Error> {
        let Heartbeat { ip, observed_ip, reported_ip, details } = heartbeat;
        if let Some(found) = self.0.batch().and_then(|batch| batch.record(license, *ip)) {
            return Ok(found);
        }
        let Details { hostname, agent_version, panel_version, os, server_id } = details;
        let parameters = params![
            license,
            *ip,
            now.unix(),
            *server_id,
            *hostname,
            *observed_ip,
            *reported_ip,
            *agent_version,
            *panel_version,
            *os,
        ];
        self.0.query_row(RECORD, parameters, record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{Scratch, creates_a_table, plan};

    #[test]
    fn a_verification_reads_no_table_completely() {
        let mut scratch = Scratch::in_file();
        assert!(!scratch.read(|transaction| creates_a_table(transaction, RECORD)));
        let plan = scratch.read(|transaction| plan(transaction, RECORD));
        for expected in [
            "refusals USING PRIMARY KEY (license=? AND ip=?)",
            "blocks USING PRIMARY KEY (license=?)",
            "activations USING PRIMARY KEY (license=? AND ip=?)",
            "activations USING INDEX activations_by_pair (pair_ip=? AND license=?)",
            "activations USING COVERING INDEX activations_by_identity (license=? AND server_id=?)",
        ] {
            assert!(plan.contains(expected), "{plan}");
        }
        assert!(!plan.contains("SCAN activations") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}
