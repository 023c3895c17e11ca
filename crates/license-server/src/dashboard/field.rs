//! Form fields and their parsing.

use std::net::IpAddr;

use super::form::Form;
use super::page_error::PageError;
use crate::actions::Refusal;
use crate::model::Plan;
use crate::model::describe::limit_of;
use opterius_base::clock::Timestamp;

/// A form field. Its name is also its HTML id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: FieldKind,
    pub(super) value: String,
    /// The help text below the field.
    pub(super) hint: &'static str,
    pub(super) required: bool,
    /// The `autocomplete` attribute.
    pub(super) autocomplete: &'static str,
    /// Choices of a select field, checkboxes, or suggestions: value and label.
    pub(super) options: Vec<(String, String)>,
    /// What is wrong with the value.
    pub(super) error: Option<String>,
}

impl Field {
    /// A field for an IP address.
    pub(super) fn address(name: &'static str, label: &'static str) -> Self {
        let hint = "An IPv4 or IPv6 address, such as 203.0.113.5.";
        Self { name, label, hint, required: true, ..Self::default() }
    }

    /// The name of the checkbox for a value, which is also its HTML id.
    pub(super) fn checkbox(name: &str, value: &str) -> String {
        format!("{name}-{value}")
    }

    /// Whether the checkbox for this value is checked.
    pub(super) fn is_checked(&self, value: &str) -> bool {
        self.value.split(' ').any(|chosen| chosen == value)
    }

    /// The ids of the texts that describe the field, for `aria-describedby`.
    pub(super) fn described_by(&self) -> String {
        let name = self.name;
        let error = self.error.as_ref().map(|_| format!("{name}-error"));
        let hint = Some(format!("{name}-hint")).filter(|_| !self.hint.is_empty());
        error.into_iter().chain(hint).collect::<Vec<String>>().join(" ")
    }
}

/// The kind of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FieldKind {
    #[default]
    Text,
    Date,
    Password,
    Select,
    /// Any number of the options; the value has the chosen ones, with blanks between them.
    Checkboxes,
    /// Text of several lines.
    Lines,
}

impl FieldKind {
    /// The `type` attribute of the input.
    pub(super) fn input(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Password => "password",
            Self::Text | Self::Select | Self::Checkboxes | Self::Lines => "text",
        }
    }
}

/// A plan as a choice: slug, and name with limits.
pub(super) fn plan_option(plan: &Plan) -> (String, String) {
    let (servers, accounts) = (limit_of(plan.max_servers, "server"), limit_of(plan.max_accounts, "account"));
    let words = format!("{}: {servers}, {accounts} each", plan.name);
    (plan.slug.clone(), words)
}

/// The server address in a hidden field or a link.
pub(super) fn server_ip(form: &Form) -> Result<IpAddr, PageError> {
    form.text("ip").parse().map_err(|_| PageError::Malformed)
}

/// An IP address that the user entered.
pub(super) fn typed_ip(form: &Form, name: &str) -> Result<IpAddr, Refusal> {
    let typed = form.text(name);
    let wrong = |sentence: String| Err(Refusal::Invalid(sentence));
    match typed.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) => Ok(ip),
        Err(_) if typed.is_empty() => wrong("Enter an IP address.".to_owned()),
        Err(_) => wrong("This is not an IP address such as 203.0.113.5 or 2001:db8::5.".to_owned()),
    }
}

/// A date that the user entered; empty means never.
pub(super) fn typed_date(form: &Form, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let typed = form.text(name);
    if typed.is_empty() {
        return Ok(None);
    }
    let wrong = || Refusal::Invalid("This is not a date such as 2027-03-31.".to_owned());
    Timestamp::parse_expiry(typed).map(Some).ok_or_else(wrong)
}
