//! What each license of a list must satisfy, in SQL: for the list itself, for the counts of its filters, and for searches.

use std::borrow::Cow;

use super::engine::Value;
use super::license_filter::Filter;
use crate::model::Standing;
use opterius_base::clock::Timestamp;

/// The expiry for sorting, as in the indices: licenses that never expire come last.
pub(super) const EXPIRY: &str = "coalesce(licenses.expires_at, 9223372036854775807)";

/// The values of all conditions, by the name of their parameter.
pub(super) type Values = Vec<(&'static str, Value<'static>)>;

/// The conditions of a filter as SQL, and their values. Does not recount servers over the limit.
pub(super) fn of_filter(filter: &Filter, now: Timestamp) -> (String, Values) {
    let conditions = conditions(filter);
    let all = if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") };
    (all, values(filter, now))
}

/// What each license must satisfy. No EXISTS: PostgreSQL would read all that it finds first, instead of the few of a page.
pub(super) fn conditions(filter: &Filter) -> Vec<String> {
    let mut conditions = Vec::new();
    let mut add = |is_asked: bool, condition: &str| {
        if is_asked {
            conditions.push(condition.to_owned());
        }
    };
    add(filter.owner.is_some(), "licenses.owner = :owner");
    add(filter.reference.is_some(), "licenses.reference = :reference");
    add(filter.plan.is_some(), "licenses.plan = :plan");
    add(filter.standing.is_some(), &filter.standing.map_or_else(String::new, standing));
    add(filter.expires_after.is_some(), &format!("{EXPIRY} > :expires_after"));
    add(filter.expires_before.is_some(), &format!("{EXPIRY} <= :expires_before"));
    add(
        filter.server_ip.is_some(),
        "(licenses.locked_ip = :ip
            OR (SELECT 1 FROM activations WHERE license = licenses.id AND ip = :ip) IS NOT NULL
            OR (SELECT 1 FROM activations WHERE license = licenses.id AND pair_ip = :ip) IS NOT NULL)",
    );
    add(
        filter.hostname.is_some(),
        "(SELECT 1 FROM activations WHERE license = licenses.id AND hostname IS NOT NULL
            AND lower(hostname) = :hostname LIMIT 1) IS NOT NULL",
    );
    add(filter.over_limit, "licenses.over_limit = 1");
    add(filter.never_used, "licenses.last_check_at = 0");
    add(filter.trial, "licenses.trial = 1");
    add(
        filter.label.is_some(),
        "(SELECT 1 FROM license_labels WHERE label = :label AND license = licenses.id) IS NOT NULL",
    );
    conditions
}

/// What a license with this standing satisfies.
pub(super) fn standing(standing: Standing) -> String {
    match standing {
        Standing::Active => format!("(licenses.status = 'active' AND {EXPIRY} > :now)"),
        Standing::Expired => format!("(licenses.status = 'active' AND {EXPIRY} <= :now)"),
        Standing::Suspended => "(licenses.status = 'suspended' AND licenses.status <> 'active')".to_owned(),
        Standing::Cancelled => "(licenses.status = 'cancelled' AND licenses.status <> 'active')".to_owned(),
    }
}

/// The values of the conditions of a filter.
pub(super) fn values(filter: &Filter, now: Timestamp) -> Values {
    let mut values: Values = vec![("now", number(now.unix()))];
    let mut add = |name: &'static str, value: Option<Value<'static>>| values.extend(value.map(|value| (name, value)));
    let time = |at: Option<Timestamp>| at.map(|at| number(at.unix()));
    add("owner", filter.owner.map(number));
    add("reference", filter.reference.clone().map(text));
    add("plan", filter.plan.clone().map(text));
    add("expires_after", time(filter.expires_after));
    add("expires_before", time(filter.expires_before));
    add("ip", filter.server_ip.map(|ip| text(ip.to_string())));
    add("hostname", filter.hostname.as_ref().map(|name| text(name.to_ascii_lowercase())));
    add("label", filter.label.clone().map(text));
    values
}

/// A number as a parameter.
pub(super) fn number(number: i64) -> Value<'static> {
    Value::Integer(Some(number))
}

/// Text as a parameter.
pub(super) fn text(text: impl Into<String>) -> Value<'static> {
    Value::Text(Some(Cow::Owned(text.into())))
}
