//! The list of licenses.

use askama::Template;

use super::form::{Form, encode};
use super::format::used;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use crate::store::{Cursor, Filter, ListedLicense, Sort};
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;
use opterius_http::response::Response;

/// Licenses per page.
const PAGE_SIZE: u32 = 50;

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
    let after = Cursor::parse(query.text("after"), Sort::Newest);
    let filter = Filter {
        owner: (!administrator).then_some(signed_in_user.user.id),
        search: Some(search.clone()).filter(|search| !search.is_empty()),
        after: after.clone(),
        ..Filter::default()
    };
    let now = page_request.shared.clock.wall();
    let page = page_request.shared.readers.read(|transaction| transaction.licenses(&filter, PAGE_SIZE, now))?;
    let heading = if administrator { "Licenses" } else { "Your licenses" };
    Ok(page::html(
        200,
        heading,
        &LicensesPage {
            layout: page_request.layout(signed_in_user, "licenses"),
            heading,
            administrator,
            rows: page.licenses.iter().map(|listed| Row::new(listed, now)).collect(),
            newest: after.map(|_| address(&search, None)),
            older: page.next.map(|next| address(&search, Some(&next))),
            search,
        },
    ))
}

fn address(search: &str, after: Option<&Cursor>) -> String {
    let search = Some(search).filter(|search| !search.is_empty()).map(|search| format!("q={}", encode(search)));
    let before = after.map(|after| format!("after={}", encode(&after.to_string())));
    let query: Vec<String> = search.into_iter().chain(before).collect();
    if query.is_empty() { Route::Licenses.to_string() } else { format!("{}?{}", Route::Licenses, query.join("&")) }
}
