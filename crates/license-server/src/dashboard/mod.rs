//! The dashboard: owners view the servers of their licenses and revoke or move them; administrators manage licenses. Pages
//! are rendered on the server and work without scripts.
//!
//! The front thread only copies what a request needs (`page_request`). Pages are rendered in the read lane and forms are
//! processed in the write lane, or in a lane of their own if they send mail (`dispatch`).

mod account;
mod administrator_actions;
mod api_tokens;
mod attempts;
mod browser;
mod bulk;
mod bulk_change;
mod chart;
mod confirm_page;
mod cookies;
mod dashboard_state;
mod dispatch;
mod field;
mod form;
mod format;
mod history_line;
mod license;
mod license_action;
mod license_actions;
mod license_context;
mod license_fields;
mod licenses;
mod licenses_csv;
mod list_query;
mod lists;
mod new_api_token;
mod new_license;
mod overview;
mod page;
mod page_error;
mod page_request;
mod page_slots;
mod password;
mod password_check;
mod refused_servers;
mod routes;
mod second_factor;
mod secret_page;
mod server_actions;
mod servers;
mod set_password;
mod sign_in;
mod signed_in_user;
mod standing_badge;
mod submitted_forms;
mod tokens;
mod user_action;
mod users;
mod webhook_action;
mod webhook_actions;
mod webhooks;
mod whole;

use std::sync::Arc;

use tiny_http::Method;

use self::dashboard_state::DashboardState;
use self::page::Layout;
use self::page_error::PageError;
use self::page_request::PageRequest;
use self::routes::Route;
use crate::config::Config;
use crate::shared::Shared;
use opterius_http::head::Head;
use opterius_http::origin::{self, Refusals};
use opterius_http::response::Response;
use opterius_http::service::{Reaction, Request};
use opterius_web::{ICON, STYLE};

/// Messages for requests with a wrong `Host` or `Origin`.
const REFUSALS: Refusals = Refusals {
    unknown_host: "This license server is not configured for this host name. The operator can add the name in \
                   license-server.conf: public_url=https://<name>",
    forbidden_origin: "The request came from a page of another site. Nothing was changed.",
};

/// The dashboard.
pub struct Dashboard {
    shared: Arc<Shared>,
    state: Arc<DashboardState>,
    style: Response,
    icon: Response,
}

impl Dashboard {
    /// Creates the dashboard.
    pub fn new(shared: Arc<Shared>) -> Self {
        let state = Arc::new(DashboardState::default());
        let style = page::file("text/css; charset=utf-8", [STYLE, include_str!("style.css")].concat());
        let icon = page::file("image/svg+xml", ICON.to_owned());
        Self { shared, state, style, icon }
    }

    /// Decides how to handle a request.
    pub fn react(&self, request: &Request<'_>) -> Reaction {
        let head = &request.head;
        let config = self.shared.config();
        if let Err(response) = check_origin(head, &config) {
            return Reaction::Answer(response);
        }
        let Some(route) = Route::find(head.path) else { return Reaction::Answer(not_found(head)) };
        match (&head.method, route) {
            (Method::Get | Method::Head, Route::Style) => Reaction::Answer(self.style.clone()),
            (Method::Get | Method::Head, Route::Icon) => Reaction::Answer(self.icon.clone()),
            (Method::Get | Method::Head, _) if route.shows() => {
                let page_request = self.page_request(request, route, &config);
                match page_request.page_slot() {
                    Ok(page_slot) => Reaction::Read(Box::new(move || {
                        let _held_while_rendering = page_slot;
                        dispatch::show(&page_request)
                    })),
                    Err(page_error) => {
                        Reaction::Answer(page::page_error(Layout::default(), &page_error, route.return_page()))
                    }
                }
            }
            (Method::Post, _) if route.acts() => {
                if let Err(response) = check_form(head) {
                    return Reaction::Answer(response);
                }
                self.process(self.page_request(request, route, &config), request.body.to_vec())
            }
            _ => Reaction::Answer(wrong_method(route)),
        }
    }

