//! The list of licenses: search, filters, order, and what administrators do with several licenses at once.

use askama::Template;

use super::form::Form;
use super::format::used;
use super::list_query::ListQuery;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::standing_badge::{StandingBadge, name_of};
use crate::model::EXPIRING_DAYS;
use crate::store::counting::format_count;
use crate::store::{Error, LicenseCounts, LicensePage, ListedLicense, Sort};
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;
use opterius_http::response::Response;

/// Licenses per page.
const PAGE_SIZE: u32 = 50;

/// An owner with fewer licenses needs no filters.
const FEW: u32 = 10;

/// The orders that the page offers, with their names.
const ORDERS: [(Sort, &str); 5] = [
    (Sort::Newest, "Newest"),
    (Sort::Expiry, "Expiry"),
    (Sort::LatestExpiry, "Latest expiry"),
    (Sort::LastCheck, "Last check"),
    (Sort::Owner, "Owner"),
];

#[derive(Template)]
#[template(path = "licenses.html", config = "src/dashboard/askama.toml")]
struct LicensesPage {
    layout: Layout,
    heading: &'static str,
    administrator: bool,
    query: ListQuery,
    filters: Vec<FilterGroup>,
    orders: Vec<FilterLink>,
    /// The filters of the URL as hidden fields, for the search and for several licenses at once.
    kept: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    is_search_cut: bool,
    /// Whether the page ended early: there may be more matches further on.
    is_unfinished: bool,
    newest: Option<String>,
    older: Option<String>,
    csv: String,
}

/// Filters of one kind, of which one can be chosen.
struct FilterGroup {
    name: &'static str,
    links: Vec<FilterLink>,
}

struct FilterLink {
    id: String,
    label: String,
    /// How many licenses it has.
    count: Option<String>,
    /// The list with this filter; without it, if it is chosen.
    url: String,
    is_chosen: bool,
}

struct Row {
    id: i64,
    page: Route,
    reference: Option<String>,
    key: String,
    plan: String,
    badge: StandingBadge,
    is_trial: bool,
    labels: Vec<String>,
    servers: String,
    over: bool,
    owner: String,
    /// The list of this owner's licenses.
    of_owner: String,
    last_check: Option<Moment>,
    expiry: Option<Moment>,
}

impl Row {
    fn new(listed: &ListedLicense, now: Timestamp) -> Self {
        let license = &listed.license;
        Self {
            id: license.id,
            page: Route::License(license.id),
            reference: license.reference.clone(),
            key: license.key.masked(),
            plan: license.plan.name.clone(),
            badge: StandingBadge::new(license, now),
            is_trial: license.is_trial,
            labels: license.labels.clone(),
            servers: used(listed.servers, license.plan.max_servers),
            over: license.plan.max_servers > 0 && listed.servers > license.plan.max_servers,
            owner: license.owner_name.clone(),
            of_owner: ListQuery::of_owner(&license.owner_name).url(Route::Licenses),
            last_check: license.last_check_at.map(|at| Moment::new(at, now)),
            expiry: license.expires_at.map(|at| Moment::expiry(at, now)),
        }
    }
}

/// Renders the page.
pub(super) fn show(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    query: &Form,
) -> Result<Response, PageError> {
    let query = ListQuery::read(query, signed_in_user);
    let administrator = signed_in_user.user.administrator;
    let now = page_request.shared.clock.wall();
    let owner = (!administrator).then_some(signed_in_user.user.id);
    let (counts, page) = page_request.shared.readers.read(|transaction| {
        let counts = transaction.license_counts(owner, now, now.plus_days(EXPIRING_DAYS))?;
        let filter = query.filter(transaction, signed_in_user, now)?;
        let page = match filter {
            Some(filter) => transaction.licenses(&filter, PAGE_SIZE, now)?,
            None => LicensePage { licenses: Vec::new(), next: None, is_search_cut: false },
        };
        Ok::<_, Error>((counts, page))
    })?;
    let heading = if administrator { "Licenses" } else { "Your licenses" };
    let is_unfinished = page.next.is_some() && page.licenses.len() < usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX);
    let next = page.next.map(|next| ListQuery { after: next.to_string(), ..query.clone() });
    let has_filters = administrator || counts.all >= FEW || query.is_filtered();
    Ok(page::html(
        200,
        heading,
        &LicensesPage {
            layout: page_request.layout(signed_in_user, "licenses"),
            heading,
            administrator,
            filters: if has_filters { filters(&query, &counts, administrator) } else { Vec::new() },
            orders: if has_filters { orders(&query, administrator) } else { Vec::new() },
            kept: query.with(|_| {}).fields().into_iter().filter(|(name, _)| *name != "q").collect(),
            rows: page.licenses.iter().map(|listed| Row::new(listed, now)).collect(),
            is_search_cut: page.is_search_cut,
            is_unfinished,
            newest: (!query.after.is_empty()).then(|| query.with(|_| {}).url(Route::Licenses)),
            older: next.map(|next| next.url(Route::Licenses)),
            csv: query.with(|_| {}).url(Route::LicensesCsv),
            query,
        },
    ))
}

