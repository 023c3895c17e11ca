//! Lists of licenses: filtered, sorted and read page by page, in a time that does not grow with the number of licenses.
//!
//! A page is read in chunks, each from where the last one ended: the first has room for the page, and each is twice as long as
//! the one before. PostgreSQL reads all rows of a query, so a query for more than a page needs would be slow.
//!
//! Every condition has an index (`sources`). The first chunks are read in the order of the list, from an index of its order. If
//! the page is not full then, the conditions are looked at: if one of them finds few licenses, these are read and sorted.
//! Otherwise the index of the order is read on, and reading stops after [`MAX_EXAMINED`] licenses. So a page can have fewer
//! licenses than asked for, or none, and still have a next one.

use super::counting::count_cap;
use super::engine::{Queries, Row, Value, params};
use super::error::Error;
use super::license_conditions::{Values, conditions, number, text, values};
use super::license_filter::{Cursor, CursorValue, Filter, Sort};
use super::license_sources::{
    Order, Source, direction, join_of, key_of, order_of, own_licenses, position_after, sources, table_of,
    union_of_parts,
};
use super::transactions::ReadTransaction;
use crate::model::{ACTIVE_TIME, License};
use opterius_base::clock::Timestamp;

/// A condition that finds at most as many licenses is read completely and sorted.
const MAX_SORTED: usize = if cfg!(test) { 50 } else { 3000 };

/// Licenses that are examined for one page.
const MAX_EXAMINED: u32 = if cfg!(test) { 40 } else { 10_000 };

/// The first chunk has at least as many licenses.
const MIN_CHUNK: u32 = if cfg!(test) { 4 } else { 32 };

/// Licenses that are examined before the conditions are looked at, which may read 3001 entries of an index for each.
const LOOK: u32 = if cfg!(test) { 8 } else { 400 };

/// A chunk has at most as many licenses.
const MAX_CHUNK: u32 = 2048;

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

/// A page while it is read.
struct Walk<'f> {
    filter: &'f Filter,
    now: Timestamp,
    wanted: usize,
    conditions: Vec<String>,
    values: Values,
    /// The last license that was examined.
    last: Option<Cursor>,
    examined: u32,
    chunk: u32,
    page: LicensePage,
}

/// Licenses of one chunk.
struct Chunk<'c> {
    source: &'c Source,
    /// Whether the source has only licenses that pass the conditions.
    is_filtered: bool,
    values: Values,
    size: u32,
}

impl Walk<'_> {
    /// The size of the next chunk.
    fn next_chunk(&mut self) -> u32 {
        let size = self.chunk;
        self.chunk = self.chunk.saturating_mul(2).min(MAX_CHUNK.max(self.chunk));
        size
    }

    fn condition(&self) -> String {
        if self.conditions.is_empty() { "TRUE".to_owned() } else { self.conditions.join(" AND ") }
    }

    /// Ends the page after a chunk if there is no other, or if enough was examined.
    fn is_over(&mut self, is_last: bool) -> bool {
        if !is_last && self.examined >= MAX_EXAMINED {
            self.page.next = self.last.take();
            return true;
        }
        is_last
    }
}

