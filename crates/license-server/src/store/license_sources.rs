//! Where the licenses of a list are read from: the index of each condition, and the index of each order.

use super::license_conditions::{EXPIRY, standing};
use super::license_filter::{Filter, Sort};
use crate::model::Standing;

/// What the licenses of a list are read from, in its order.
pub(super) enum Order {
    /// An index of the order.
    Index(Source),
    /// The index of a condition, which has the licenses in the order of their numbers.
    Numbers(&'static [Part]),
    /// These licenses.
    Few(Vec<i64>),
}

/// Where the licenses of a list are read from: an index, in the order of the list.
pub(super) struct Source {
    pub(super) from: &'static str,
    pub(super) condition: String,
}

/// What finds the licenses of a condition in the order of their numbers: a part of a UNION, and its column.
pub(super) type Part = (&'static str, &'static str);

const BY_ADDRESS: &[Part] = &[
    ("SELECT license AS id FROM activations WHERE ip = :ip", "license"),
    ("SELECT license AS id FROM activations WHERE pair_ip = :ip", "license"),
    ("SELECT id FROM licenses WHERE locked_ip = :ip", "id"),
];

const BY_HOSTNAME: &[Part] = &[(
    "SELECT DISTINCT license AS id FROM activations WHERE hostname IS NOT NULL AND lower(hostname) = :hostname",
    "license",
)];

const BY_LABEL: &[Part] = &[("SELECT license AS id FROM license_labels WHERE label = :label", "license")];

/// The statements that find the licenses of each condition with an index.
pub(super) fn sources(filter: &Filter) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut add = |is_asked: bool, condition: String| {
        if is_asked {
            sources.push(Source { from: "", condition });
        }
    };
    let of = |condition: &str| format!("SELECT licenses.id FROM licenses WHERE {condition}");
    add(filter.owner.is_some(), of("licenses.owner = :owner"));
    add(filter.reference.is_some(), of("licenses.reference = :reference"));
    add(filter.plan.is_some(), of("licenses.plan = :plan"));
    if let Some(asked) = filter.standing {
        add(true, of(&standing(asked)));
    }
    let (after, before) = (filter.expires_after.is_some(), filter.expires_before.is_some());
    add(after && !before, of(&format!("{EXPIRY} > :expires_after")));
    add(before && !after, of(&format!("{EXPIRY} <= :expires_before")));
    add(after && before, of(&format!("{EXPIRY} > :expires_after AND {EXPIRY} <= :expires_before")));
    add(filter.server_ip.is_some(), union_all(BY_ADDRESS));
    add(filter.hostname.is_some(), union_all(BY_HOSTNAME));
    add(filter.over_limit, of("licenses.over_limit = 1"));
    add(filter.never_used, of("licenses.last_check_at = 0"));
    add(filter.trial, of("licenses.trial = 1"));
    add(filter.label.is_some(), union_all(BY_LABEL));
    sources
}

fn union_all(parts: &[Part]) -> String {
    parts.iter().map(|(select, _)| *select).collect::<Vec<_>>().join(" UNION ALL ")
}

/// What to read if every condition finds many licenses.
pub(super) fn order_of(filter: &Filter) -> Order {
    let is_by_number = filter.sort.is_by_number();
    match filter {
        Filter { server_ip: Some(_), .. } if is_by_number => Order::Numbers(BY_ADDRESS),
        Filter { hostname: Some(_), .. } if is_by_number => Order::Numbers(BY_HOSTNAME),
        Filter { label: Some(_), .. } if is_by_number => Order::Numbers(BY_LABEL),
        _ => Order::Index(in_order(filter)),
    }
}

/// The next numbers that the parts find, after `:id` if there is a position. Each part has a limit of its own, because
/// PostgreSQL reads each to its end.
pub(super) fn union_of_parts(parts: &[Part], sort: Sort, has_position: bool, size: u32) -> String {
    let (direction, sign) = direction(sort);
    let part = |(select, column): &Part| {
        let position = if has_position { format!(" AND {column} {sign} :id") } else { String::new() };
        format!("SELECT id FROM ({select}{position} ORDER BY {column} {direction} LIMIT {size}) AS part")
    };
    let union: Vec<String> = parts.iter().map(part).collect();
    format!("{} ORDER BY 1 {direction} LIMIT {size}", union.join(" UNION "))
}

