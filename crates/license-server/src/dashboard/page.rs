//! What all pages have in common: the frame around them, and the headers that keep a browser from doing more with them
//! than showing them.

use std::sync::Arc;

use askama::Template;

use super::routes::Route;
use super::trouble::Trouble;
use opterius_http::response::{HTML, Response};

/// `same-origin` and not `no-referrer`: with that, browsers send `Origin: null` with our own forms.
const HEADERS: [(&str, &str); 4] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
];

/// What stands around a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    /// The page's title.
    pub(super) title: String,
    /// Who is signed in, if anybody.
    pub(super) user: Option<SignedIn>,
    /// The token of the page's forms.
    pub(super) csrf: String,
    /// The sentence that the last form came to.
    pub(super) flash: Option<String>,
    /// The entry of the navigation that the page belongs to.
    pub(super) here: &'static str,
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedIn {
    pub(super) name: String,
    pub(super) administrator: bool,
}

/// A page that says why there is no other.
#[derive(Template)]
#[template(path = "trouble.html", config = "src/dashboard/askama.toml")]
struct TroublePage<'a> {
    frame: &'a Frame,
    sentence: &'a str,
    back: Route,
    back_label: &'static str,
}

/// A page.
pub(super) fn html(status: u16, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => with_headers(status, HTML, text.into_bytes()),
        Err(_) => Response::error(500, "internal_error", "The page could not be written."),
    }
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
pub(super) fn trouble(frame: Frame, trouble: &Trouble, back: Route) -> Response {
    let response = message(frame, trouble.status(), trouble.heading(), &trouble.sentence(), back);
    match trouble.retry_after() {
        Some(seconds) => response.with_header("Retry-After", seconds.to_string()),
        None => response,
    }
}

/// A page with one sentence.
pub(super) fn message(frame: Frame, status: u16, heading: &str, sentence: &str, back: Route) -> Response {
    let frame = Frame { title: heading.to_owned(), ..frame };
    let back_label = match back {
        Route::License(_) => "Back to the license",
        Route::Password => "Back to the password",
        Route::SignIn => "Sign in",
        _ => "Go to the licenses",
    };
    html(status, &TroublePage { frame: &frame, sentence, back, back_label })
}

fn with_headers(status: u16, content_type: &'static str, body: Vec<u8>) -> Response {
    let headers = HEADERS.map(|(name, value)| (name, value.to_owned())).to_vec();
    Response { status, content_type, headers, body: Arc::new(body) }
}
