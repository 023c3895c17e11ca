//! The page with a new secret, which is shown this once.

use askama::Template;

use super::page::{self, Layout};
use super::routes::Route;
use opterius_http::response::Response;

/// The page. It is the answer to the form itself: its URL shows the secret to no later request.
#[derive(Template)]
#[template(path = "secret.html", config = "src/dashboard/askama.toml")]
pub(super) struct SecretPage<'a> {
    pub(super) layout: Layout,
    pub(super) heading: String,
    /// What the secret is for, in sentences.
    pub(super) explanation: Vec<String>,
    pub(super) secret: &'a str,
    /// Where to go on, and the label of the link.
    pub(super) next: Route,
    pub(super) next_label: &'static str,
}

impl SecretPage<'_> {
    pub(super) fn answer(&self) -> Response {
        page::html(200, &self.heading, self)
    }
}
