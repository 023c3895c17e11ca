//! A page that says what will happen and asks for what is needed: all forms but the one to sign in look like this.

use askama::Template;

use super::page::{self, Frame};
use super::routes::Route;
use opterius_http::response::Response;

/// The page.
#[derive(Template)]
#[template(path = "question.html", config = "src/dashboard/askama.toml")]
pub(super) struct Question {
    pub(super) frame: Frame,
    /// Where the form goes.
    pub(super) action: Route,
    pub(super) heading: String,
    /// What will happen.
    pub(super) sentences: Vec<String>,
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

/// A field to fill in. Its name is its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    pub(super) value: String,
    /// A sentence of help below it.
    pub(super) hint: &'static str,
    pub(super) required: bool,
    /// What browsers fill in by themselves.
    pub(super) autocomplete: &'static str,
    /// What can be chosen, or what is proposed: value and label.
    pub(super) options: Vec<(String, String)>,
}

/// How a field is filled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Text,
    Date,
    Password,
    Select,
}

impl Kind {
    fn input(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Password => "password",
            Self::Text | Self::Select => "text",
        }
    }
}

impl Question {
    /// Whether it asks for a password, so that what keeps passwords has to know whose it is.
    fn asks_password(&self) -> bool {
        self.fields.iter().any(|field| field.kind == Kind::Password)
    }

    /// The answer; 422 when it is asked again.
    pub(super) fn answer(&self) -> Response {
        page::html(if self.error.is_some() { 422 } else { 200 }, self)
    }
}
