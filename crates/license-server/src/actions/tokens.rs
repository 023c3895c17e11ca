//! Adding and revoking tokens of the vendor API.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use super::refusal::Refusal;
use crate::model::{Action, Actor, ApiToken, Scope};
use crate::network::Network;
use crate::store::{Error, NewApiToken, ReadTransaction, WriteTransaction};
use opterius_base::clock::Timestamp;
use opterius_base::dates;
use opterius_base::hex::hex;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;

/// What a token begins with, so that scanners for leaked secrets recognize it.
const PREFIX: &str = "opl_";

/// The maximum length of a name in characters.
const MAX_NAME: usize = 64;

/// The maximum number of networks of a token.
const MAX_NETWORKS: usize = 32;

/// A token to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTerms {
    /// The name, which the history shows.
    pub name: String,
    /// What its holder may do.
    pub scopes: Vec<Scope>,
    /// Where it is valid; everywhere if empty.
    pub networks: Vec<Network>,
    /// The instant at which it ends; `None` means never.
    pub expires_at: Option<Timestamp>,
}

/// A term that a token cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongTerm {
    /// Which one.
    pub field: TokenField,
    /// What is wrong with it.
    pub sentence: String,
}

/// A term of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenField {
    /// [`TokenTerms::name`].
    Name,
    /// [`TokenTerms::scopes`].
    Scopes,
    /// [`TokenTerms::networks`].
    Networks,
    /// [`TokenTerms::expires_at`].
    End,
}

/// Adds a token. Returns it with its text, which is stored nowhere.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn add_token(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    terms: &TokenTerms,
) -> Result<(ApiToken, Secret), Refusal> {
    if let Some(wrong) = wrong_terms(terms, transaction.now()).into_iter().next() {
        return Err(Refusal::Invalid(wrong.sentence));
    }
    let mut bytes = [0; 32];
    let no_random = |_| Refusal::Store(Error::Failed("the system provides no random numbers".to_owned()));
    SystemRandom::new().fill(&mut bytes).map_err(no_random)?;
    let secret = Secret::new(hex(&bytes));
    let new = NewApiToken {
        name: &terms.name,
        secret_sha256: &token_secret_sha256(secret.expose()),
        scopes: &terms.scopes,
        networks: &terms.networks,
        expires_at: terms.expires_at,
        creator: actor,
    };
    let id = transaction.insert_api_token(&new).map_err(|error| match error {
        Error::Taken => Refusal::Conflict(format!(
            "There is already a token “{}”. Revoke it first, or use another name.",
            terms.name
        )),
        error => error.into(),
    })?;
    let scopes: Vec<&str> = terms.scopes.iter().map(|scope| scope.as_str()).collect();
    let end = terms.expires_at.map_or(String::new(), |end| format!(", until {}", dates::the_end(end)));
    transaction.add_event(None, actor, Action::TokenAdded, &format!("{}: {}{end}", terms.name, scopes.join(", ")))?;
    let (token, _) = transaction.api_token(id)?.ok_or_else(|| unreadable(id))?;
    Ok((token, Secret::new(format!("{PREFIX}{id}_{}", secret.expose()))))
}

/// The token with this name that is not revoked.
///
/// # Errors
/// There is none.
pub fn find_token(transaction: &ReadTransaction<'_>, name: &str) -> Result<ApiToken, Refusal> {
    let no_token = || Refusal::NotFound(format!("There is no token “{}”.", one_line(name, MAX_NAME)));
    transaction.api_token_by_name(name)?.ok_or_else(no_token)
}

/// Revokes the token with this number and returns the message for the user. Its next call is refused.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn revoke_token(transaction: &WriteTransaction<'_>, actor: &Actor, id: i64) -> Result<String, Refusal> {
    let token = transaction.api_token(id)?.map(|(token, _)| token).filter(|token| token.revoked_at.is_none());
    let token = token.ok_or_else(|| Refusal::NotFound("The token has been revoked already.".to_owned()))?;
    transaction.revoke_api_token(id)?;
    transaction.add_event(None, actor, Action::TokenRevoked, &token.name)?;
    Ok(format!("Token {} revoked. Calls with it are refused from now on.", token.name))
}

/// The number and the secret in the text of a token.
pub fn split_token(text: &str) -> Option<(i64, &str)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    Some((id.parse().ok().filter(|_| is_number)?, secret))
}

/// The hash of a token's secret, as it is stored. The secret is random and long, so it needs no slow hash.
pub fn token_secret_sha256(secret: &str) -> String {
    hex(digest(&SHA256, secret.as_bytes()).as_ref())
}

/// What is wrong with the terms of a new token, at most once for each field.
pub fn wrong_terms(terms: &TokenTerms, now: Timestamp) -> Vec<WrongTerm> {
    let is_sign = |character: char| character.is_alphanumeric() || matches!(character, '.' | '_' | '-' | '@' | '+');
    let TokenTerms { name, scopes, networks, expires_at } = terms;
    let mut wrong = Vec::new();
    let mut add = |field, sentence| wrong.push(WrongTerm { field, sentence });
    if name.is_empty() || name.chars().count() > MAX_NAME || !name.chars().all(is_sign) {
        let shown = one_line(name, MAX_NAME);
        let signs = format!("Use 1 to {MAX_NAME} letters, digits and . _ - @ +");
        add(TokenField::Name, format!("“{shown}” is not a valid name for a token. {signs}"));
    }
    if scopes.is_empty() {
        add(TokenField::Scopes, "A token needs at least one scope.".to_owned());
    }
    if networks.len() > MAX_NETWORKS {
        add(TokenField::Networks, format!("A token can have at most {MAX_NETWORKS} networks."));
    }
    if let Some(end) = expires_at.filter(|end| *end <= now) {
        add(TokenField::End, format!("A token cannot end in the past, at {}.", dates::the_end(end)));
    }
    wrong
}

fn unreadable(id: i64) -> Refusal {
    Refusal::Store(Error::Failed(format!("token {id} cannot be read")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_number_and_a_secret() {
        let table = [
            ("opl_7_abc", Some((7, "abc"))),
            ("opl_7_a_b", Some((7, "a_b"))),
            ("opl_7_", Some((7, ""))),
            ("opl__abc", None),
            ("opl_+7_abc", None),
            ("opl_99999999999999999999_abc", None),
            ("opl_7", None),
            ("OPL_7_abc", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(split_token(text), expected, "{text}");
        }
    }
}
