//! Changing the user's own password.

use log::info;

use super::confirm_page::ConfirmPage;
use super::cookies::Cookie;
use super::field::{Field, FieldKind};
use super::form::Form;
use super::page_error::PageError;
use super::page_request::{PageRequest, SESSION_TIME};
use super::password_check;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::tokens;
use crate::actions::{self, Refusal};
use crate::passwords;
use crate::store::{Error, WriteTransaction};
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_http::response::Response;

/// Renders the form.
pub(super) fn show(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    Ok(ask(page_request, signed_in_user, None).answer())
}

fn ask(page_request: &PageRequest, signed_in_user: &SignedInUser, error: Option<String>) -> ConfirmPage {
    let field = |name, label, autocomplete, hint| Field {
        name,
        label,
        kind: FieldKind::Password,
        hint,
        required: true,
        autocomplete,
        ..Field::default()
    };
    ConfirmPage {
        layout: page_request.layout(signed_in_user, "account"),
        title: "Password".to_owned(),
        action: Route::Password,
        heading: "Change your password".to_owned(),
        confirm_text: vec![format!(
            "You are signed in as {}. All your other sessions will be signed out.",
            signed_in_user.user.name
        )],
        hidden: Vec::new(),
        fields: vec![
            field("old", "Current password", "current-password", ""),
            field("new", "New password", "new-password", "At least 12 characters."),
            field("again", "Confirm new password", "new-password", ""),
        ],
        confirm: "Change password",
        dangerous: false,
        back: Route::Account,
        back_label: "Go back",
        error,
    }
}

/// Processes the form.
pub(super) fn act(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    match change(page_request, signed_in_user, form) {
        Ok(token) => {
            info!("{} changed their password from {}", one_line(&signed_in_user.user.name, 64), page_request.client);
            let session = page_request.cookies.set(Cookie::Session, &token, Some(SESSION_TIME.as_secs()));
            let sentence = "Password changed. All your other sessions have been signed out.";
            Ok(page_request.redirect_with_flash(&token, Route::Licenses, sentence).with_header("Set-Cookie", session))
        }
        Err(PageError::Refused(Refusal::Invalid(sentence))) => {
            Ok(ask(page_request, signed_in_user, Some(sentence)).answer())
        }
        Err(page_error) => Err(page_error),
    }
}

/// Changes the password and returns the token of the new session.
fn change(page_request: &PageRequest, signed_in_user: &SignedInUser, form: &Form) -> Result<String, PageError> {
    let typed = |name: &str| Secret::new(form.get(name).unwrap_or_default().to_owned());
    let invalid = |sentence: &str| PageError::Refused(Refusal::Invalid(sentence.to_owned()));
    let (old, new, again) = (typed("old"), typed("new"), typed("again"));
    if new != again {
        return Err(invalid("The new passwords do not match."));
    }
    passwords::check(&new).map_err(Refusal::Invalid)?;
    let (user, before) = password_check::check(page_request, &signed_in_user.user.name, &old)?;
    let hash = passwords::hash(&new).map_err(|cause| Refusal::Store(Error::Failed(cause)))?;
    let token = tokens::random()?;
    let (session, actor, name) = (page_request.session_start(&token), signed_in_user.actor(), user.name);
    page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        // A password that was set meanwhile, for example by the operator, must not be overwritten.
        if transaction.user(&name)?.is_none_or(|(_, current)| current != before) {
            return Err(Refusal::Conflict(
                "Your password has been changed elsewhere in the meantime. Nothing was changed.".to_owned(),
            ));
        }
        actions::set_password(transaction, &actor, &name, &hash)?;
        Ok(session.start(transaction, user.id)?)
    })?;
    Ok(token)
}
