//! Lists of licenses: filtered, sorted and read page by page, in a time that does not grow with the number of licenses.
//!
//! Every condition has an index (`sources`). If one of them finds few licenses, these are read and sorted. Otherwise, in the
//! order of the numbers, the next licenses with the address, host name or label are read; or the index of the order is read
//! from where the last page ended, and stops after [`MAX_EXAMINED`] licenses. So a page can have fewer licenses than asked
//! for, or none, and still have a next one.

use super::counting::count_cap;
use super::engine::{Queries, Row, Value, params};
use super::error::Error;
use super::license_conditions::{Values, conditions, number, text, values};
use super::license_filter::{Cursor, CursorValue, Filter, Sort};
use super::license_sources::{
    Part, Source, direction, in_order, join_of, key_of, next_by_number, position_after, sources, table_of,
};
use super::transactions::ReadTransaction;
use crate::model::{ACTIVE_TIME, License};
use opterius_base::clock::Timestamp;

/// A condition that finds at most as many licenses is read completely and sorted.
const MAX_SORTED: usize = if cfg!(test) { 50 } else { 3000 };

/// Licenses that are examined for one page.
const MAX_EXAMINED: u32 = if cfg!(test) { 40 } else { 10_000 };

/// Counting the servers of a license takes as long as examining this many licenses.
const COUNTING: u32 = 20;

/// A license in a list.
#[derive(Clone, PartialEq, Eq)]
pub struct ListedLicense {
    /// The license.
    pub license: License,
    /// The active servers, counted up to [`count_cap`] unless the filter asks for all.
    pub servers: u32,
}

/// A page of a list.
#[derive(Clone, PartialEq, Eq)]
pub struct LicensePage {
    /// The licenses.
    pub licenses: Vec<ListedLicense>,
    /// Where the next page continues; `None` at the end. A page with fewer licenses than asked for can have a next one.
    pub next: Option<Cursor>,
    /// Whether the search finds more licenses than can be listed.
    pub is_search_cut: bool,
}

