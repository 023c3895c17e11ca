//! The figures of each day, and counts of all licenses and servers.

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::count;
use crate::model::{
    ACTIVE_TIME, Checks, ClonedLicense, Day, DayFigures, EXPIRING_DAYS, Figures, PlanFigures, VersionFigures,
};
use opterius_base::clock::Timestamp;

/// Versions of the Agent that are told apart within a range of licenses. Servers choose the text.
const MAX_VERSIONS: usize = 1000;

/// The figures of a range of licenses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FiguresPart {
    /// The licenses of each plan.
    pub plans: Vec<PlanFigures>,
    /// Active servers by version of the Agent.
    pub versions: Vec<VersionFigures>,
    /// Active servers with other versions than these.
    pub other_versions: u64,
    /// The licenses with suspected clones.
    pub cloned: Vec<ClonedLicense>,
    /// The license to continue from; `None` at the end.
    pub next: Option<i64>,
}

const PLANS: &str = "
    SELECT plan,
        count(*) FILTER (WHERE status = 'active' AND (expires_at IS NULL OR expires_at > ?3)),
        count(*) FILTER (WHERE status = 'suspended'),
        count(*) FILTER (WHERE status = 'cancelled'),
        count(*) FILTER (WHERE status = 'active' AND expires_at <= ?3),
        count(*) FILTER (WHERE status = 'active' AND expires_at > ?3 AND expires_at <= ?4)
    FROM licenses WHERE id >= ?1 AND id < ?2 GROUP BY plan";

const VERSIONS: &str = "
    SELECT agent_version, count(*) AS servers FROM activations
    WHERE license >= ?1 AND license < ?2 AND last_seen_at > ?3 GROUP BY agent_version ORDER BY servers DESC";

/// Identities that are rare enough to look at are found in an index; only then it is asked which are active.
const CLONED: &str = "
    SELECT activations.license, count(*) - count(DISTINCT activations.server_id) AS clones
    FROM (
        SELECT license, server_id FROM activations
        WHERE license >= ?1 AND license < ?2 AND server_id IS NOT NULL AND server_id <> ''
        GROUP BY license, server_id HAVING count(*) > 1
    ) AS shared
    JOIN activations {by_identity}
        ON activations.license = shared.license AND activations.server_id = shared.server_id
    WHERE activations.last_seen_at > ?3
    GROUP BY activations.license HAVING count(*) > count(DISTINCT activations.server_id)";

const DAYS: &str =
    "SELECT day, granted, refused, servers FROM daily_figures WHERE day >= ?1 AND day <= ?2 ORDER BY day";

const ADD_TO_DAY: &str = "
    INSERT INTO daily_figures (day, granted, refused, servers) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (day) DO UPDATE SET granted = daily_figures.granted + excluded.granted,
        refused = daily_figures.refused + excluded.refused,
        servers = coalesce(excluded.servers, daily_figures.servers)";

const PUT_FIGURES: &str = "INSERT INTO latest_figures (id, figures) VALUES (1, ?1)
    ON CONFLICT (id) DO UPDATE SET figures = excluded.figures";

fn plan_figures(row: &Row<'_>) -> Result<PlanFigures, Error> {
    Ok(PlanFigures {
        plan: row.get(0)?,
        active: count(row, 1)?,
        suspended: count(row, 2)?,
        cancelled: count(row, 3)?,
        expired: count(row, 4)?,
        expiring: count(row, 5)?,
    })
}

fn day_figures(row: &Row<'_>) -> Result<DayFigures, Error> {
    Ok(DayFigures {
        day: Day::from_number(row.get(0)?),
        checks: Checks { granted: count(row, 1)?, refused: count(row, 2)? },
        servers: row.get::<Option<i64>>(3)?.map(|servers| u64::try_from(servers).unwrap_or(0)),
    })
}

/// A count as a column.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl ReadTransaction<'_> {
    /// The figures of the `licenses` licenses from number `from` on.
    ///
    /// # Errors
    /// A store error.
    pub fn figures_part(&self, from: i64, licenses: i64, now: Timestamp) -> Result<FiguresPart, Error> {
        let end = from.saturating_add(licenses);
        let since = now.minus(ACTIVE_TIME).unix();
        let plans =
            self.0.query(PLANS, params![from, end, now.unix(), now.plus_days(EXPIRING_DAYS).unix()], plan_figures);
        let sql = CLONED.replace("{by_identity}", &self.0.indexed_by("activations_by_identity"));
        let clones = |row: &Row<'_>| Ok(ClonedLicense { license: row.get(0)?, clones: count(row, 1)? });
        let cloned = self.0.query(&sql, params![from, end, since], clones);
        let (versions, other_versions) = self.versions(from, end, since)?;
        let last: Option<i64> = self.0.query_row("SELECT max(id) FROM licenses", &[], |row| row.get(0))?;
        let next = last.is_some_and(|last| last >= end).then_some(end);
        Ok(FiguresPart { plans: plans?, versions, other_versions, cloned: cloned?, next })
    }

    /// The versions of the Agent from license `from` to before `end`, and the number of servers with further ones.
    fn versions(&self, from: i64, end: i64, since: i64) -> Result<(Vec<VersionFigures>, u64), Error> {
        let (mut versions, mut other) = (Vec::new(), 0_u64);
        self.0.each(VERSIONS, params![from, end, since], |row| {
            let servers = count(row, 1)?;
            if versions.len() < MAX_VERSIONS {
                versions.push(VersionFigures { version: row.get(0)?, servers });
            } else {
                other = other.saturating_add(servers);
            }
            Ok(true)
        })?;
        Ok((versions, other))
    }

    /// The figures of the days from `first` through `last` on which the server ran.
    ///
    /// # Errors
    /// A store error.
    pub fn days(&self, first: Day, last: Day) -> Result<Vec<DayFigures>, Error> {
        self.0.query(DAYS, params![first.number(), last.number()], day_figures)
    }

    /// The latest count, if there was one. One that this version cannot read counts as none: the next follows soon.
    ///
    /// # Errors
    /// A store error.
    pub fn latest_figures(&self) -> Result<Option<Figures>, Error> {
        let sql = "SELECT figures FROM latest_figures WHERE id = 1";
        let found: Option<String> = self.0.query_optional(sql, &[], |row| row.get(0))?;
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
    }
}

impl WriteTransaction<'_> {
    /// Adds verifications to those of a day, and stores the number of active servers if there is a new one.
    ///
    /// # Errors
    /// A store error.
    pub fn add_to_day(&self, day: Day, checks: Checks, servers: Option<u64>) -> Result<(), Error> {
        let parameters = params![day.number(), number(checks.granted), number(checks.refused), servers.map(number)];
        self.connection().execute(ADD_TO_DAY, parameters)?;
        Ok(())
    }

    /// Stores a count, and its number of servers for its day, unless there is a newer one: a thread of low priority, or another
    /// instance, can be late. A count that is dated in the future was made with a wrong clock, and gives way.
    ///
    /// # Errors
    /// A store error.
    pub fn put_figures(&self, figures: &Figures) -> Result<(), Error> {
        let is_newer = |stored: Figures| stored.at > figures.at && stored.at <= self.now();
        if self.latest_figures()?.is_some_and(is_newer) {
            return Ok(());
        }
        let text = serde_json::to_string(figures)
            .map_err(|error| Error::Failed(format!("figures cannot be written as JSON: {error}")))?;
        self.connection().execute(PUT_FIGURES, params![text])?;
        self.add_to_day(Day::of(figures.at), Checks::default(), Some(figures.servers))?;
        Ok(())
    }
}