pub(super) fn direction(sort: Sort) -> (&'static str, char) {
    if sort.is_descending() { ("DESC", '<') } else { ("ASC", '>') }
}

/// The index of the order, and of a condition if it has one.
fn in_order(filter: &Filter) -> Source {
    let source = |condition: &str| Source { from: table_of(filter.sort), condition: condition.to_owned() };
    let asked = filter.standing;
    match filter.sort {
        Sort::Newest | Sort::Oldest => match asked {
            _ if filter.over_limit => source("licenses.over_limit = 1"),
            _ if filter.trial => source("licenses.trial = 1"),
            _ if filter.owner.is_some() => source("licenses.owner = :owner"),
            Some(Standing::Suspended | Standing::Cancelled) => source(&asked.map_or_else(String::new, standing)),
            _ if filter.never_used => source("licenses.last_check_at = 0"),
            _ if filter.plan.is_some() => source("licenses.plan = :plan"),
            _ => source("TRUE"),
        },
        Sort::Expiry | Sort::LatestExpiry => {
            let mut condition = match asked {
                Some(Standing::Suspended) => "licenses.status = 'suspended'".to_owned(),
                Some(Standing::Cancelled) => "licenses.status = 'cancelled'".to_owned(),
                Some(Standing::Expired) => standing(Standing::Expired),
                _ if filter.plan.is_some() => "licenses.plan = :plan".to_owned(),
                Some(Standing::Active) => standing(Standing::Active),
                None => "TRUE".to_owned(),
            };
            if filter.expires_after.is_some() {
                condition.push_str(&format!(" AND {EXPIRY} > :expires_after"));
            }
            if filter.expires_before.is_some() {
                condition.push_str(&format!(" AND {EXPIRY} <= :expires_before"));
            }
            source(&condition)
        }
        Sort::LastCheck | Sort::OldestCheck if filter.never_used => source("licenses.last_check_at = 0"),
        Sort::Owner if filter.owner.is_some() => source("users.id = :owner AND licenses.owner = :owner"),
        Sort::LastCheck | Sort::OldestCheck | Sort::Owner => source("TRUE"),
    }
}

pub(super) fn table_of(sort: Sort) -> &'static str {
    match sort {
        Sort::Owner => "users CROSS JOIN licenses",
        _ => "licenses",
    }
}

/// What joins the tables of [`table_of`].
pub(super) fn join_of(sort: Sort) -> &'static str {
    match sort {
        Sort::Owner => "licenses.owner = users.id",
        _ => "TRUE",
    }
}

/// The licenses of a user that come next in the order of the owners.
pub(super) fn own_licenses(has_position: bool) -> &'static str {
    if has_position {
        "licenses.owner = users.id AND licenses.id > CASE WHEN users.folded_name = :key THEN :id ELSE 0 END"
    } else {
        "licenses.owner = users.id"
    }
}

pub(super) fn key_of(sort: Sort) -> &'static str {
    match sort {
        Sort::Newest | Sort::Oldest => "licenses.id",
        Sort::Expiry | Sort::LatestExpiry => EXPIRY,
        Sort::Owner => "users.folded_name",
        Sort::LastCheck | Sort::OldestCheck => "licenses.last_check_at",
    }
}

/// The condition that a license comes after the cursor.
pub(super) fn position_after(sort: Sort, sign: char) -> String {
    match sort {
        Sort::Newest | Sort::Oldest => format!("licenses.id {sign} :id"),
        // A row value would not use the index of the names.
        Sort::Owner => "users.folded_name >= :key AND (users.folded_name > :key OR licenses.id > :id)".to_owned(),
        _ => format!("({}, licenses.id) {sign} (:key, :id)", key_of(sort)),
    }
}
