//! A change of several licenses at once: a preview of what it does to each, then all of them in one transaction.

use askama::Template;

use super::bulk_change::BulkChange;
use super::field::{Field, FieldKind};
use super::form::Form;
use super::list_query::ListQuery;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::standing_badge::StandingBadge;
use crate::actions::{self, ChangeContext, Refusal};
use crate::model::{ACTIVE_TIME, Change, License, Plan};
use crate::store::{Error, Filter, ReadTransaction, WriteTransaction};
use opterius_base::clock::Timestamp;
use opterius_base::dates::{Moment, counted};
use opterius_http::response::Response;

/// Licenses of one change.
const MAX_LICENSES: usize = 500;

/// Licenses that are read at a time, and how often at most.
const PAGE_SIZE: u32 = 100;
const MAX_PAGES: u32 = 20;

#[derive(Template)]
#[template(path = "bulk.html", config = "src/dashboard/askama.toml")]
struct BulkPage {
    layout: Layout,
    heading: &'static str,
    /// The label of the button that makes the change.
    confirm: String,
    dangerous: bool,
    /// The input of the change, which the preview depends on.
    fields: Vec<Field>,
    /// Hidden fields of the form that shows the preview again.
    kept: Vec<(&'static str, String)>,
    /// Hidden fields of the form that makes the change.
    hidden: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    /// How many licenses change, and how many do not.
    summary: String,
    changes: usize,
    is_cut: bool,
    /// What is wrong with the input.
    error: Option<String>,
    back: String,
}

/// What the change does to a license.
struct Row {
    license: License,
    page: Route,
    badge: StandingBadge,
    /// The terms before and after, or why nothing changes.
    outcome: String,
    changes: bool,
}

/// Renders the preview.
pub(super) fn show(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    let bulk_change = BulkChange::find(form.text("action")).ok_or(PageError::Malformed)?;
    preview(page_request, signed_in_user, bulk_change, form, None)
}

fn preview(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    bulk_change: &'static BulkChange,
    form: &Form,
    refusal: Option<Refusal>,
) -> Result<Response, PageError> {
    let query = ListQuery::read(form, signed_in_user).with(|_| {});
    let now = page_request.shared.clock.wall();
    let change = (bulk_change.change)(form);
    let (plans, rows, is_cut) = page_request.shared.readers.read(|transaction| {
        let plans = transaction.plans()?;
        let (licenses, is_cut) = chosen(transaction, signed_in_user, &query, form, now)?;
        let row = |license| row(transaction, license, change.as_ref().ok(), &plans, now);
        let rows: Vec<Row> = licenses.into_iter().map(row).collect::<Result<_, Error>>()?;
        Ok::<_, Error>((plans, rows, is_cut))
    })?;
    let fields = (bulk_change.fields)(form, &plans);
    let changes = rows.iter().filter(|row| row.changes).count();
    let mut kept = vec![("action", bulk_change.name.to_owned()), ("preview", "1".to_owned())];
    kept.extend(query.fields());
    kept.push(if form.text("all") == "1" { ("all", "1".to_owned()) } else { ("ids", numbers(&rows)) });
    let mut hidden = kept.clone();
    hidden.push(("licenses", revisions(&rows)));
    hidden.extend(fields.iter().map(|field| (field.name, field.value.clone())));
    // The first view of the form has no input yet, which is no mistake.
    let is_mistake = form.get("preview").is_some();
    let error = refusal.or(change.err().filter(|_| is_mistake)).map(|refusal| refusal.to_string());
    let status = if error.is_some() { 422 } else { 200 };
    let page = BulkPage {
        layout: page_request.layout(signed_in_user, "licenses"),
        heading: bulk_change.heading,
        confirm: format!("{} {}", bulk_change.verb, of_licenses(changes)),
        dangerous: bulk_change.dangerous,
        fields,
        kept,
        hidden,
        summary: summary(changes, rows.len().saturating_sub(changes)),
        changes,
        rows,
        is_cut,
        error,
        back: query.url(Route::Licenses),
    };
    Ok(page::html(status, bulk_change.heading, &page))
}

/// The licenses that are chosen in a list, and whether these are only the first of them.
fn chosen(
    transaction: &ReadTransaction<'_>,
    signed_in_user: &SignedInUser,
    query: &ListQuery,
    form: &Form,
    now: Timestamp,
) -> Result<(Vec<License>, bool), Error> {
    if form.text("all") == "1" {
        return match query.filter(transaction, signed_in_user, now)? {
            Some(filter) => all_of(transaction, filter, now),
            None => Ok((Vec::new(), false)),
        };
    }
    let mut licenses = Vec::new();
    for id in ids(form) {
        licenses.extend(transaction.license(id)?);
    }
    Ok((licenses, false))
}

fn all_of(
    transaction: &ReadTransaction<'_>,
    mut filter: Filter,
    now: Timestamp,
) -> Result<(Vec<License>, bool), Error> {
    let mut licenses = Vec::new();
    for _ in 0..MAX_PAGES {
        let page = transaction.licenses(&filter, PAGE_SIZE, now)?;
        licenses.extend(page.licenses.into_iter().map(|listed| listed.license));
        filter.after = page.next;
        if filter.after.is_none() || licenses.len() >= MAX_LICENSES {
            break;
        }
    }
    let is_cut = filter.after.is_some() || licenses.len() > MAX_LICENSES;
    licenses.truncate(MAX_LICENSES);
    Ok((licenses, is_cut))
}

/// The numbers of the selected licenses: the boxes that are checked, or the list of an earlier preview.
fn ids(form: &Form) -> Vec<i64> {
    let listed = form.text("ids").split('-').filter_map(|id| id.parse().ok());
    let checked = form.names().filter_map(|name| name.strip_prefix('l')?.parse().ok());
    let mut ids: Vec<i64> = checked.chain(listed).collect();
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    ids.dedup();
    ids.truncate(MAX_LICENSES);
    ids
}

fn row(
    transaction: &ReadTransaction<'_>,
    license: License,
    change: Option<&Change>,
    plans: &[Plan],
    now: Timestamp,
) -> Result<Row, Error> {
    let (badge, page) = (StandingBadge::new(&license, now), Route::License(license.id));
    let mut after = license.clone();
    let (outcome, changes) = match change.map(|change| change.apply(&mut after, plans, now)) {
        None => (String::new(), false),
        Some(Ok(_)) => (difference(transaction, &license, &after, now)?, true),
        Some(Err(change_error)) => (format!("No change: {}", Refusal::from(change_error)), false),
    };
    Ok(Row { license, page, badge, outcome, changes })
}

/// What is different afterwards, in words.
fn difference(
    transaction: &ReadTransaction<'_>,
    before: &License,
    after: &License,
    now: Timestamp,
) -> Result<String, Error> {
    let mut parts = Vec::new();
    if before.plan != after.plan {
        parts.push(format!("Plan {} → {}.", before.plan.name, after.plan.name));
        let allowed = after.plan.max_servers;
        let since = now.minus(ACTIVE_TIME);
        if allowed > 0 && transaction.count_activations(before.id, since, allowed.saturating_add(1))? > allowed {
            let servers = counted(allowed, "server");
            parts.push(format!(
                "More servers use it than the new plan allows: all but the first {servers} are refused."
            ));
        }
    }
    let (was, becomes) = (before.standing(now), after.standing(now));
    parts.push(if was == becomes {
        format!("Stays {}.", becomes.as_str())
    } else {
        format!("{} → {}.", was.as_str(), becomes.as_str())
    });
    if before.expires_at != after.expires_at {
        let end = |license: &License| license.expires_at.map_or("never".to_owned(), |at| Moment::expiry(at, now).text);
        // Without a period, for which a phone has no room beside the instant.
        parts.push(format!("Expires: {} → {}", end(before), end(after)));
    }
    Ok(parts.join(" "))
}

fn numbers(rows: &[Row]) -> String {
    rows.iter().map(|row| row.license.id.to_string()).collect::<Vec<_>>().join("-")
}

/// Number and revision of each license that changes.
fn revisions(rows: &[Row]) -> String {
    let changing = rows.iter().filter(|row| row.changes).map(|row| &row.license);
    changing.map(|license| format!("{}.{}", license.id, license.revision)).collect::<Vec<_>>().join("_")
}

fn of_licenses(count: usize) -> String {
    counted(count, "license")
}

fn summary(changes: usize, unchanged: usize) -> String {
    match (changes, unchanged) {
        (0, 0) => "No license is selected.".to_owned(),
        (changes, 0) => format!("{} will change.", of_licenses(changes)),
        (0, unchanged) => format!("Nothing will change for {}.", of_licenses(unchanged)),
        (changes, unchanged) => format!("{} will change, {unchanged} will not.", of_licenses(changes)),
    }
}

/// Makes the change: all licenses of the preview, or none.
pub(super) fn act(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    let bulk_change = BulkChange::find(form.text("action")).ok_or(PageError::Malformed)?;
    let licenses = parse_revisions(form.text("licenses")).ok_or(PageError::Malformed)?;
    let count = licenses.len();
    let change = match (bulk_change.change)(form) {
        Ok(change) => change,
        Err(refusal) => return preview(page_request, signed_in_user, bulk_change, form, Some(refusal)),
    };
    let actor = signed_in_user.actor();
    let changed = page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        licenses.iter().try_for_each(|(id, revision)| {
            let context = ChangeContext { actor: &actor, seen: Some(*revision) };
            actions::change(transaction, &context, *id, &change).map(drop).map_err(|refusal| match refusal {
                Refusal::Stale => Refusal::Conflict(format!(
                    "License {id} has changed since the preview. No license was changed; this is the preview now."
                )),
                refusal => refusal,
            })
        })
    });
    match changed {
        Ok(()) => {
            let list = ListQuery::read(form, signed_in_user).with(|_| {}).url(Route::Licenses);
            let sentence = format!("{} {}.", of_licenses(count), bulk_change.done);
            Ok(page_request.redirect_with_flash(&signed_in_user.token, list, &sentence))
        }
        Err(refusal @ (Refusal::Conflict(_) | Refusal::NotFound(_) | Refusal::Invalid(_))) => {
            preview(page_request, signed_in_user, bulk_change, form, Some(refusal))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Numbers and revisions as [`revisions`] writes them; at least one.
fn parse_revisions(text: &str) -> Option<Vec<(i64, i64)>> {
    let pair = |pair: &str| {
        let (id, revision) = pair.split_once('.')?;
        Some((id.parse().ok()?, revision.parse().ok()?))
    };
    let pairs: Option<Vec<(i64, i64)>> = text.split('_').map(pair).collect();
    pairs.filter(|pairs| pairs.len() <= MAX_LICENSES)
}
