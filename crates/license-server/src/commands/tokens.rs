//! `token …`: the tokens of the vendor API.

use serde::Serialize;

use crate::actions::{self, TokenTerms};
use crate::commands::failure::Failure;
use crate::commands::listing::{Listing, emit, print_json};
use crate::commands::session::Session;
use crate::model::describe::expiry;
use crate::model::{ApiToken, Scope};
use opterius_base::clock::Timestamp;

/// A token in JSON.
#[derive(Serialize)]
struct TokenView<'a> {
    id: i64,
    name: &'a str,
    /// The token itself, only when it is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    scopes: Vec<&'static str>,
    networks: Vec<String>,
    state: &'static str,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    created_by: String,
}

fn view<'a>(token: &'a ApiToken, text: Option<&'a str>, now: Timestamp) -> TokenView<'a> {
    TokenView {
        id: token.id,
        name: &token.name,
        token: text,
        scopes: scopes(token),
        networks: networks(token),
        state: token.state(now).as_str(),
        created_at: token.created_at,
        expires_at: token.expires_at,
        last_used_at: token.last_used_at,
        revoked_at: token.revoked_at,
        created_by: creator(token),
    }
}

fn scopes(token: &ApiToken) -> Vec<&'static str> {
    token.scopes.iter().copied().map(Scope::as_str).collect()
}

/// Who added the token, as the history names the actor.
fn creator(token: &ApiToken) -> String {
    format!("{} {}", token.creator.role.as_str(), token.creator.name)
}

fn networks(token: &ApiToken) -> Vec<String> {
    token.networks.iter().map(ToString::to_string).collect()
}

pub(super) fn add(session: &mut Session, terms: &TokenTerms, json: bool) -> Result<(), Failure> {
    let (token, text) = session.change(|transaction, actor| Ok(actions::add_token(transaction, actor, terms)?))?;
    if json {
        return print_json(&view(&token, Some(text.expose()), Session::now()));
    }
    emit(&format!(
        "Token {} added: {}\n{}\nIt is not shown again. Send it with each call: Authorization: Bearer {}…\n",
        token.name,
        scopes(&token).join(", "),
        text.expose(),
        text.expose().chars().take(8).collect::<String>(),
    ))?;
    Ok(())
}

pub(super) fn list(session: &mut Session, json: bool) -> Result<(), Failure> {
    let now = Session::now();
    let tokens = session.read(|transaction| Ok(transaction.api_tokens(true)?))?;
    let mut listing = Listing::new(json, &["NAME", "STATE", "SCOPES", "NETWORKS", "EXPIRES", "LAST USED", "ADDED BY"]);
    let row = |token: &ApiToken| {
        let networks = networks(token);
        vec![
            token.name.clone(),
            token.state(now).as_str().to_owned(),
            scopes(token).join(", "),
            if networks.is_empty() { "any".to_owned() } else { networks.join(", ") },
            expiry(token.expires_at),
            token.last_used_at.map_or("never".to_owned(), |at| at.to_string()),
            creator(token),
        ]
    };
    listing.add(&tokens, row, |token| view(token, None, now))?;
    listing.end(&format!("No tokens. Add one with: {} token add NAME --scopes SCOPES", session.target.program()))?;
    Ok(())
}

pub(super) fn revoke(session: &mut Session, name: &str) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| {
        let token = actions::find_token(transaction, name)?;
        Ok(actions::revoke_token(transaction, actor, token.id)?)
    })
}
