//! The user's own account: password, second factor and sessions.

use askama::Template;
use log::info;

use super::form::Form;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::tokens;
use crate::actions;
use crate::model::{Session, User};
use crate::store::{Error, WriteTransaction, session_id};
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;
use opterius_base::text::one_line;
use opterius_http::response::Response;

#[derive(Template)]
#[template(path = "account.html", config = "src/dashboard/askama.toml")]
struct AccountPage {
    layout: Layout,
    user: User,
    second_factor: Option<Moment>,
    recovery_codes: u32,
    sessions: Vec<SessionRow>,
}

/// A session in a table.
pub(super) struct SessionRow {
    pub(super) id: String,
    pub(super) is_own: bool,
    pub(super) browser: String,
    pub(super) address: String,
    pub(super) since: Moment,
    pub(super) used: Moment,
}

impl SessionRow {
    /// The row; `own` is the id of the session that asks.
    pub(super) fn new(session: Session, own: &str, now: Timestamp) -> Self {
        Self {
            is_own: session.id == own,
            browser: session.browser,
            address: session.address,
            since: Moment::new(session.started_at, now),
            used: Moment::new(session.used_at, now),
            id: session.id,
        }
    }
}

/// Renders the page.
pub(super) fn show(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    let (now, id) = (page_request.shared.clock.wall(), signed_in_user.user.id);
    let (sessions, recovery_codes) = page_request
        .shared
        .readers
        .read(|transaction| Ok::<_, Error>((transaction.sessions(id, now)?, transaction.count_recovery_codes(id)?)))?;
    let own = session_id(&tokens::token_sha256(&signed_in_user.token));
    let page = AccountPage {
        layout: page_request.layout(signed_in_user, "account"),
        second_factor: signed_in_user.user.second_factor_at.map(|at| Moment::new(at, now)),
        user: signed_in_user.user.clone(),
        recovery_codes,
        sessions: sessions.into_iter().map(|session| SessionRow::new(session, &own, now)).collect(),
    };
    Ok(page::html(200, "Account", &page))
}

/// Signs out one of the user's sessions.
pub(super) fn end_session(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    let (user, id) = (signed_in_user.user.id, form.text("session").to_owned());
    let ended = page_request
        .shared
        .writer
        .change(move |transaction: &WriteTransaction<'_>| transaction.delete_session_of(user, &id))?;
    let sentence = if ended { "Session signed out." } else { "That session has ended already." };
    Ok(page_request.redirect_with_flash(&signed_in_user.token, Route::Account, sentence))
}

/// Signs out all other sessions of the user.
pub(super) fn end_sessions(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    let (actor, id) = (signed_in_user.actor(), signed_in_user.user.id);
    let session = tokens::token_sha256(&signed_in_user.token);
    let sentence = page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        actions::end_sessions(transaction, &actor, id, Some(&session))
    })?;
    info!("{} signed out everywhere else from {}", one_line(&signed_in_user.user.name, 64), page_request.client);
    Ok(page_request.redirect_with_flash(&signed_in_user.token, Route::Account, &sentence))
}
