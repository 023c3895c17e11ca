//! The confirmation page: it explains an action and has its form. All forms but sign-in use it.

use askama::Template;

use super::field::{Field, FieldKind};
use super::page::{self, Layout};
use super::routes::Route;
use opterius_http::response::Response;

/// The page and its form.
#[derive(Template)]
#[template(path = "confirm_page.html", config = "src/dashboard/askama.toml")]
pub(super) struct ConfirmPage {
    pub(super) layout: Layout,
    pub(super) title: String,
    /// The target of the form.
    pub(super) action: Route,
    pub(super) heading: String,
    /// What will happen, in sentences.
    pub(super) confirm_text: Vec<String>,
    /// Hidden fields.
    pub(super) hidden: Vec<(&'static str, String)>,
    pub(super) fields: Vec<Field>,
    /// The label of the button.
    pub(super) confirm: &'static str,
    /// Whether the action is destructive.
    pub(super) dangerous: bool,
    /// The target of the link that leads back, and its label.
    pub(super) back: Route,
    pub(super) back_label: &'static str,
    /// The error in the previous input.
    pub(super) error: Option<String>,
}

impl ConfirmPage {
    /// Whether the form has a password field. Password managers then need a field with the user name.
    fn asks_password(&self) -> bool {
        self.fields.iter().any(|field| field.kind == FieldKind::Password)
    }

    /// The response; 422 if there was an error.
    pub(super) fn answer(&self) -> Response {
        let is_wrong = self.error.is_some() || self.fields.iter().any(|field| field.error.is_some());
        page::html(if is_wrong { 422 } else { 200 }, &self.title, self)
    }
}