    /// Has the form processed in its lane.
    fn process(&self, page_request: PageRequest, body: Vec<u8>) -> Reaction {
        let route = page_request.route;
        // A queue full of guesses would refuse the right password too.
        let entered = if route.checks_secret() {
            self.state.attempts.enter(page_request.client, self.shared.clock.monotonic()).map(Some)
        } else {
            Ok(None)
        };
        let entry = match entered {
            Ok(entry) => entry,
            Err(wait) => {
                if matches!(route, Route::SignIn | Route::SignInCode) {
                    self.shared.metrics.sign_in("rate_limited");
                }
                let page_error = PageError::TooManyAttempts(wait);
                return Reaction::Answer(page::page_error(Layout::default(), &page_error, route.return_page()));
            }
        };
        let work = Box::new(move || {
            let _held_while_checking = entry;
            dispatch::act(&page_request, &body)
        });
        // The mail system can take its time; changes of others go on.
        if route.sends_mail() { Reaction::LongRunning(work) } else { Reaction::Write(work) }
    }

    fn page_request(&self, request: &Request<'_>, route: Route, config: &Arc<Config>) -> PageRequest {
        PageRequest::new(Arc::clone(&self.shared), Arc::clone(&self.state), Arc::clone(config), request, route)
    }
}

/// Checks `Host` and `Origin`. A proxy can send another `Host` than the browser, but the origin then still matches
/// `public_url`.
fn check_origin(head: &Head<'_>, config: &Config) -> Result<(), Response> {
    let known: Vec<String> = config.public_url.iter().map(|known| known.host.clone()).collect();
    let is_known = |origin: &str| config.public_url.as_ref().is_some_and(|known| known.url == origin);
    match origin::check(head, &known, &REFUSALS) {
        Ok(()) => Ok(()),
        Err(refused) if refused.status == 403 && head.only("origin").is_some_and(is_known) => Ok(()),
        Err(refused) => {
            let unknown_host = refused.status == 421;
            let (heading, sentence) = if unknown_host {
                ("Unknown host", REFUSALS.unknown_host)
            } else {
                ("Request rejected", REFUSALS.forbidden_origin)
            };
            Err(page::message(Layout::default(), refused.status, heading, sentence, Route::Licenses))
        }
    }
}

/// Checks `Sec-Fetch-Site` and the content type of a form.
fn check_form(head: &Head<'_>) -> Result<(), Response> {
    let is_own = |site: &[u8]| site == b"same-origin" || site == b"none";
    if !head.all("sec-fetch-site").all(is_own) {
        let sentence = REFUSALS.forbidden_origin;
        return Err(page::message(Layout::default(), 403, "Request rejected", sentence, Route::Licenses));
    }
    let media_type = head.only("content-type").unwrap_or_default();
    let (media_type, _) = media_type.split_once(';').unwrap_or((media_type, ""));
    if !media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let sentence =
            "This URL accepts only forms of the type application/x-www-form-urlencoded. Nothing was changed.";
        return Err(page::message(Layout::default(), 415, "Unsupported request", sentence, Route::Licenses));
    }
    Ok(())
}

/// 404: a page for browsers, JSON for other clients.
fn not_found(head: &Head<'_>) -> Response {
    let accepts_html = |value: &[u8]| String::from_utf8_lossy(value).contains("text/html");
    if head.all("accept").any(accepts_html) {
        page::page_error(Layout::default(), &PageError::NotFound, Route::Licenses)
    } else {
        Response::error(404, "not_found", "There is nothing at this path.")
    }
}

fn wrong_method(route: Route) -> Response {
    let sentence = format!("Only {} is allowed on this URL. Nothing was changed.", route.methods());
    page::message(Layout::default(), 405, "Unsupported request", &sentence, Route::Licenses)
        .with_header("Allow", route.methods())
}

#[cfg(test)]
mod testing;
#[cfg(test)]
#[path = "dashboard_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "webhooks_tests.rs"]
mod webhooks_tests;