impl ReadTransaction<'_> {
    /// A page of at most `count` licenses that pass the filter.
    ///
    /// # Errors
    /// A store error.
    pub fn licenses(&self, filter: &Filter, count: u32, now: Timestamp) -> Result<LicensePage, Error> {
        let found = self.search_of(filter)?;
        let is_search_cut = found.as_ref().is_some_and(|found| found.is_cut);
        let mut walk = Walk {
            filter,
            now,
            wanted: usize::try_from(count).unwrap_or(usize::MAX),
            conditions: conditions(filter),
            values: values(filter, now),
            last: filter.after.clone().filter(|cursor| cursor.fits(filter.sort)),
            examined: 0,
            // One more than the page, to see whether there is a next one. There are few sizes, so few statements to prepare.
            chunk: count.saturating_add(1).clamp(MIN_CHUNK, MAX_CHUNK).next_power_of_two(),
            page: LicensePage { licenses: Vec::new(), next: None, is_search_cut },
        };
        // The license with exactly this number comes first, in whatever order.
        if let Some(id) = found.as_ref().and_then(|found| found.first) {
            walk.conditions.push("licenses.id <> :first".to_owned());
            walk.values.push(("first", number(id)));
            if filter.after.is_none() && self.passes(id, filter, now)? {
                walk.page.licenses.extend(self.listed(id, filter, now)?);
            }
        }
        let order = order_of(filter);
        let mut few = found.map(|found| found.ids);
        let is_worth_a_look = few.is_none() && (matches!(order, Order::Numbers(_)) || !filter.is_narrow());
        while is_worth_a_look && walk.examined < LOOK {
            if self.read_chunk(&mut walk, &order)? {
                return Ok(walk.page);
            }
        }
        for source in sources(filter) {
            let ids = self.ids(&source, &walk.values)?;
            if ids.len() <= MAX_SORTED && few.as_ref().is_none_or(|few| ids.len() < few.len()) {
                few = Some(ids);
            }
        }
        let order = few.map_or(order, Order::Few);
        while !self.read_chunk(&mut walk, &order)? {}
        Ok(walk.page)
    }

    /// Reads the next chunk into the page. Returns whether the page is complete.
    fn read_chunk(&self, walk: &mut Walk<'_>, order: &Order) -> Result<bool, Error> {
        let size = walk.next_chunk();
        let is_descending = walk.filter.sort.is_descending();
        let ids = match order {
            Order::Index(source) => {
                let chunk = Chunk { source, is_filtered: false, values: walk.values.clone(), size };
                return self.read_rows(walk, &chunk);
            }
            Order::Few(ids) if !walk.filter.sort.is_by_number() => return self.read_these(walk, ids.clone(), size),
            Order::Few(ids) => {
                let after = walk.last.as_ref().map(|cursor| cursor.id);
                let mut ids = ids.clone();
                ids.retain(|id| after.is_none_or(|after| if is_descending { *id < after } else { *id > after }));
                ids.sort_unstable_by_key(|id| if is_descending { id.saturating_neg() } else { *id });
                ids.truncate(usize::try_from(size).unwrap_or(usize::MAX));
                ids
            }
            Order::Numbers(parts) => {
                let mut values = walk.values.clone();
                values.extend(walk.last.as_ref().map(|cursor| ("id", number(cursor.id))));
                let sql = union_of_parts(parts, walk.filter.sort, walk.last.is_some(), size);
                self.0.query_named(&sql, &values, |row| row.get(0))?
            }
        };
        let read = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let Some(end) = ids.last().copied() else { return Ok(walk.is_over(true)) };
        let examined = walk.examined;
        if self.read_these(walk, ids, size.saturating_add(1))? && walk.page.next.is_some() {
            return Ok(true);
        }
        walk.examined = walk.examined.max(examined.saturating_add(read));
        walk.last = Some(Cursor { value: CursorValue::None, id: end });
        Ok(walk.is_over(read < size))
    }

    /// Reads the first `size` of these licenses that pass the conditions and come after the last one.
    fn read_these(&self, walk: &mut Walk<'_>, ids: Vec<i64>, size: u32) -> Result<bool, Error> {
        let mut values = walk.values.clone();
        values.push(("ids", Value::Integers(ids.into_iter().map(Some).collect())));
        let condition = format!("licenses.id IN ({}) AND {}", self.0.rows_of(":ids"), walk.condition());
        let source = Source { from: table_of(walk.filter.sort), condition };
        self.read_rows(walk, &Chunk { source: &source, is_filtered: true, values, size })
    }

    /// Reads the rows of a chunk. Returns whether the page is complete.
    fn read_rows(&self, walk: &mut Walk<'_>, chunk: &Chunk<'_>) -> Result<bool, Error> {
        let (filter, sort, now) = (walk.filter, walk.filter.sort, walk.now);
        let (key, (direction, sign)) = (key_of(sort), direction(sort));
        let mut values = chunk.values.clone();
        let (mut position, mut from) = ("TRUE".to_owned(), chunk.source.from.to_owned());
        if sort == Sort::Owner && !chunk.is_filtered {
            let on = own_licenses(walk.last.is_some());
            from = self.0.nested(["users", "licenses"], on, "licenses.id", chunk.size);
        }
        if let Some(cursor) = &walk.last {
            position = position_after(sort, sign);
            values.push(("id", number(cursor.id)));
            values.push(("key", value_of(cursor)));
        }
        let passes = if chunk.is_filtered { "TRUE".to_owned() } else { walk.condition() };
        let order = if sort.is_by_number() { String::new() } else { format!("{key} {direction}, ") };
        let sql = format!(
            "SELECT licenses.id, {key}, {passes} FROM {from} WHERE {} AND {} AND {position}
            ORDER BY {order}licenses.id {direction} LIMIT {}",
            join_of(sort),
            chunk.source.condition,
            chunk.size
        );
        let (mut rows, mut is_complete) = (0_u32, false);
        self.0.each_named(&sql, &values, |row| {
            rows = rows.saturating_add(1);
            let id: i64 = row.get(0)?;
            // A comparison with NULL is NULL, as of the address that most licenses are not locked to.
            let passes = row.get::<Option<bool>>(2)? == Some(true);
            let is_listed = passes && self.is_over_limit_if_asked(id, filter, now)?;
            is_complete = walk.examined >= MAX_EXAMINED || (is_listed && walk.page.licenses.len() >= walk.wanted);
            if is_complete {
                walk.page.next = Some(walk.last.take().unwrap_or_else(|| Cursor::before_all(sort)));
                return Ok(false);
            }
            if is_listed {
                walk.page.licenses.extend(self.listed(id, filter, now)?);
            }
            walk.examined = walk.examined.saturating_add(if filter.over_limit { COUNTING } else { 1 });
            walk.last = Some(Cursor { value: cursor_value(row, sort)?, id });
            Ok(true)
        })?;
        Ok(is_complete || walk.is_over(rows < chunk.size))
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
