//! The plans and the complete history, for administrators.

use askama::Template;

use super::form::Form;
use super::format::split;
use super::history_line::HistoryLine;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use crate::model::describe::limit;
use crate::model::{Action, Event, Plan};
use crate::store::{Error, ReadTransaction};
use opterius_base::clock::Timestamp;
use opterius_http::response::Response;

/// History entries per page.
const PAGE_SIZE: usize = 50;

#[derive(Template)]
#[template(path = "plans.html", config = "src/dashboard/askama.toml")]
struct PlansPage {
    layout: Layout,
    rows: Vec<PlanRow>,
}

struct PlanRow {
    slug: String,
    name: String,
    accounts: String,
    servers: String,
}

#[derive(Template)]
#[template(path = "history.html", config = "src/dashboard/askama.toml")]
struct HistoryPage {
    layout: Layout,
    lines: Vec<HistoryLine>,
    newest: Option<String>,
    older: Option<String>,
}

/// Renders the page of the plans.
pub(super) fn plans(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    let plans = page_request.shared.readers.read(|transaction| transaction.plans())?;
    let row = |plan: Plan| PlanRow {
        accounts: limit(plan.max_accounts),
        servers: limit(plan.max_servers),
        slug: plan.slug,
        name: plan.name,
    };
    let rows = plans.into_iter().map(row).collect();
    Ok(page::html(200, "Plans", &PlansPage { layout: page_request.layout(signed_in_user, "plans"), rows }))
}

/// Renders the page of the complete history.
pub(super) fn history(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    query: &Form,
) -> Result<Response, PageError> {
    let (before, now) = (query.number("before"), page_request.shared.clock.wall());
    let (lines, last) = page_request.shared.readers.read(|transaction| lines(transaction, None, before, false, now))?;
    let older = last.map(|last| format!("{}?before={last}", Route::History));
    let newest = before.map(|_| Route::History.to_string());
    Ok(page::html(
        200,
        "History",
        &HistoryPage { layout: page_request.layout(signed_in_user, "history"), lines, newest, older },
    ))
}

/// A page of history entries, and the number of the last one if there are more.
pub(super) fn lines(
    transaction: &ReadTransaction<'_>,
    license: Option<i64>,
    before: Option<i64>,
    is_for_owner: bool,
    now: Timestamp,
) -> Result<(Vec<HistoryLine>, Option<i64>), Error> {
    let count = u32::try_from(PAGE_SIZE).unwrap_or(u32::MAX).saturating_add(1);
    let (events, last) = split(transaction.history(license, before, count)?, PAGE_SIZE, |event| event.id);
    // Notes and labels are the vendor's.
    let is_hidden = |event: &Event| is_for_owner && matches!(event.action, Action::NoteChanged | Action::LabelsChanged);
    let events = events.iter().filter(|event| !is_hidden(event));
    Ok((events.map(|event| HistoryLine::new(event, is_for_owner, now)).collect(), last))
}
