//! The public page where a user sets a password with a link. Opening the link does not use it up: mail systems open links
//! to inspect them.

use askama::Template;
use log::{info, warn};

use super::cookies::Cookie;
use super::form::Form;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::tokens::{self, Purpose};
use crate::actions::{self, LINK_ENDED, Refusal};
use crate::passwords;
use crate::store::{Error, WriteTransaction};
use crate::throttle::network;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_http::response::Response;

#[derive(Template)]
#[template(path = "set_password.html", config = "src/dashboard/askama.toml")]
struct SetPasswordPage<'a> {
    layout: Layout,
    token: &'a str,
    name: &'a str,
    error: Option<&'a str>,
}

/// Renders the form, if the link can be used.
pub(super) fn show(page_request: &PageRequest, query: &Form) -> Result<Response, PageError> {
    let token = query.text("token");
    let Some(name) = user_name(page_request, token)? else { return Ok(ended()) };
    ask(page_request, 200, token, &name, None)
}

/// The name of the user of the link, if it can be used. Wrong links are limited by network.
fn user_name(page_request: &PageRequest, token: &str) -> Result<Option<String>, PageError> {
    let (shared, attempts, client) = (&page_request.shared, &page_request.state.attempts, page_request.client);
    let now = shared.clock.monotonic();
    // For each network alone, because a link is known to its user only. No user can have this name.
    let place = format!("link/{}", network(client));
    attempts.take(&place, client, now).map_err(PageError::TooManyAttempts)?;
    let at = shared.clock.wall();
    let found = shared.readers.read(|transaction| actions::usable_password_link(transaction, token, at))?;
    match found {
        Some(user) => {
            attempts.succeeded(&place, client, now);
            Ok(Some(user.name))
        }
        None => {
            attempts.failed(&place, client, now);
            warn!("A link to set a password from {client} was refused");
            Ok(None)
        }
    }
}

fn ended() -> Response {
    private(page::message(Layout::default(), 404, "Link not valid", LINK_ENDED, Route::SignIn))
}

fn ask(
    page_request: &PageRequest,
    status: u16,
    token: &str,
    name: &str,
    error: Option<&str>,
) -> Result<Response, PageError> {
    let visitor = match &page_request.cookies.visitor {
        Some(visitor) => visitor.clone(),
        None => tokens::random()?,
    };
    let csrf = tokens::sign(&page_request.shared.form_secret, Purpose::SetPassword, &visitor);
    let layout = Layout { csrf, ..Layout::default() };
    let page = page::html(status, "Set your password", &SetPasswordPage { layout, token, name, error });
    Ok(private(page).with_header("Set-Cookie", page_request.cookies.set(Cookie::Visitor, &visitor, None)))
}

/// The URL of this page contains the token, so no request names it as where it came from. `no-referrer` would also hide
/// the origin of the page's own form.
fn private(mut response: Response) -> Response {
    for (name, value) in &mut response.headers {
        if *name == "Referrer-Policy" {
            "strict-origin".clone_into(value);
        }
    }
    response
}

/// Processes the form.
pub(super) fn act(page_request: &PageRequest, form: &Form) -> Result<Response, PageError> {
    let token = form.text("token");
    let key = &page_request.shared.form_secret;
    let is_signed = |visitor: &String| tokens::is_signed(key, Purpose::SetPassword, visitor, form.text("csrf"));
    let Some(name) = user_name(page_request, token)? else { return Ok(ended()) };
    if !page_request.cookies.visitor.as_ref().is_some_and(is_signed) {
        let sentence = "The form has expired, or the browser does not accept cookies. Try again.";
        return ask(page_request, 403, token, &name, Some(sentence));
    }
    let typed = |name: &str| Secret::new(form.get(name).unwrap_or_default().to_owned());
    let (new, again) = (typed("new"), typed("again"));
    if new != again {
        return ask(page_request, 422, token, &name, Some("The passwords do not match."));
    }
    if let Err(sentence) = passwords::check(&new) {
        return ask(page_request, 422, token, &name, Some(&sentence));
    }
    let hash = passwords::hash(&new).map_err(|cause| Refusal::Store(Error::Failed(cause)))?;
    let token = token.to_owned();
    let set = page_request
        .shared
        .writer
        .change(move |transaction: &WriteTransaction<'_>| actions::use_password_link(transaction, &token, &hash));
    match set {
        Ok(user) => {
            info!("{} set a password by a link from {}", one_line(&user.name, 64), page_request.client);
            Ok(private(page::see_other(Route::SignIn.to_string())))
        }
        Err(Refusal::NotFound(_)) => Ok(ended()),
        Err(refusal) => Err(refusal.into()),
    }
}
