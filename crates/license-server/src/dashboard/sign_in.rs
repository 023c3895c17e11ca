//! Signing in and out.

use askama::Template;
use log::info;

use super::cookies::Cookie;
use super::form::Form;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::{PageRequest, SESSION_TIME};
use super::password_check;
use super::routes::Route;
use super::second_factor;
use super::signed_in_user::SignedInUser;
use super::tokens::{self, Purpose};
use crate::actions::{self, Proof, Refusal};
use crate::model::{Actor, User};
use crate::random_token;
use crate::store::WriteTransaction;
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
    match password_check::check(page_request, name, &password) {
        Ok((user, hash)) if user.second_factor_at.is_some() => {
            let visitor = page_request.cookies.visitor.clone().unwrap_or_default();
            ask_code(
                page_request,
                200,
                &Ticket::new(page_request, &user, &hash).seal(page_request, &visitor),
                next,
                None,
            )
        }
        Ok((user, hash)) => start(page_request, &user, hash, next, None),
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

/// What connects the two steps of signing in, in the form of the second: who gave the right password, when, and which.
#[derive(Clone)]
struct Ticket {
    user: i64,
    ends_at: i64,
    password_sha256: String,
}

/// How long the second step may take, in seconds.
const SECOND_STEP_SECONDS: i64 = 300;

impl Ticket {
    fn new(page_request: &PageRequest, user: &User, hash: &str) -> Self {
        let ends_at = page_request.shared.clock.wall().unix().saturating_add(SECOND_STEP_SECONDS);
        Self { user: user.id, ends_at, password_sha256: random_token::sha256(hash) }
    }

    fn seal(&self, page_request: &PageRequest, visitor: &str) -> String {
        let text = format!("{}.{}.{}", self.user, self.ends_at, self.password_sha256);
        tokens::seal_for(Purpose::SecondStep, &page_request.shared.form_secret, visitor, &text)
    }

    /// The ticket in the form, if it was sealed for this visitor and has not ended.
    fn open(page_request: &PageRequest, visitor: &str, sealed: &str) -> Option<Self> {
        let text = tokens::unseal_for(Purpose::SecondStep, &page_request.shared.form_secret, visitor, sealed)?;
        let mut parts = text.splitn(3, '.');
        let (user, ends_at) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let ticket = Self { user, ends_at, password_sha256: parts.next()?.to_owned() };
        (page_request.shared.clock.wall().unix() < ticket.ends_at).then_some(ticket)
    }
}

#[derive(Template)]
#[template(path = "sign_in_code.html", config = "src/dashboard/askama.toml")]
struct CodePage<'a> {
    layout: Layout,
    ticket: &'a str,
    next: Option<Route>,
    error: Option<&'a str>,
}

/// The form of the second step.
fn ask_code(
    page_request: &PageRequest,
    status: u16,
    ticket: &str,
    next: Option<Route>,
    error: Option<&str>,
) -> Result<Response, PageError> {
    let visitor = page_request.cookies.visitor.as_deref().ok_or(PageError::InvalidToken)?;
    let csrf = tokens::sign(&page_request.shared.form_secret, Purpose::SignIn, visitor);
    let layout = Layout { csrf, ..Layout::default() };
    Ok(page::html(status, "Sign in", &CodePage { layout, ticket, next, error }))
}

/// The second step: checks the code.
pub(super) fn act_code(page_request: &PageRequest, form: &Form) -> Result<Response, PageError> {
    let next = next(form);
    let key = &page_request.shared.form_secret;
    let visitor = page_request.cookies.visitor.as_deref();
    let ticket = visitor
        .filter(|visitor| tokens::is_signed(key, Purpose::SignIn, visitor, form.text("csrf")))
        .and_then(|visitor| Ticket::open(page_request, visitor, form.text("ticket")));
    let Some(ticket) = ticket else {
        return ask(page_request, 403, "", next, Some("Signing in took too long. Start again."));
    };
    let found = page_request.shared.readers.read(|transaction| transaction.user_with_id(ticket.user))?;
    let is_same = |(_, hash): &(User, String)| random_token::sha256(hash) == ticket.password_sha256;
    let Some((user, hash)) = found.filter(is_same) else {
        return ask(page_request, 403, "", next, Some("Signing in took too long. Start again."));
    };
    match second_factor::check(page_request, &user, form.text("code")) {
        Ok(proof) => start(page_request, &user, hash, next, Some(proof)),
        Err(page_error @ PageError::TooManyAttempts(_)) => {
            page_request.shared.metrics.sign_in("rate_limited");
            let seconds = page_error.retry_after().unwrap_or(1).to_string();
            let sentence = page_error.sentence();
            let page = ask_code(page_request, 429, form.text("ticket"), next, Some(&sentence))?;
            Ok(page.with_header("Retry-After", seconds))
        }
        Err(PageError::Refused(Refusal::Invalid(sentence))) => {
            page_request.shared.metrics.sign_in("refused");
            ask_code(page_request, 422, form.text("ticket"), next, Some(&sentence))
        }
        Err(page_error) => Err(page_error),
    }
}

/// Starts a session, after both steps if the user has a second factor.
fn start(
    page_request: &PageRequest,
    user: &User,
    hash: String,
    next: Option<Route>,
    proof: Option<Proof>,
) -> Result<Response, PageError> {
    let token = tokens::random()?;
    let (session, previous) =
        (page_request.session_start(&token), page_request.cookies.session.as_deref().map(tokens::token_sha256));
    let name = user.name.clone();
    let has_started = page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        // The password may have been changed, or the user disabled, during the check, which ended all sessions of the user.
        let is_same = |(user, current): &(User, String)| {
            *current == hash && user.can_sign_in() && user.second_factor_at.is_some() == proof.is_some()
        };
        let Some((user, _)) = transaction.user(&name)?.filter(is_same) else {
            return Ok(false);
        };
        if let Some(proof) = proof
            && !actions::use_proof(
                transaction,
                &Actor { role: user.acting_role(), name: user.name.clone() },
                user.id,
                &proof,
            )?
        {
            return Ok(false);
        }
        if let Some(previous) = previous {
            transaction.delete_session(&previous)?;
        }
        session.start(transaction, user.id)?;
        Ok::<_, Refusal>(true)
    })?;
    if !has_started {
        page_request.shared.metrics.sign_in("refused");
        let sentence = "The password was changed, or the code was used before. Sign in again.";
        return ask(page_request, 422, &user.name, next, Some(sentence));
    }
    page_request.shared.metrics.sign_in("accepted");
    info!("{} signed in from {}", one_line(&user.name, 64), page_request.client);
    let page = next.unwrap_or(Route::landing(user.administrator)).to_string();
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
    let asked = Route::find(form.text("next"))?;
    Some(asked.return_page()).filter(|page| asked == Route::Licenses || *page != Route::Licenses)
}
