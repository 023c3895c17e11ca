//! How many licenses each filter of a list has, counted up to [`MAX_COUNT`], for the links to these filters.

use super::engine::{Queries, params};
use super::error::Error;
use super::license_conditions::of_filter;
use super::license_filter::Filter;
use super::transactions::ReadTransaction;
use crate::model::{Plan, Standing};
use opterius_base::clock::Timestamp;

/// Counting stops at one more than this.
const MAX_COUNT: u32 = 1000;

/// Labels that are counted.
const MAX_LABELS: u32 = 20;

/// This many licenses that were over their limit are counted again.
const MAX_RECOUNTED: u32 = 50;

/// The numbers of licenses of each filter, counted up to 1001.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LicenseCounts {
    /// All licenses.
    pub all: u32,
    /// By standing.
    pub standings: Vec<(Standing, u32)>,
    /// By plan, smallest plan first.
    pub plans: Vec<(Plan, u32)>,
    /// By label, in alphabetical order; the first labels only.
    pub labels: Vec<(String, u32)>,
    /// Active licenses that expire before the given instant.
    pub expiring: u32,
    /// With more servers than their plan allows.
    pub over_limit: u32,
    /// Never used by any server.
    pub never_used: u32,
    /// Trials.
    pub trials: u32,
}

impl ReadTransaction<'_> {
    /// Counts the licenses of each filter, of all or of one owner's first 1001. `soon` bounds those that are about to expire.
    ///
    /// # Errors
    /// A store error.
    pub fn license_counts(&self, owner: Option<i64>, now: Timestamp, soon: Timestamp) -> Result<LicenseCounts, Error> {
        let everything = Filter { owner, ..Filter::default() };
        let count = |filter: Filter| self.count_of(&filter, now);
        let standings = Standing::ALL
            .iter()
            .map(|standing| Ok((*standing, count(Filter { standing: Some(*standing), ..everything.clone() })?)));
        let plans = self.plans()?.into_iter().map(|plan| {
            let counted = count(Filter { plan: Some(plan.slug.clone()), ..everything.clone() })?;
            Ok((plan, counted))
        });
        let expiring = Filter {
            standing: Some(Standing::Active),
            expires_after: Some(now),
            expires_before: Some(soon),
            ..everything.clone()
        };
        Ok(LicenseCounts {
            all: count(everything.clone())?,
            standings: standings.collect::<Result<_, Error>>()?,
            plans: plans.collect::<Result<_, Error>>()?,
            labels: if owner.is_some() { Vec::new() } else { self.label_counts()? },
            expiring: count(expiring)?,
            over_limit: self.count_over_limit(&Filter { over_limit: true, ..everything.clone() }, now)?,
            never_used: count(Filter { never_used: true, ..everything.clone() })?,
            trials: count(Filter { trial: true, ..everything })?,
        })
    }

    /// Counts from the index of the filter, or from the index of the owners.
    fn count_of(&self, filter: &Filter, now: Timestamp) -> Result<u32, Error> {
        let (condition, values) = of_filter(filter, now);
        let most = MAX_COUNT.saturating_add(1);
        let by_owner = self.0.indexed_by("licenses_of_owner");
        let sql = match filter.owner {
            Some(_) => format!(
                "SELECT count(*) FROM (SELECT {condition} AS passes FROM licenses {by_owner}
                    WHERE licenses.owner = :owner LIMIT {most}) AS examined WHERE passes"
            ),
            None => format!("SELECT count(*) FROM (SELECT 1 FROM licenses WHERE {condition} LIMIT {most}) AS passing"),
        };
        Ok(self.0.query_named(&sql, &values, |row| row.get(0))?.pop().unwrap_or(0))
    }

    /// The licenses that are over their limit. Few are counted again, because a server may have become inactive.
    fn count_over_limit(&self, filter: &Filter, now: Timestamp) -> Result<u32, Error> {
        let marked = self.count_of(filter, now)?;
        if marked > MAX_RECOUNTED {
            return Ok(marked);
        }
        let (condition, values) = of_filter(filter, now);
        let marked =
            self.0.query_named(&format!("SELECT id FROM licenses WHERE {condition}"), &values, |row| row.get(0))?;
        let mut over: u32 = 0;
        for id in marked {
            over = over.saturating_add(u32::from(self.is_over_limit(id, now)?));
        }
        Ok(over)
    }

    /// The first labels with their numbers of licenses. Each step skips to the next label in the index.
    fn label_counts(&self) -> Result<Vec<(String, u32)>, Error> {
        let mut labels = Vec::new();
        let mut last = String::new();
        for _ in 0..MAX_LABELS {
            let sql = "SELECT min(label) FROM license_labels WHERE label > ?1";
            let next: Option<String> = self.0.query_row(sql, params![&last], |row| row.get(0))?;
            let Some(label) = next else { break };
            let most = MAX_COUNT.saturating_add(1);
            let sql =
                format!("SELECT count(*) FROM (SELECT 1 FROM license_labels WHERE label = ?1 LIMIT {most}) AS labeled");
            let counted = self.0.query_row(&sql, params![label], |row| row.get(0))?;
            last.clone_from(&label);
            labels.push((label, counted));
        }
        Ok(labels)
    }
}
