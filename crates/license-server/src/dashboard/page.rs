//! What all pages have in common: the frame around them, and what stands above their content.

use std::sync::{Arc, LazyLock};

use askama::Template;

use super::page_error::PageError;
use super::routes::Route;
use opterius_http::response::{HTML, Response};
use opterius_web::frame::Frame;

/// The frame around all pages.
static FRAME: LazyLock<Frame> = LazyLock::new(|| Frame::of_site(&Route::Style.to_string(), &Route::Icon.to_string()));

/// What stands above the content of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// Who is signed in, if anybody.
    pub(super) user: Option<LayoutUser>,
    /// The token of the page's forms.
    pub(super) csrf: String,
    /// The sentence that the last form came to.
    pub(super) flash: Option<String>,
    /// The entry of the navigation that the page belongs to.
    pub(super) section: &'static str,
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LayoutUser {
    pub(super) name: String,
    pub(super) administrator: bool,
}

/// A page that says why there is no other.
#[derive(Template)]
#[template(path = "error_page.html", config = "src/dashboard/askama.toml")]
struct ErrorPage<'a> {
    layout: Layout,
    heading: &'a str,
    sentence: &'a str,
    back: Route,
    back_label: &'static str,
}

/// A page with this title.
pub(super) fn html(status: u16, title: &str, template: &impl Template) -> Response {
    let Ok(content) = template.render() else {
        return Response::error(500, "internal_error", "The page could not be written.");
    };
    let mut page = FRAME.begin(&format!("{title} · Opterius Licenses"));
    // The engine leaves out the end of a template's last line.
    page.rendered(&content).markup("\n");
    with_headers(status, HTML, FRAME.end(page))
}

/// A file that is part of the program.
pub(super) fn file(content_type: &'static str, text: String) -> Response {
    with_headers(200, content_type, text.into_bytes())
}

/// Go there.
pub(super) fn see_other(location: String) -> Response {
    with_headers(303, HTML, Vec::new()).with_header("Location", location)
}

/// The page for a trouble, from which one goes back to another page.
pub(super) fn page_error(layout: Layout, page_error: &PageError, back: Route) -> Response {
    let response = message(layout, page_error.status(), page_error.heading(), &page_error.sentence(), back);
    match page_error.retry_after() {
        Some(seconds) => response.with_header("Retry-After", seconds.to_string()),
        None => response,
    }
}

/// A page with one sentence.
pub(super) fn message(layout: Layout, status: u16, heading: &str, sentence: &str, back: Route) -> Response {
    let back_label = match back {
        Route::License(_) => "Back to the license",
        Route::Password => "Back to the password",
        Route::SignIn => "Sign in",
        _ => "Go to the licenses",
    };
    html(status, heading, &ErrorPage { layout, heading, sentence, back, back_label })
}

fn with_headers(status: u16, content_type: &'static str, body: Vec<u8>) -> Response {
    let headers = FRAME.headers().map(|(name, value)| (name, value.to_owned())).to_vec();
    Response { status, content_type, headers, body: Arc::new(body) }
}
