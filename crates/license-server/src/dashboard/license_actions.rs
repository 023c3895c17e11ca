//! Actions on a license: the confirmation page, then the form.

use super::confirm_page::ConfirmPage;
use super::field::{Field, server_ip};
use super::form::Form;
use super::license_action::{ActionTarget, LicenseAction};
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
    let input = error.is_some().then_some(form);
    let field = license_action.field.map(|field| field(&context)).map(|field| match input {
        Some(form) => Field { value: form.text(field.name).to_owned(), ..field },
        None => field,
    });
    Ok(ConfirmPage {
        layout: page_request.layout(signed_in_user, "licenses"),
        title: heading.clone(),
        action: Route::LicenseAction(id, license_action),
        heading,
        confirm_text: (license_action.confirm_text)(&context),
        hidden: vec![hidden],
        fields: field.into_iter().collect(),
        confirm: license_action.confirm,
        dangerous: license_action.dangerous,
        back: Route::License(id),
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
        ActionTarget::Server { .. } => Some(server_ip(form)?),
    };
    let now = page_request.shared.clock.wall();
    let context = page_request
        .shared
        .readers
        .read(|transaction| LicenseContext::read(transaction, signed_in_user, id, ip, now))?;
    let is_lock = matches!(license_action.target, ActionTarget::Server { accepts_locked_address: true })
        && context.license.locked_ip == ip;
    match ip {
        Some(ip) if context.server.is_none() && !is_lock => {
            Err(Refusal::NotFound(format!("License {id} is not activated on {ip}.")).into())
        }
        _ => Ok(context),
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
        // If the form has a field, these errors are about its value: show them on the form.
        Err(PageError::Refused(Refusal::Conflict(sentence) | Refusal::NotFound(sentence)))
            if license_action.field.is_some() =>
        {
            Ok(confirm_page(page_request, signed_in_user, id, license_action, form, Some(sentence))?.answer())
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
        ActionTarget::Server { .. } => None,
    };
    let operation = (license_action.parse)(form)?;
    let (actor, user) = (signed_in_user.actor(), signed_in_user.user.clone());
    let result = page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        operation.perform(transaction, &user, &ChangeContext { actor: &actor, seen }, id)
    });
    Ok(result?)
}
