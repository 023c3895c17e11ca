//! What administrators see beside the licenses: the plans, and the history of everything.

use askama::Template;

use super::form::Form;
use super::line::Line;
use super::page::{self, Layout};
use super::person::Person;
use super::routes::Route;
use super::shown::split;
use super::trouble::Trouble;
use super::visit::Visit;
use crate::model::Plan;
use crate::model::in_words::limit;
use crate::store::{Error, Reader};
use opterius_base::clock::Timestamp;
use opterius_http::response::Response;

/// Lines of the history on a page.
const ON_A_PAGE: usize = 50;

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
    lines: Vec<Line>,
    newest: Option<String>,
    older: Option<String>,
}

/// The plans.
pub(super) fn plans(visit: &Visit, person: &Person) -> Result<Response, Trouble> {
    let plans = visit.shared.readers.read(|reader| reader.plans())?;
    let row = |plan: Plan| PlanRow {
        accounts: limit(plan.max_accounts),
        servers: limit(plan.max_servers),
        slug: plan.slug,
        name: plan.name,
    };
    let rows = plans.into_iter().map(row).collect();
    Ok(page::html(200, "Plans", &PlansPage { layout: visit.layout(person, "plans"), rows }))
}

/// The history of everything.
pub(super) fn history(visit: &Visit, person: &Person, query: &Form) -> Result<Response, Trouble> {
    let (before, now) = (query.number("before"), visit.shared.clock.wall());
    let (lines, last) = visit.shared.readers.read(|reader| lines(reader, None, before, now))?;
    let older = last.map(|last| format!("{}?before={last}", Route::History));
    let newest = before.map(|_| Route::History.to_string());
    Ok(page::html(200, "History", &HistoryPage { layout: visit.layout(person, "history"), lines, newest, older }))
}

/// A page of the history, and the line to go on from.
pub(super) fn lines(
    reader: &Reader<'_>,
    license: Option<i64>,
    before: Option<i64>,
    now: Timestamp,
) -> Result<(Vec<Line>, Option<i64>), Error> {
    let count = u32::try_from(ON_A_PAGE).unwrap_or(u32::MAX).saturating_add(1);
    let (events, last) = split(reader.history(license, before, count)?, ON_A_PAGE, |event| event.id);
    Ok((events.iter().map(|event| Line::new(event, now)).collect(), last))
}
