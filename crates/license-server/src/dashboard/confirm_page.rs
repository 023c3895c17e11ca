//! A page that says what will happen and asks for what is needed: all forms but the one to sign in look like this.

use askama::Template;

use super::field::{Field, FieldKind};
use super::page::{self, Layout};
use super::routes::Route;
use opterius_http::response::Response;

/// The page.
#[derive(Template)]
#[template(path = "confirm_page.html", config = "src/dashboard/askama.toml")]
pub(super) struct ConfirmPage {
    pub(super) layout: Layout,
    pub(super) title: String,
    /// Where the form goes.
    pub(super) action: Route,
    pub(super) heading: String,
    /// What will happen.
    pub(super) confirm_text: Vec<String>,
    /// What the form carries unseen.
    pub(super) hidden: Vec<(&'static str, String)>,
    pub(super) fields: Vec<Field>,
    /// The words on the button.
    pub(super) confirm: &'static str,
    /// Whether it takes something away.
    pub(super) dangerous: bool,
    /// Where one goes without doing it.
    pub(super) back: Route,
    /// What was wrong with what was typed before.
    pub(super) error: Option<String>,
}

impl ConfirmPage {
    /// Whether it asks for a password, so that what keeps passwords has to know whose it is.
    fn asks_password(&self) -> bool {
        self.fields.iter().any(|field| field.kind == FieldKind::Password)
    }

    /// The answer; 422 when it is asked again.
    pub(super) fn answer(&self) -> Response {
        page::html(if self.error.is_some() { 422 } else { 200 }, &self.title, self)
    }
}
