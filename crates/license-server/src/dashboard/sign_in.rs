//! Signing in and out.

use askama::Template;
use log::{info, warn};

use super::cookies::Cookie;
use super::form::Form;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::{PageRequest, SESSION_TIME};
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::tokens::{self, Purpose};
use crate::actions::Refusal;
use crate::model::User;
use crate::passwords;
use crate::store::{Error, WriteTransaction};
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_http::response::Response;

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/dashboard/askama.toml")]
struct SignInPage<'a> {
    layout: Layout,
    name: &'a str,
    next: Option<Route>,
    error: Option<&'a str>,
}

/// Renders the form; redirects users who are already signed in.
pub(super) fn show(page_request: &PageRequest, signed_in: bool, query: &Form) -> Result<Response, PageError> {
    let next = next(query);
    if signed_in {
        return Ok(page::see_other(next.unwrap_or(Route::Licenses).to_string()));
    }
    ask(page_request, 200, "", next, None)
}

/// The form, with the previous input and the error.
fn ask(
    page_request: &PageRequest,
    status: u16,
    name: &str,
    next: Option<Route>,
    error: Option<&str>,
) -> Result<Response, PageError> {
    let visitor = match &page_request.cookies.visitor {
        Some(visitor) => visitor.clone(),
        None => tokens::random()?,
    };
    let csrf = tokens::sign(&page_request.shared.form_secret, Purpose::SignIn, &visitor);
    let layout = Layout { csrf, ..Layout::default() };
    let response = page::html(status, "Sign in", &SignInPage { layout, name, next, error });
    Ok(response.with_header("Set-Cookie", page_request.cookies.set(Cookie::Visitor, &visitor, None)))
}

/// Signs in.
pub(super) fn act(page_request: &PageRequest, form: &Form) -> Result<Response, PageError> {
    let (name, next) = (form.text("name"), next(form));
    let is_valid = |visitor: &String| {
        tokens::is_signed(&page_request.shared.form_secret, Purpose::SignIn, visitor, form.text("csrf"))
    };
    if !page_request.cookies.visitor.as_ref().is_some_and(is_valid) {
        let sentence = "The form has expired, or the browser does not accept cookies. Sign in again.";
        return ask(page_request, 403, name, next, Some(sentence));
    }
    let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
    match check(page_request, name, &password) {
        Ok((user, hash)) => start(page_request, &user, hash, next),
        Err(page_error @ PageError::TooManyAttempts(_)) => {
            page_request.shared.metrics.sign_in("rate_limited");
            let seconds = page_error.retry_after().unwrap_or(1).to_string();
            Ok(ask(page_request, 429, name, next, Some(&page_error.sentence()))?.with_header("Retry-After", seconds))
        }
        Err(PageError::Refused(Refusal::Invalid(_))) => {
            page_request.shared.metrics.sign_in("refused");
            ask(page_request, 422, name, next, Some("Wrong name or password."))
        }
        Err(page_error) => Err(page_error),
    }
}

/// The user with this name and password, and the hash that matched. A wrong name takes as long as a wrong password and gets
/// the same message.
pub(super) fn check(page_request: &PageRequest, name: &str, password: &Secret) -> Result<(User, String), PageError> {
    let (shared, attempts, client) = (&page_request.shared, &page_request.state.attempts, page_request.client);
    let now = shared.clock.monotonic();
    attempts.take(name, client, now).map_err(PageError::TooManyAttempts)?;
    let found = shared.readers.read(|transaction| transaction.user(name))?;
    let is_right = passwords::verify(password, found.as_ref().map(|(_, hash)| hash.as_str()));
    match found.filter(|(user, _)| is_right && user.can_sign_in()) {
        Some(found) => {
            attempts.succeeded(name, client, now);
            Ok(found)
        }
        None => {
            attempts.failed(name, client, now);
            warn!("Sign-in of “{}” from {client} refused: wrong name or password", one_line(name, 64));
            Err(PageError::Refused(Refusal::Invalid("Wrong password.".to_owned())))
        }
    }
}

fn start(page_request: &PageRequest, user: &User, hash: String, next: Option<Route>) -> Result<Response, PageError> {
    let token = tokens::random()?;
    let (session, previous) =
        (page_request.session_start(&token), page_request.cookies.session.as_deref().map(tokens::token_sha256));
    let name = user.name.clone();
    let has_started = page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        // The password may have been changed, or the user disabled, during the check, which ended all sessions of the user.
        let is_same = |(user, current): &(User, String)| *current == hash && user.can_sign_in();
        let Some((user, _)) = transaction.user(&name)?.filter(is_same) else {
            return Ok(false);
        };
        if let Some(previous) = previous {
            transaction.delete_session(&previous)?;
        }
        session.start(transaction, user.id)?;
        Ok::<_, Error>(true)
    })?;
    if !has_started {
        page_request.shared.metrics.sign_in("refused");
        return ask(page_request, 422, &user.name, next, Some("Wrong name or password."));
    }
    page_request.shared.metrics.sign_in("accepted");
    info!("{} signed in from {}", one_line(&user.name, 64), page_request.client);
    let page = next.unwrap_or(Route::Licenses).to_string();
    Ok(page::see_other(page)
        .with_header("Set-Cookie", page_request.cookies.set(Cookie::Session, &token, Some(SESSION_TIME.as_secs())))
        .with_header("Set-Cookie", page_request.cookies.clear(Cookie::Visitor)))
}

/// Signs out.
pub(super) fn out(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    let token_sha256 = tokens::token_sha256(&signed_in_user.token);
    page_request
        .shared
        .writer
        .change(move |transaction: &WriteTransaction<'_>| transaction.delete_session(&token_sha256))?;
    info!("{} signed out from {}", one_line(&signed_in_user.user.name, 64), page_request.client);
    Ok(page::see_other(Route::SignIn.to_string())
        .with_header("Set-Cookie", page_request.cookies.clear(Cookie::Session))
        .with_header("Set-Cookie", page_request.cookies.clear(Cookie::Flash)))
}

/// The page to open after signing in: only a page of the dashboard, rebuilt from its route.
fn next(form: &Form) -> Option<Route> {
    Route::find(form.text("next")).map(Route::return_page).filter(|page| *page != Route::Licenses)
}
