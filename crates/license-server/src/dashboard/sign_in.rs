//! Signing in and out.

use std::time::Duration;

use askama::Template;
use log::{info, warn};

use super::cookies::Cookie;
use super::form::Form;
use super::page::{self, Layout};
use super::person::Person;
use super::routes::Route;
use super::tokens::{self, Purpose};
use super::trouble::Trouble;
use super::visit::Visit;
use crate::actions::Refusal;
use crate::model::User;
use crate::passwords;
use crate::store::{Changes, Error};
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_http::response::Response;

/// How long a session lasts, whatever is done in it.
pub(super) const SESSION_TIME: Duration = Duration::from_secs(12 * 3600);

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/dashboard/askama.toml")]
struct SignInPage<'a> {
    layout: Layout,
    name: &'a str,
    next: Option<Route>,
    error: Option<&'a str>,
}

/// The form; for whoever is signed in already, the licenses.
pub(super) fn show(visit: &Visit, signed_in: bool, query: &Form) -> Result<Response, Trouble> {
    let next = next(query);
    if signed_in {
        return Ok(page::see_other(next.unwrap_or(Route::Licenses).to_string()));
    }
    ask(visit, 200, "", next, None)
}

/// The form, with what was typed and why it did not help.
fn ask(visit: &Visit, status: u16, name: &str, next: Option<Route>, error: Option<&str>) -> Result<Response, Trouble> {
    let visitor = match &visit.cookies.visitor {
        Some(visitor) => visitor.clone(),
        None => tokens::random()?,
    };
    let csrf = tokens::sign(&visit.shared.form_secret, Purpose::SignIn, &visitor);
    let layout = Layout { csrf, ..Layout::default() };
    let response = page::html(status, "Sign in", &SignInPage { layout, name, next, error });
    Ok(response.with_header("Set-Cookie", visit.cookies.set(Cookie::Visitor, &visitor, None)))
}

/// Signs in.
pub(super) fn act(visit: &Visit, form: &Form) -> Result<Response, Trouble> {
    let (name, next) = (form.text("name"), next(form));
    let is_ours =
        |visitor: &String| tokens::is_signed(&visit.shared.form_secret, Purpose::SignIn, visitor, form.text("csrf"));
    if !visit.cookies.visitor.as_ref().is_some_and(is_ours) {
        let sentence = "The form was too old, or the browser does not keep cookies. Nothing was done; sign in again.";
        return ask(visit, 403, name, next, Some(sentence));
    }
    let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
    match check(visit, name, &password) {
        Ok((user, hash)) => start(visit, &user, hash, next),
        Err(trouble @ Trouble::TooManyTries(_)) => {
            visit.shared.metrics.sign_in("rate_limited");
            let seconds = trouble.retry_after().unwrap_or(1).to_string();
            Ok(ask(visit, 429, name, next, Some(&trouble.sentence()))?.with_header("Retry-After", seconds))
        }
        Err(Trouble::Refused(Refusal::Invalid(_))) => {
            visit.shared.metrics.sign_in("refused");
            ask(visit, 422, name, next, Some("The name or the password is wrong."))
        }
        Err(trouble) => Err(trouble),
    }
}

/// The user with this name and password, and the hash that it was checked against. A wrong name takes as long as a wrong
/// password and is told in the same words.
pub(super) fn check(visit: &Visit, name: &str, password: &Secret) -> Result<(User, String), Trouble> {
    let (shared, attempts, client) = (&visit.shared, &visit.memory.attempts, visit.client);
    let now = shared.clock.monotonic();
    attempts.take(name, client, now).map_err(Trouble::TooManyTries)?;
    let found = shared.readers.read(|reader| reader.user(name))?;
    let is_right = passwords::verify(password, found.as_ref().map(|(_, hash)| hash.as_str()));
    match found.filter(|_| is_right) {
        Some(found) => {
            attempts.succeeded(name, client, now);
            Ok(found)
        }
        None => {
            attempts.failed(client, now);
            warn!("Wrong name or password: “{}” from {client} was refused", one_line(name, 64));
            Err(Trouble::Refused(Refusal::Invalid("The password is wrong.".to_owned())))
        }
    }
}

fn start(visit: &Visit, user: &User, hash: String, next: Option<Route>) -> Result<Response, Trouble> {
    let token = tokens::random()?;
    let (stored, before) = (tokens::stored(&token), visit.cookies.session.as_deref().map(tokens::stored));
    let name = user.name.clone();
    let begun = visit.shared.writer.change(move |changes: &Changes<'_>| {
        // The password may have been changed while this one was checked; its sessions have ended with it.
        let Some((user, _)) = changes.user(&name)?.filter(|(_, current)| *current == hash) else { return Ok(false) };
        if let Some(before) = before {
            changes.delete_session(&before)?;
        }
        changes.insert_session(&stored, user.id, changes.now().plus(SESSION_TIME))?;
        Ok::<_, Error>(true)
    })?;
    if !begun {
        visit.shared.metrics.sign_in("refused");
        return ask(visit, 422, &user.name, next, Some("The name or the password is wrong."));
    }
    visit.shared.metrics.sign_in("accepted");
    info!("{} signed in from {}", one_line(&user.name, 64), visit.client);
    let page = next.unwrap_or(Route::Licenses).to_string();
    Ok(page::see_other(page)
        .with_header("Set-Cookie", visit.cookies.set(Cookie::Session, &token, Some(SESSION_TIME.as_secs())))
        .with_header("Set-Cookie", visit.cookies.clear(Cookie::Visitor)))
}

/// Signs out.
pub(super) fn out(visit: &Visit, person: &Person) -> Result<Response, Trouble> {
    let stored = tokens::stored(&person.token);
    visit.shared.writer.change(move |changes: &Changes<'_>| changes.delete_session(&stored))?;
    info!("{} signed out from {}", one_line(&person.user.name, 64), visit.client);
    Ok(page::see_other(Route::SignIn.to_string())
        .with_header("Set-Cookie", visit.cookies.clear(Cookie::Session))
        .with_header("Set-Cookie", visit.cookies.clear(Cookie::Flash)))
}

/// The page that was asked for: only one of ours that is looked at, written anew.
fn next(form: &Form) -> Option<Route> {
    Route::find(form.text("next")).map(Route::return_page).filter(|page| *page != Route::Licenses)
}
