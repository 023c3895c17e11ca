//! The parts that all pages share: the frame and the header.

use std::sync::{Arc, LazyLock};

use askama::Template;

use super::page_error::PageError;
use super::routes::Route;
use opterius_http::response::{HTML, Response};
use opterius_web::frame::Frame;

/// The frame around all pages.
static FRAME: LazyLock<Frame> = LazyLock::new(|| Frame::of_site(&Route::Style.to_string(), &Route::Icon.to_string()));

/// The header of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// The signed-in user, if any.
    pub(super) user: Option<LayoutUser>,
    /// The CSRF token of the page's forms.
    pub(super) csrf: String,
    /// The result message of the last form.
    pub(super) flash: Option<String>,
    /// The current navigation entry.
    pub(super) section: &'static str,
}

/// The signed-in user, for the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LayoutUser {
    pub(super) name: String,
    pub(super) administrator: bool,
}

/// An error page.
#[derive(Template)]
#[template(path = "error_page.html", config = "src/dashboard/askama.toml")]
struct ErrorPage<'a> {
    layout: Layout,
    heading: &'a str,
    sentence: &'a str,
    back: Route,
    back_label: &'static str,
}

/// Renders a page with this title.
pub(super) fn html(status: u16, title: &str, template: &impl Template) -> Response {
    let Ok(content) = template.render() else {
        return Response::error(500, "internal_error", "The page could not be rendered.");
    };
    let mut page = FRAME.begin(&format!("{title} · Opterius Licenses"));
    // The template engine drops the last newline.
    page.rendered(&content).markup("\n");
    with_headers(status, HTML, FRAME.end(page))
}

/// A static file that is built into the program.
pub(super) fn file(content_type: &'static str, text: String) -> Response {
    with_headers(200, content_type, text.into_bytes())
}

/// A file that the browser saves.
pub(super) fn download(name: &str, content_type: &'static str, text: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    with_headers(200, content_type, text.into_bytes()).with_header("Content-Disposition", disposition)
}

/// A redirect (303).
pub(super) fn see_other(location: String) -> Response {
    with_headers(303, HTML, Vec::new()).with_header("Location", location)
}

/// The page for an error, with a link back.
pub(super) fn page_error(layout: Layout, page_error: &PageError, back: Route) -> Response {
    let response = message(layout, page_error.status(), page_error.heading(), &page_error.sentence(), back);
    match page_error.retry_after() {
        Some(seconds) => response.with_header("Retry-After", seconds.to_string()),
        None => response,
    }
}

/// An error page with this message.
pub(super) fn message(layout: Layout, status: u16, heading: &str, sentence: &str, back: Route) -> Response {
    let back_label = match back {
        Route::License(_) => "Back to the license",
        Route::Webhook(_) => "Back to the webhook",
        Route::Webhooks | Route::NewWebhook => "Back to the webhooks",
        Route::ApiTokens | Route::NewApiToken => "Back to the API tokens",
        Route::Password => "Back to the password",
        Route::SignIn => "Sign in",
        _ => "Go to the licenses",
    };
    html(status, heading, &ErrorPage { layout, heading, sentence, back, back_label })
}

fn with_headers(status: u16, content_type: &'static str, body: Vec<u8>) -> Response {
    let headers = FRAME.headers().map(|(name, value)| (name, value.to_owned())).to_vec();
    Response { status, content_type, headers, body: Arc::new(body), tail: None }
}
