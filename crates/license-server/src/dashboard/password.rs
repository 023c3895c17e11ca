//! Changing one's own password.

use log::info;

use super::cookies::Cookie;
use super::field::{Field, Kind};
use super::form::Form;
use super::person::Person;
use super::question::Question;
use super::routes::Route;
use super::sign_in::{self, SESSION_TIME};
use super::tokens;
use super::trouble::Trouble;
use super::visit::Visit;
use crate::actions::{self, Refusal};
use crate::passwords;
use crate::store::{Changes, Error};
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_http::response::Response;

/// The form.
pub(super) fn show(visit: &Visit, person: &Person) -> Result<Response, Trouble> {
    Ok(ask(visit, person, None).answer())
}

fn ask(visit: &Visit, person: &Person, error: Option<String>) -> Question {
    let field = |name, label, autocomplete, hint| Field {
        name,
        label,
        kind: Kind::Password,
        hint,
        required: true,
        autocomplete,
        ..Field::default()
    };
    Question {
        layout: visit.layout(person, "password"),
        title: "Password".to_owned(),
        action: Route::Password,
        heading: "Change your password".to_owned(),
        sentences: vec![format!(
            "You are signed in as {}. All your other sessions end; this one goes on.",
            person.user.name
        )],
        hidden: Vec::new(),
        fields: vec![
            field("old", "Password now", "current-password", ""),
            field("new", "New password", "new-password", "At least 12 characters."),
            field("again", "New password again", "new-password", ""),
        ],
        confirm: "Change password",
        dangerous: false,
        back: Route::Licenses,
        error,
    }
}

/// Changes it.
pub(super) fn act(visit: &Visit, person: &Person, form: &Form) -> Result<Response, Trouble> {
    match change(visit, person, form) {
        Ok(token) => {
            info!("{} changed the password from {}", one_line(&person.user.name, 64), visit.client);
            let session = visit.cookies.set(Cookie::Session, &token, Some(SESSION_TIME.as_secs()));
            let sentence = "Your password is changed, and all your other sessions have ended.";
            Ok(visit.see_result(&token, Route::Licenses, sentence).with_header("Set-Cookie", session))
        }
        Err(Trouble::Refused(Refusal::Invalid(sentence))) => Ok(ask(visit, person, Some(sentence)).answer()),
        Err(trouble) => Err(trouble),
    }
}

/// The token of the new session.
fn change(visit: &Visit, person: &Person, form: &Form) -> Result<String, Trouble> {
    let typed = |name: &str| Secret::new(form.get(name).unwrap_or_default().to_owned());
    let invalid = |sentence: &str| Trouble::Refused(Refusal::Invalid(sentence.to_owned()));
    let (old, new, again) = (typed("old"), typed("new"), typed("again"));
    if new != again {
        return Err(invalid("The new password and its repetition are not the same."));
    }
    passwords::check(&new).map_err(Refusal::Invalid)?;
    let (user, before) = sign_in::check(visit, &person.user.name, &old)?;
    let hash = passwords::hash(&new).map_err(|cause| Refusal::Store(Error::Failed(cause)))?;
    let token = tokens::random()?;
    let (stored, actor, name) = (tokens::stored(&token), person.actor(), user.name);
    visit.shared.writer.change(move |changes: &Changes<'_>| {
        // Somebody who has just set another password meant that one.
        if changes.user(&name)?.is_none_or(|(_, current)| current != before) {
            return Err(Refusal::Conflict(
                "Your password was changed elsewhere meanwhile. Nothing was done.".to_owned(),
            ));
        }
        actions::set_password(changes, &actor, &name, &hash)?;
        Ok(changes.insert_session(&stored, user.id, changes.now().plus(SESSION_TIME))?)
    })?;
    Ok(token)
}