impl ReadTransaction<'_> {
    /// A page of at most `count` licenses that pass the filter.
    ///
    /// # Errors
    /// A store error.
    pub fn licenses(&self, filter: &Filter, count: u32, now: Timestamp) -> Result<LicensePage, Error> {
        let found = self.search_of(filter)?;
        let is_search_cut = found.as_ref().is_some_and(|found| found.is_cut);
        let first = found.as_ref().and_then(|found| found.first);
        let mut page = LicensePage { licenses: Vec::new(), next: None, is_search_cut };
        let mut values = values(filter, now);
        let mut conditions = conditions(filter);
        let mut few = found.map(|found| found.ids);
        // The license with exactly this number comes first, in whatever order.
        if let Some(id) = first {
            conditions.push("licenses.id <> :first".to_owned());
            values.push(("first", number(id)));
            if filter.after.is_none() && self.passes(id, filter, now)? {
                page.licenses.extend(self.listed(id, filter, now)?);
            }
        }
        for source in sources(filter) {
            let ids = self.ids(&source, &values)?;
            if ids.len() <= MAX_SORTED && few.as_ref().is_none_or(|few| ids.len() < few.len()) {
                few = Some(ids);
            }
        }
        let mut last = None;
        if few.is_none()
            && let Some(parts) = next_by_number(filter)
        {
            let ids = self.next_ids(parts, filter, &values)?;
            last = ids.last().copied().filter(|_| ids.len() > MAX_SORTED);
            few = Some(ids);
        }
        let source = match few {
            Some(ids) => {
                values.push(("ids", Value::Integers(ids.into_iter().map(Some).collect())));
                let condition = format!("licenses.id IN ({})", self.0.rows_of(":ids"));
                Source { from: table_of(filter.sort), condition }
            }
            None => in_order(filter),
        };
        self.walk(filter, &source, &conditions, &values, count, now, &mut page)?;
        page.next = page.next.or(last.map(|id| Cursor { value: CursorValue::None, id }));
        Ok(page)
    }

    /// The next licenses in the order of the list, which is that of the numbers; at most one more than [`MAX_SORTED`].
    fn next_ids(&self, parts: &[Part], filter: &Filter, values: &Values) -> Result<Vec<i64>, Error> {
        let (direction, sign) = direction(filter.sort);
        let mut values = values.clone();
        let after = filter.after.as_ref().filter(|cursor| cursor.fits(filter.sort));
        values.extend(after.map(|cursor| ("id", number(cursor.id))));
        let part = |(select, column): &Part| match after {
            Some(_) => format!("{select} AND {column} {sign} :id"),
            None => (*select).to_owned(),
        };
        let union: Vec<String> = parts.iter().map(part).collect();
        let most = MAX_SORTED.saturating_add(1);
        let sql = format!("{} ORDER BY 1 {direction} LIMIT {most}", union.join(" UNION "));
        self.0.query_named(&sql, &values, |row| row.get(0))
    }

    /// Reads licenses from the source into the page.
    #[expect(clippy::too_many_arguments, reason = "the parts of one statement")]
    fn walk(
        &self,
        filter: &Filter,
        source: &Source,
        conditions: &[String],
        values: &Values,
        count: u32,
        now: Timestamp,
        page: &mut LicensePage,
    ) -> Result<(), Error> {
        let (key, sort) = (key_of(filter.sort), filter.sort);
        let (direction, sign) = direction(sort);
        let mut values = values.clone();
        values.push(("most", number(i64::from(MAX_EXAMINED).saturating_add(1))));
        let mut position = "TRUE".to_owned();
        if let Some(cursor) = filter.after.as_ref().filter(|cursor| cursor.fits(sort)) {
            position = position_after(sort, sign);
            values.push(("id", number(cursor.id)));
            values.push(("key", value_of(cursor)));
        }
        let passes = if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") };
        let order = if sort.is_by_number() { String::new() } else { format!("{key} {direction}, ") };
        let sql = format!(
            "SELECT licenses.id, {key}, {passes} FROM {} WHERE {} AND {} AND {position}
            ORDER BY {order}licenses.id {direction} LIMIT :most",
            source.from,
            join_of(sort),
            source.condition
        );
        let (mut examined, mut last) = (0_u32, None);
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        self.0.each_named(&sql, &values, |row| {
            if examined >= MAX_EXAMINED {
                page.next = last.take();
                return Ok(false);
            }
            let id: i64 = row.get(0)?;
            // A comparison with NULL is NULL, as of the address that most licenses are not locked to.
            let passes = row.get::<Option<bool>>(2)? == Some(true);
            if passes && self.is_over_limit_if_asked(id, filter, now)? {
                if page.licenses.len() >= wanted {
                    page.next = last.take();
                    return Ok(false);
                }
                page.licenses.extend(self.listed(id, filter, now)?);
            }
            examined = examined.saturating_add(if filter.over_limit { COUNTING } else { 1 });
            last = Some(Cursor { value: cursor_value(row, sort)?, id });
            Ok(true)
        })
    }

    fn listed(&self, id: i64, filter: &Filter, now: Timestamp) -> Result<Option<ListedLicense>, Error> {
        let Some(license) = self.license(id)? else { return Ok(None) };
        let until = if filter.all_servers { u32::MAX } else { count_cap(license.plan.max_servers) };
        let servers = self.count_activations(id, now.minus(ACTIVE_TIME), until)?;
        Ok(Some(ListedLicense { license, servers }))
    }

    /// The numbers of the licenses of a source, at most one more than [`MAX_SORTED`].
    fn ids(&self, source: &Source, values: &Values) -> Result<Vec<i64>, Error> {
        let sql =
            format!("SELECT DISTINCT id FROM ({} LIMIT {}) AS found", source.condition, MAX_SORTED.saturating_add(1));
        self.0.query_named(&sql, values, |row| row.get(0))
    }

    /// Whether the license passes all conditions but the search.
    fn passes(&self, id: i64, filter: &Filter, now: Timestamp) -> Result<bool, Error> {
        let conditions = conditions(filter);
        let passes = if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") };
        let sql = format!("SELECT {passes} FROM licenses WHERE licenses.id = :id");
        let mut values = values(filter, now);
        values.push(("id", number(id)));
        let found: Vec<Option<bool>> = self.0.query_named(&sql, &values, |row| row.get(0))?;
        let passes = found == [Some(true)];
        Ok(passes && self.is_over_limit_if_asked(id, filter, now)?)
    }

    /// Whether the license has more active servers than its plan allows, or the filter does not ask for that. The column
    /// says only that it had.
    fn is_over_limit_if_asked(&self, id: i64, filter: &Filter, now: Timestamp) -> Result<bool, Error> {
        if filter.over_limit { self.is_over_limit(id, now) } else { Ok(true) }
    }

    /// Whether the license has more active servers than its plan allows.
    ///
    /// # Errors
    /// A store error.
    pub(super) fn is_over_limit(&self, id: i64, now: Timestamp) -> Result<bool, Error> {
        let sql =
            "SELECT plans.max_servers FROM licenses JOIN plans ON plans.slug = licenses.plan WHERE licenses.id = ?1";
        let allowed: u32 = self.0.query_row(sql, params![id], |row| row.get(0))?;
        if allowed == 0 {
            return Ok(false);
        }
        Ok(self.count_activations(id, now.minus(ACTIVE_TIME), allowed.saturating_add(1))? > allowed)
    }
}

fn value_of(cursor: &Cursor) -> Value<'static> {
    match &cursor.value {
        CursorValue::None => Value::Integer(None),
        CursorValue::Time(value) => number(*value),
        CursorValue::Name(name) => text(name),
    }
}

fn cursor_value(row: &Row<'_>, sort: Sort) -> Result<CursorValue, Error> {
    Ok(match sort {
        Sort::Newest | Sort::Oldest => CursorValue::None,
        Sort::Owner => CursorValue::Name(row.get(1)?),
        _ => CursorValue::Time(row.get(1)?),
    })
}

#[cfg(test)]
#[path = "../license_list_tests.rs"]
mod tests;
