//! What lists show of the servers of a license: the latest check-in and whether they are too many. A check-in does not
//! write it, so it is brought up to date from time to time.

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::at;
use crate::model::ACTIVE_TIME;
use opterius_base::clock::Timestamp;

/// The use of a license as its activations say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LicenseUsage {
    /// The number of the license.
    pub license: i64,
    /// The latest check-in of its servers.
    pub last_check_at: Timestamp,
    /// Whether more of them are active than the plan allows.
    pub over_limit: bool,
}

/// Licenses of a range whose use is not what lists show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutdatedUsage {
    /// The use of each.
    pub found: Vec<LicenseUsage>,
    /// The license to continue from; `None` at the end.
    pub next: Option<i64>,
}

const OUTDATED: &str = "
    SELECT id, last, over_limit FROM (
        SELECT licenses.id, licenses.last_check_at, licenses.over_limit AS shown,
            CASE WHEN seen.last > licenses.last_check_at THEN seen.last ELSE licenses.last_check_at END AS last,
            CASE WHEN plans.max_servers > 0 AND seen.active > plans.max_servers THEN 1 ELSE 0 END AS over_limit
        FROM licenses
        JOIN plans ON plans.slug = licenses.plan
        LEFT JOIN (
            SELECT license, max(last_seen_at) AS last, count(*) FILTER (WHERE last_seen_at > ?3) AS active
            FROM activations WHERE license >= ?1 AND license < ?2 GROUP BY license
        ) AS seen ON seen.license = licenses.id
        WHERE licenses.id >= ?1 AND licenses.id < ?2
    ) AS usage WHERE last > last_check_at OR over_limit <> shown";

impl ReadTransaction<'_> {
    /// Of the `licenses` licenses from number `from` on, those whose use is not what lists show.
    ///
    /// # Errors
    /// A store error.
    pub fn outdated_usage(&self, from: i64, licenses: i64, now: Timestamp) -> Result<OutdatedUsage, Error> {
        let end = from.saturating_add(licenses);
        let parameters = params![from, end, now.minus(ACTIVE_TIME).unix()];
        let usage = |row: &Row<'_>| {
            Ok(LicenseUsage { license: row.get(0)?, last_check_at: at(row, 1)?, over_limit: row.get(2)? })
        };
        let found = self.0.query(OUTDATED, parameters, usage);
        let last: Option<i64> = self.0.query_row("SELECT max(id) FROM licenses", &[], |row| row.get(0))?;
        Ok(OutdatedUsage { found: found?, next: last.is_some_and(|last| last >= end).then_some(end) })
    }
}

impl WriteTransaction<'_> {
    /// Stores the use of a license for lists. A later check-in is not overwritten.
    ///
    /// # Errors
    /// A store error.
    pub fn put_usage(&self, usage: &LicenseUsage) -> Result<(), Error> {
        let sql = "UPDATE licenses SET last_check_at = CASE WHEN last_check_at < ?2 THEN ?2 ELSE last_check_at END, over_limit = ?3 WHERE id = ?1";
        let parameters = params![usage.license, usage.last_check_at.unix(), usage.over_limit];
        self.connection().execute(sql, parameters)?;
        Ok(())
    }
}
