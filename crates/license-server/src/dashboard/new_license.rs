//! Creating a license.

use super::confirm_page::ConfirmPage;
use super::field::{Field, FieldKind, plan_option, typed_date, typed_ip};
use super::form::Form;
use super::license_fields::{labels_field, note_field, reference_field, typed_labels, typed_note, typed_reference};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::tokens;
use crate::actions::{self, CreatedLicense, LicenseTerms, Refusal};
use crate::store::Error;
use opterius_http::response::Response;

/// The maximum number of users that are suggested as owners, to keep the page small.
const MAX_SUGGESTIONS: usize = 200;

/// Renders the form.
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
    let suggestions = users.into_iter().take(MAX_SUGGESTIONS).map(|user| (user.name, String::new())).collect();
    let fields = vec![
        Field {
            name: "owner",
            label: "Owner",
            value: value("owner"),
            hint: "The name of a user. To add one, see Users.",
            required: true,
            options: suggestions,
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
            hint: "The license is valid through this day (UTC). Leave empty for a license that never expires.",
            ..Field::default()
        },
        Field {
            name: "ip",
            label: "Lock to address",
            value: value("ip"),
            hint: "Leave empty for a license that can be used at any address.",
            ..Field::default()
        },
        Field {
            name: "trial",
            label: "Kind",
            kind: FieldKind::Select,
            value: value("trial"),
            options: vec![("no".to_owned(), "Full license".to_owned()), ("yes".to_owned(), "Trial".to_owned())],
            ..Field::default()
        },
        reference_field(&value("reference")),
        labels_field(&value("labels")),
        note_field(&value("note")),
    ];
    let confirm_page = ConfirmPage {
        layout: page_request.layout(signed_in_user, "licenses"),
        title: "New license".to_owned(),
        action: Route::NewLicense,
        heading: "New license".to_owned(),
        confirm_text: vec!["The server generates a key. The owner can view it on the page of the license.".to_owned()],
        hidden: vec![("once", tokens::random()?)],
        fields,
        confirm: "Create license",
        dangerous: false,
        back: Route::Licenses,
        back_label: "Go back",
        error,
    };
    Ok(confirm_page.answer())
}

/// Processes the form.
pub(super) fn act(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    match create(page_request, signed_in_user, form) {
        Ok((id, warning)) => {
            let sentence = format!("License {id} created. The owner can view its key here.{warning}");
            Ok(page_request.redirect_with_flash(&signed_in_user.token, Route::License(id), &sentence))
        }
        // An unknown owner or plan, or a reference of another license, is an input error: show it on the form.
        Err(Refusal::Invalid(sentence) | Refusal::NotFound(sentence) | Refusal::Conflict(sentence)) => {
            ask(page_request, signed_in_user, form, Some(sentence))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The number of the license, and what to warn of.
fn create(page_request: &PageRequest, signed_in_user: &SignedInUser, form: &Form) -> Result<(i64, String), Refusal> {
    let until = typed_date(form, "until")?;
    let ip = if form.text("ip").is_empty() { None } else { Some(typed_ip(form, "ip")?) };
    let terms = LicenseTerms {
        owner: form.text("owner").to_owned(),
        plan: form.text("plan").to_owned(),
        expires_at: until,
        locked_ip: ip,
        reference: typed_reference(form),
        note: typed_note(form),
        labels: typed_labels(form),
        is_trial: form.text("trial") == "yes",
    };
    let (actor, key) = (signed_in_user.actor(), actions::new_key()?);
    let (id, warning) = page_request.create_once(form, move |transaction| {
        let CreatedLicense { license, warning } = actions::create_license(transaction, &actor, &terms, &key)?;
        Ok((license.id, warning))
    })?;
    Ok((id, warning.unwrap_or_default()))
}
