//! Making a license.

use std::sync::Arc;

use super::confirm_page::ConfirmPage;
use super::field::{Field, FieldKind, plan_option, typed_date, typed_ip};
use super::form::Form;
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::tokens;
use crate::actions::{self, Refusal};
use crate::store::{Error, WriteTransaction};
use opterius_http::response::Response;

/// The most users that are proposed as owners; a browser is not to be given thousands.
const PROPOSED: usize = 200;

/// The form.
pub(super) fn show(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    ask(page_request, signed_in_user, &Form::default(), None)
}

fn ask(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
    error: Option<String>,
) -> Result<Response, PageError> {
    let (users, plans) =
        page_request.shared.readers.read(|transaction| Ok::<_, Error>((transaction.users()?, transaction.plans()?)))?;
    let value = |name: &str| form.text(name).to_owned();
    let proposed = users.into_iter().take(PROPOSED).map(|user| (user.name, String::new())).collect();
    let fields = vec![
        Field {
            name: "owner",
            label: "Owner",
            value: value("owner"),
            hint: "The name of a user. Users are made with: opterius-license-server user add",
            required: true,
            options: proposed,
            ..Field::default()
        },
        Field {
            name: "plan",
            label: "Plan",
            kind: FieldKind::Select,
            value: value("plan"),
            required: true,
            options: plans.iter().map(plan_option).collect(),
            ..Field::default()
        },
        Field {
            name: "until",
            label: "Last day",
            kind: FieldKind::Date,
            value: value("until"),
            hint: "The license may be used to the end of this day (UTC). Leave it empty for a license that never expires.",
            ..Field::default()
        },
        Field {
            name: "ip",
            label: "Locked to the address",
            value: value("ip"),
            hint: "Leave it empty for a license that may be used at any address.",
            ..Field::default()
        },
    ];
    let confirm_page = ConfirmPage {
        layout: page_request.layout(signed_in_user, "licenses"),
        title: "New license".to_owned(),
        action: Route::NewLicense,
        heading: "New license".to_owned(),
        confirm_text: vec!["The license gets a key of its own, which its owner sees on its page.".to_owned()],
        hidden: vec![("once", tokens::random()?)],
        fields,
        confirm: "Make the license",
        dangerous: false,
        back: Route::Licenses,
        error,
    };
    Ok(confirm_page.answer())
}

/// Makes it.
pub(super) fn act(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    match make(page_request, signed_in_user, form) {
        Ok(id) => {
            let sentence = format!("License {id} is made. Give its key to its owner, or let them see it here.");
            Ok(page_request.redirect_with_flash(&signed_in_user.token, Route::License(id), &sentence))
        }
        // What is not there is something that was typed.
        Err(Refusal::Invalid(sentence) | Refusal::NotFound(sentence)) => {
            ask(page_request, signed_in_user, form, Some(sentence))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn make(page_request: &PageRequest, signed_in_user: &SignedInUser, form: &Form) -> Result<i64, Refusal> {
    let until = typed_date(form, "until")?;
    let ip = if form.text("ip").is_empty() { None } else { Some(typed_ip(form, "ip")?) };
    let (owner, plan) = (form.text("owner").to_owned(), form.text("plan").to_owned());
    let (submitted_forms, actor, state) =
        (form.text("once").to_owned(), signed_in_user.actor(), Arc::clone(&page_request.state));
    let key = actions::new_key()?;
    let made = page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        // On the writer's thread, where the same form cannot be looked at twice at the same time.
        if let Some(id) = state.submitted_forms.find(&submitted_forms) {
            return Ok(id);
        }
        let id = actions::create(transaction, &actor, &owner, &plan, until, ip, &key)?;
        state.submitted_forms.record(&submitted_forms, id);
        Ok(id)
    });
    if made.is_err() {
        page_request.state.submitted_forms.forget(form.text("once"));
    }
    made
}
