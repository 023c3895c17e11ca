//! The list of licenses.

use askama::Template;

use super::form::{Form, encode};
use super::format::{split, used};
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use crate::store::{Filter, ListedLicense};
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;
use opterius_http::response::Response;

/// Licenses per page.
const PAGE_SIZE: usize = 50;

/// The maximum length of a search text, in characters.
const MAX_SEARCH: usize = 128;

#[derive(Template)]
#[template(path = "licenses.html", config = "src/dashboard/askama.toml")]
struct LicensesPage {
    layout: Layout,
    heading: &'static str,
    administrator: bool,
    search: String,
    rows: Vec<Row>,
    newest: Option<String>,
    older: Option<String>,
}

struct Row {
    id: i64,
    page: Route,
    key: String,
    plan: String,
    status: &'static str,
    servers: String,
    owner: String,
    expiry: Option<Moment>,
}

impl Row {
    fn new(listed: &ListedLicense, now: Timestamp) -> Self {
        let license = &listed.license;
        Self {
            id: license.id,
            page: Route::License(license.id),
            key: license.key.masked(),
            plan: license.plan.name.clone(),
            status: license.effective_status(now),
            servers: used(listed.servers, license.plan.max_servers),
            owner: license.owner_name.clone(),
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
    let administrator = signed_in_user.user.administrator;
    let search: String = query.text("q").chars().take(MAX_SEARCH).filter(|_| administrator).collect();
    let before = query.number("before");
    let filter = Filter {
        owner: (!administrator).then_some(signed_in_user.user.id),
        search: Some(search.clone()).filter(|search| !search.is_empty()),
        before,
        all_servers: false,
    };
    let now = page_request.shared.clock.wall();
    let count = u32::try_from(PAGE_SIZE).unwrap_or(u32::MAX).saturating_add(1);
    let found = page_request.shared.readers.read(|transaction| transaction.licenses(&filter, count, now))?;
    let (found, last) = split(found, PAGE_SIZE, |listed| listed.license.id);
    let heading = if administrator { "Licenses" } else { "Your licenses" };
    Ok(page::html(
        200,
        heading,
        &LicensesPage {
            layout: page_request.layout(signed_in_user, "licenses"),
            heading,
            administrator,
            rows: found.iter().map(|listed| Row::new(listed, now)).collect(),
            newest: before.map(|_| address(&search, None)),
            older: last.map(|last| address(&search, Some(last))),
            search,
        },
    ))
}

fn address(search: &str, before: Option<i64>) -> String {
    let search = Some(search).filter(|search| !search.is_empty()).map(|search| format!("q={}", encode(search)));
    let before = before.map(|before| format!("before={before}"));
    let query: Vec<String> = search.into_iter().chain(before).collect();
    if query.is_empty() { Route::Licenses.to_string() } else { format!("{}?{}", Route::Licenses, query.join("&")) }
}
