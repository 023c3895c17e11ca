//! The page of the tokens of the vendor API, for administrators.

use askama::Template;

use super::confirm_page::ConfirmPage;
use super::form::Form;
use super::format::text;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use crate::actions;
use crate::model::{ApiToken, ApiTokenState};
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;
use opterius_http::response::Response;

/// The value of `revoked` in the URL that lists revoked tokens, too.
const WITH_REVOKED: &str = "1";

#[derive(Template)]
#[template(path = "api_tokens.html", config = "src/dashboard/askama.toml")]
struct ApiTokensPage {
    layout: Layout,
    rows: Vec<Row>,
    new: Route,
    with_revoked: bool,
    other_list: String,
}

/// A token, formatted.
struct Row {
    id: i64,
    name: String,
    state: ApiTokenState,
    scopes: Vec<&'static str>,
    networks: Vec<String>,
    end: Option<Moment>,
    used: Option<Moment>,
    added: Moment,
    role: &'static str,
    creator: String,
    revoked: Option<Moment>,
    revoke: Option<Route>,
}

/// Renders the list.
pub(super) fn list(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    query: &Form,
) -> Result<Response, PageError> {
    let with_revoked = query.text("revoked") == WITH_REVOKED;
    let now = page_request.shared.clock.wall();
    let tokens = page_request.shared.readers.read(|transaction| transaction.api_tokens(with_revoked))?;
    let page = ApiTokensPage {
        layout: page_request.layout(signed_in_user, "api-tokens"),
        rows: tokens.iter().rev().map(|token| row(token, now)).collect(),
        new: Route::NewApiToken,
        with_revoked,
        other_list: match with_revoked {
            true => Route::ApiTokens.to_string(),
            false => format!("{}?revoked={WITH_REVOKED}", Route::ApiTokens),
        },
    };
    Ok(page::html(200, "API tokens", &page))
}

fn row(token: &ApiToken, now: Timestamp) -> Row {
    Row {
        id: token.id,
        name: text(&token.name),
        state: token.state(now),
        scopes: token.scopes.iter().map(|scope| scope.as_str()).collect(),
        networks: token.networks.iter().map(ToString::to_string).collect(),
        end: token.expires_at.map(|at| Moment::expiry(at, now)),
        used: token.last_used_at.map(|at| Moment::new(at, now)),
        added: Moment::new(token.created_at, now),
        role: token.creator.role.as_str(),
        creator: text(&token.creator.name),
        revoked: token.revoked_at.map(|at| Moment::new(at, now)),
        revoke: token.revoked_at.is_none().then_some(Route::RevokeApiToken(token.id)),
    }
}

/// Renders the question before a token is revoked.
pub(super) fn ask_revocation(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
) -> Result<Response, PageError> {
    let now = page_request.shared.clock.wall();
    let found = page_request.shared.readers.read(|transaction| transaction.api_token(id))?;
    let (token, _) = found.filter(|(token, _)| token.revoked_at.is_none()).ok_or(PageError::NotFound)?;
    let used = match token.last_used_at.map(|at| Moment::new(at, now)) {
        Some(at) => format!("It was last used {}, at {}.", at.relative, at.text),
        None => "It has never been used.".to_owned(),
    };
    let heading = format!("Revoke the token {}", text(&token.name));
    let confirm_page = ConfirmPage {
        layout: page_request.layout(signed_in_user, "api-tokens"),
        title: heading.clone(),
        action: Route::RevokeApiToken(id),
        heading,
        confirm_text: vec![
            used,
            "The program that has it is refused from its next call on. This cannot be undone: the program then needs a new \
             token."
                .to_owned(),
        ],
        hidden: Vec::new(),
        fields: Vec::new(),
        confirm: "Revoke token",
        dangerous: true,
        back: Route::ApiTokens,
        back_label: "Keep the token",
        error: None,
    };
    Ok(confirm_page.answer())
}

/// Revokes the token.
pub(super) fn revoke(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
) -> Result<Response, PageError> {
    let actor = signed_in_user.actor();
    let sentence =
        page_request.shared.writer.change(move |transaction| actions::revoke_token(transaction, &actor, id))?;
    Ok(page_request.redirect_with_flash(&signed_in_user.token, Route::ApiTokens, &sentence))
}