fn filters(query: &ListQuery, counts: &LicenseCounts, administrator: bool) -> Vec<FilterGroup> {
    // Of an owner with very many licenses, the numbers would be those of a part.
    let has_numbers = administrator || format_count(counts.all, 0) == counts.all.to_string();
    let link = |id: &str, label: &str, count: u32, is_chosen: bool, changed: ListQuery| FilterLink {
        id: format!("filter-{id}"),
        label: label.to_owned(),
        count: has_numbers.then(|| format_count(count, 0)),
        url: changed.url(Route::Licenses),
        is_chosen,
    };
    let mut standings =
        vec![link("all", "All", counts.all, query.standing.is_none(), query.with(|list| list.standing = None))];
    standings.extend(counts.standings.iter().map(|(standing, count)| {
        let is_chosen = query.standing == Some(*standing);
        let changed = query.with(|list| list.standing = Some(*standing).filter(|_| !is_chosen));
        link(standing.as_str(), name_of(*standing), *count, is_chosen, changed)
    }));
    let plans = counts.plans.iter().map(|(plan, count)| {
        let is_chosen = query.plan == plan.slug;
        let changed = query.with(|list| list.plan = if is_chosen { String::new() } else { plan.slug.clone() });
        link(&format!("plan-{}", plan.slug), &plan.name, *count, is_chosen, changed)
    });
    let labels = counts.labels.iter().map(|(label, count)| {
        let is_chosen = query.label == *label;
        let changed = query.with(|list| list.label = if is_chosen { String::new() } else { label.clone() });
        link(&format!("label-{label}"), label, *count, is_chosen, changed)
    });
    let expiring = query.expiring == Some(EXPIRING_DAYS);
    let others = vec![
        link(
            "expiring",
            "Expiring in 30 days",
            counts.expiring,
            expiring,
            query.with(|list| list.expiring = (!expiring).then_some(EXPIRING_DAYS)),
        ),
        link(
            "over",
            "Over limit",
            counts.over_limit,
            query.over_limit,
            query.with(|list| list.over_limit = !query.over_limit),
        ),
        link(
            "unused",
            "Never used",
            counts.never_used,
            query.never_used,
            query.with(|list| list.never_used = !query.never_used),
        ),
        link("trial", "Trials", counts.trials, query.trial, query.with(|list| list.trial = !query.trial)),
    ];
    let groups = [
        FilterGroup { name: "Status", links: standings },
        FilterGroup { name: "Also", links: others },
        FilterGroup { name: "Plan", links: plans.collect() },
        FilterGroup { name: "Label", links: labels.collect() },
    ];
    groups.into_iter().filter(|group| !group.links.is_empty()).collect()
}

fn orders(query: &ListQuery, administrator: bool) -> Vec<FilterLink> {
    let offered = ORDERS.iter().filter(|(sort, _)| administrator || *sort != Sort::Owner);
    let link = |(sort, label): &(Sort, &str)| FilterLink {
        id: format!("sort-{}", sort.as_str()),
        label: (*label).to_owned(),
        count: None,
        url: query.with(|list| list.sort = Some(*sort)).url(Route::Licenses),
        is_chosen: query.order() == *sort,
    };
    offered.map(link).collect()
}
