//! A call, parsed and authorized: what a handler gets.

use std::net::IpAddr;
use std::time::Duration;

use super::error::ApiError;
use super::members::Members;
use crate::actions::{ChangeContext, Refusal};
use crate::model::{Action, Actor, ApiToken, License, Role, Scope};
use crate::store::{Error, ReadTransaction, WriteTransaction};
use crate::webhooks::receiver_address::Receivers;
use opterius_base::clock::Timestamp;

/// What the path calls a license by its reference with.
const BY_REFERENCE: &str = "ref:";

/// How long one history entry covers further views of a key with the same token.
const KEY_VIEW_TIME: Duration = Duration::from_secs(3600);

/// A call, parsed and authorized.
pub struct Call {
    /// The values of the path's parameters, decoded.
    pub path: Vec<(&'static str, String)>,
    /// The parameters of the query.
    pub query: Members,
    /// The members of the body; none if the call has no body.
    pub body: Members,
    /// The token; `None` only on the calls that need none.
    pub token: Option<ApiToken>,
    /// The client's address.
    pub client: IpAddr,
    /// The number of the request.
    pub request_id: String,
    /// The revisions that the change may be based on; `None` if any.
    pub if_match: Option<Vec<i64>>,
    /// What identifies repetitions of the call.
    pub idempotency_key: Option<String>,
    /// The hash of the request, to tell a repetition from another call with the same key.
    pub request_sha256: String,
    /// Which receivers of events the settings allow.
    pub receivers: Receivers,
    /// The time of the call, for handlers that only read.
    pub now: Timestamp,
}

impl Call {
    /// Whether everything is checked and answered, but nothing changed.
    pub fn is_dry_run(&self) -> bool {
        self.query.flag("dry_run") == Some(true)
    }

    /// Whether the token allows this.
    pub fn may(&self, scope: Scope) -> bool {
        self.token.as_ref().is_some_and(|token| token.allows(scope))
    }

    /// The token as an actor in the history.
    pub fn actor(&self) -> Actor {
        let name = self.token.as_ref().map_or_else(String::new, |token| token.name.clone());
        Actor { role: Role::Token, name }
    }

    /// The number of the token.
    pub fn token_id(&self) -> i64 {
        self.token.as_ref().map_or(0, |token| token.id)
    }

    /// Records that the token is shown the key of a license, at most once an hour, so that repeated calls cannot fill the
    /// disk.
    ///
    /// # Errors
    /// A store error.
    pub fn record_key_view(&self, transaction: &WriteTransaction<'_>, license: i64) -> Result<(), Error> {
        let (actor, now) = (self.actor(), transaction.now());
        if !transaction.has_seen_key(license, &actor, now.minus(KEY_VIEW_TIME), now)? {
            transaction.add_event(Some(license), &actor, Action::KeyShown, &format!("to {}", self.client))?;
        }
        Ok(())
    }

    /// The value of a parameter of the path.
    pub fn parameter(&self, name: &str) -> &str {
        self.path.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The license that the path names, by its number or as `ref:` and its reference.
    ///
    /// # Errors
    /// 404 if there is none, or a store error.
    pub fn license(&self, transaction: &ReadTransaction<'_>) -> Result<License, ApiError> {
        let text = self.parameter("license");
        let (found, name) = match (text.strip_prefix(BY_REFERENCE), number(text)) {
            (Some(reference), _) => (transaction.license_by_reference(reference)?, "with this reference".to_owned()),
            (None, Some(id)) => (transaction.license(id)?, id.to_string()),
            (None, None) => (None, "with this number".to_owned()),
        };
        found.ok_or_else(|| ApiError::not_found(format!("There is no license {name}.")))
    }

    /// The same for a change: the license must have a revision that the client knows.
    ///
    /// # Errors
    /// 404 if there is none, 412 if it has another revision, or a store error.
    pub fn license_to_change(&self, transaction: &ReadTransaction<'_>) -> Result<License, ApiError> {
        let license = self.license(transaction)?;
        match &self.if_match {
            Some(revisions) if !revisions.contains(&license.revision) => Err(Refusal::Stale.into()),
            _ => Ok(license),
        }
    }

    /// Who changes a license. The revision is already checked.
    pub fn context<'a>(&self, actor: &'a Actor) -> ChangeContext<'a> {
        ChangeContext { actor, seen: None }
    }
}

/// A number in canonical form: no sign, no leading zeros.
pub fn number(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}
