//! Actions on a license: the confirmation page, then the form.

use super::confirm_page::ConfirmPage;
use super::field::{Field, server_ip};
use super::form::Form;
use super::license_action::{ActionTarget, LicenseAction, Presence};
use super::license_context::LicenseContext;
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use crate::actions::{ChangeContext, Refusal};
use crate::model::Action;
use crate::store::WriteTransaction;
use opterius_http::response::Response;

/// Renders the confirmation page.
pub(super) fn show(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    license_action: &'static LicenseAction,
    query: &Form,
) -> Result<Response, PageError> {
    Ok(confirm_page(page_request, signed_in_user, id, license_action, query, None)?.answer())
}

/// The confirmation page; after an error, with the previous input.
fn confirm_page(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    license_action: &'static LicenseAction,
    form: &Form,
    error: Option<String>,
) -> Result<ConfirmPage, PageError> {
    let context = read_context(page_request, signed_in_user, id, license_action, form)?;
    let heading = (license_action.heading)(&context);
    let hidden = match context.ip {
        Some(ip) => ("ip", ip.to_string()),
        None => ("revision", context.license.revision.to_string()),
    };
    // The links of a refused server fill in its address.
    let is_about_server = matches!(license_action.target, ActionTarget::Server(_));
    let has_value = |field: &Field| form.get(field.name).is_some();
    let with_value = |field: Field| {
        if error.is_some() || is_about_server && has_value(&field) {
            Field { value: form.text(field.name).to_owned(), ..field }
        } else {
            field
        }
    };
    let fields = (license_action.fields)(&context).into_iter().map(with_value).collect();
    Ok(ConfirmPage {
        layout: page_request.layout(signed_in_user, "licenses"),
        title: heading.clone(),
        action: Route::LicenseAction(id, license_action),
        heading,
        confirm_text: (license_action.confirm_text)(&context),
        hidden: vec![hidden],
        fields,
        confirm: license_action.confirm,
        dangerous: license_action.dangerous,
        back: Route::License(id),
        back_label: license_action.back_label(),
        error,
    })
}

/// Reads the license, and the server if the action is about one, which must exist.
fn read_context(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    license_action: &LicenseAction,
    form: &Form,
) -> Result<LicenseContext, PageError> {
    let ip = match license_action.target {
        ActionTarget::License { .. } => None,
        ActionTarget::Server(_) => Some(server_ip(form)?),
    };
    let now = page_request.shared.clock.wall();
    let context = page_request
        .shared
        .readers
        .read(|transaction| LicenseContext::read(transaction, signed_in_user, id, ip, now))?;
    match absence(&context, license_action) {
        Some(sentence) => Err(Refusal::NotFound(sentence).into()),
        None => Ok(context),
    }
}

/// Why an action does not apply to the server that it is about; `None` if it does.
fn absence(context: &LicenseContext, license_action: &LicenseAction) -> Option<String> {
    let ActionTarget::Server(presence) = license_action.target else { return None };
    let (id, ip) = (context.license.id, context.ip?);
    let is_locked = context.license.locked_ip == Some(ip);
    match presence {
        Presence::Activated if context.server.is_none() => Some(format!("License {id} is not activated on {ip}.")),
        Presence::ActivatedOrLocked if context.server.is_none() && !is_locked => {
            Some(format!("License {id} is not activated on {ip}."))
        }
        Presence::Refused if context.refused.is_none() => {
            Some(format!("{ip} is not refused any more: it uses license {id}, or it has not asked for 30 days."))
        }
        Presence::KeptOut if context.block.is_none() => Some(format!("License {id} does not keep {ip} out.")),
        _ => None,
    }
}

/// Processes the form.
pub(super) fn act(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    license_action: &'static LicenseAction,
    form: &Form,
) -> Result<Response, PageError> {
    match run(page_request, signed_in_user, id, license_action, form) {
        Ok(sentence) => {
            let page =
                if license_action.history_action == Action::Deleted { Route::Licenses } else { Route::License(id) };
            Ok(page_request.redirect_with_flash(&signed_in_user.token, page, &sentence))
        }
        Err(PageError::Refused(Refusal::Invalid(sentence))) => {
            Ok(confirm_page(page_request, signed_in_user, id, license_action, form, Some(sentence))?.answer())
        }
        // If the form has fields, these errors are about their values: show them on the form.
        Err(PageError::Refused(refusal @ (Refusal::Unchanged(_) | Refusal::Conflict(_) | Refusal::NotFound(_)))) => {
            let sentence = Some(refusal.to_string());
            let page = confirm_page(page_request, signed_in_user, id, license_action, form, sentence)?;
            if page.fields.is_empty() { Err(refusal.into()) } else { Ok(page.answer()) }
        }
        Err(page_error) => Err(page_error),
    }
}

fn run(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    license_action: &LicenseAction,
    form: &Form,
) -> Result<String, PageError> {
    // The revision that the user saw. Server actions do not depend on it: the address identifies the server.
    let seen = match license_action.target {
        ActionTarget::License { .. } => Some(form.number("revision").ok_or(PageError::Malformed)?),
        ActionTarget::Server(_) => None,
    };
    let operation = (license_action.parse)(form)?;
    let (actor, user) = (signed_in_user.actor(), signed_in_user.user.clone());
    let result = page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        operation.perform(transaction, &user, &ChangeContext { actor: &actor, seen }, id)
    });
    Ok(result?)
}
