//! Parses an answer into one of three outcomes. Only an explicit yes grants and only an explicit no denies; any other
//! answer leaves the recorded verdict as it is.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::model::{Billing, Terms};
pub use crate::no_verdict::Destination;
use crate::no_verdict::{Explained, REPORT, Unusable, describe};
use crate::reason;
use crate::signature::{SignedBy, TrustedKeys};
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;

/// The longest answer body, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// The longest reason and message kept, in characters: both go into the status, the log and the cache.
const MAX_REASON: usize = 64;
const MAX_TEXT: usize = 500;

/// What to do about a signed answer to another question.
const REPLAYED: &str = "something in front of the license server, such as a cache, answers with an older or another server's answer: \
                        ask the license server's operator; POST /api/license/verify must not be cached";

/// The result of one verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The license is valid.
    Granted {
        /// Plan and limits.
        terms: Terms,
        /// The server's message.
        message: String,
    },
    /// The license is rejected.
    Denied {
        /// The server's reason, unchanged; derived from the message if the server sent none.
        reason: String,
        /// The server's message, or our explanation of the reason.
        message: String,
        /// Plan and limits, where the answer included them.
        terms: Terms,
    },
    /// The check failed without a verdict.
    Inconclusive(Failure),
}

/// The labels of the outcome counters: the two verdicts and the kinds of failure.
pub const WORDS: [&str; 6] = ["granted", "denied", "network", "http", "malformed", "untrusted"];

impl Outcome {
    /// The label that counts this outcome, one of [`WORDS`].
    pub fn word(&self) -> &'static str {
        match self {
            Self::Granted { .. } => "granted",
            Self::Denied { .. } => "denied",
            Self::Inconclusive(failure) => failure.class.word(),
        }
    }
}

/// Why a verification produced no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub class: FailureClass,
    /// The failed step and its cause as text, for the log and the status.
    pub cause: String,
    /// What an operator does about this cause, for doctor; `None` where only the class is known.
    pub remedy: Option<String>,
    /// How long the server asked us to wait.
    pub retry_after: Option<Duration>,
}

/// The kinds of failure; the later, the closer to a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureClass {
    /// Name resolution, connection, TLS or timeout.
    #[default]
    Network,
    /// An HTTP status that says nothing about the license (3xx, 429, 5xx, …).
    Http,
    /// A body that is not a license answer.
    Malformed,
    /// The signature, nonce, key or host is missing or wrong.
    Untrusted,
}

impl FailureClass {
    /// The label that counts failures of this kind, one of [`WORDS`].
    pub fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Http => "http",
            Self::Malformed => "malformed",
            Self::Untrusted => "untrusted",
        }
    }
}

impl Failure {
    /// A failure without a remedy of its own and without `Retry-After`.
    pub fn new(class: FailureClass, cause: impl Into<String>) -> Self {
        Self { class, cause: cause.into(), remedy: None, retry_after: None }
    }

    /// The same failure with its remedy.
    pub fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.cause)
    }
}

/// An HTTP answer, not parsed yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Date` header.
    pub date: Option<Timestamp>,
    /// The `Retry-After` header, as time to wait.
    pub retry_after: Option<Duration>,
    /// All `Opterius-Signature` headers, joined by commas.
    pub signature: String,
    /// The `Location` header.
    pub location: Option<String>,
    /// Where that leads.
    pub destination: Destination,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The body, at most [`MAX_BODY`] + 1 bytes of it.
    pub body: Vec<u8>,
}

/// The request that an answer must belong to.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The license key.
    pub key: &'a Secret,
    /// SHA-256 of the license key, in hex.
    pub key_sha256: &'a str,
    /// The identity of the host that sent the request.
    pub server_id: &'a str,
    /// The nonce of the request; `None` for an answer read back from the cache.
    pub nonce: Option<&'a str>,
    /// The keys that can sign an answer; none means that no signature is required.
    pub trusted: &'a TrustedKeys,
}

/// The content of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedAnswer {
    /// The outcome.
    pub outcome: Outcome,
    /// The signed `issued_at`, or the `Date` header if no signature is required.
    pub issued_at: Option<Timestamp>,
    /// The key that signed it, if a signature is required.
    pub signed_by: Option<SignedBy>,
}

/// Parses `answer` and checks that it belongs to `question`.
pub fn read(answer: &Answer, question: &Question<'_>) -> ParsedAnswer {
    let inconclusive = |failure| ParsedAnswer {
        outcome: Outcome::Inconclusive(Failure { retry_after: answer.retry_after, ..failure }),
        issued_at: answer.date,
        signed_by: None,
    };
    if answer.body.len() > MAX_BODY {
        let page = unusable(answer, question.key);
        return inconclusive(match answer.status {
            200..=299 => malformed(format!("the license server's answer is longer than {} KiB", MAX_BODY / 1024)),
            _ => explained(FailureClass::Http, page.explain_status(None)),
        });
    }
    let parsed = serde_json::from_slice::<Value>(&answer.body);
    let object = parsed.as_ref().ok().and_then(Value::as_object);
    let mut issued_at = answer.date;
    let mut signed_by = None;
    if !question.trusted.is_empty() {
        match trust(answer, object, question) {
            Ok((key, at)) => (signed_by, issued_at) = (Some(key), Some(at)),
            // Only an answer in the protocol's form lacks a signature; a captive portal's page is named below.
            Err(cause) if object.is_some_and(|object| object.contains_key("valid")) => {
                let failure = Failure::new(FailureClass::Untrusted, with_status(cause, answer.status));
                let replayed = cause.starts_with("the signed answer");
                return inconclusive(if replayed { failure.with_remedy(REPLAYED) } else { failure });
            }
            Err(_) => {}
        }
    }
    match verdict(answer, &parsed, object, question.key) {
        Ok(outcome) => ParsedAnswer { outcome, issued_at, signed_by },
        Err(failure) => inconclusive(failure),
    }
}

/// Checks the signature, nonce, key and host before anything else in the body is trusted.
fn trust(
    answer: &Answer,
    object: Option<&Map<String, Value>>,
    question: &Question<'_>,
) -> Result<(SignedBy, Timestamp), &'static str> {
    if answer.signature.is_empty() {
        return Err("the answer is not signed");
    }
    let signed_by = question
        .trusted
        .verify(&answer.signature, &answer.body)
        .ok_or("the answer is not signed by a license server that this Agent trusts")?;
    let text = |name: &str| object.and_then(|object| object.get(name)).and_then(Value::as_str);
    if question.nonce.is_some_and(|nonce| text("nonce") != Some(nonce)) {
        return Err("the signed answer belongs to another request (nonce)");
    }
    if text("key_sha256") != Some(question.key_sha256) {
        return Err("the signed answer belongs to another license key");
    }
    if text("server_id") != Some(question.server_id) {
        return Err("the signed answer belongs to another server");
    }
    let issued_at = text("issued_at").and_then(Timestamp::parse_rfc3339);
    Ok((signed_by, issued_at.ok_or("the signed answer has no issued_at")?))
}

/// Adds the HTTP status where it helps: a proxy in front of the license server does not sign its own error pages.
fn with_status(cause: &str, status: u16) -> String {
    if matches!(status, 200..=299 | 401..=404) { cause.to_owned() } else { format!("{cause} (HTTP {status})") }
}

fn verdict(
    answer: &Answer,
    parsed: &Result<Value, serde_json::Error>,
    object: Option<&Map<String, Value>>,
    key: &Secret,
) -> Result<Outcome, Failure> {
    let validity = object.and_then(|object| object.get("valid"));
    match (answer.status, object, validity) {
        (200..=299, Some(object), Some(Value::Bool(true))) => grant(object, key).map_err(malformed),
        (200..=299 | 401..=404 | 409 | 410 | 422, Some(object), Some(Value::Bool(false))) => Ok(denial(object, key)),
        (200..=299, Some(_), Some(value)) => Err(malformed(format!(
            "the license server's answer says “valid” is {}, which is neither true nor false",
            describe(value, key)
        ))),
        (200..=299, Some(object), None) => {
            let message = unusable(answer, key).said(object);
            Err(malformed(format!("the license server's answer does not say whether the license is valid{message}")))
        }
        (200..=299, None, _) => Err(explained(FailureClass::Malformed, unusable(answer, key).explain_body(parsed))),
        _ => Err(explained(FailureClass::Http, unusable(answer, key).explain_status(object))),
    }
}

fn unusable<'a>(answer: &'a Answer, key: &'a Secret) -> Unusable<'a> {
    let Answer { status, date: _, retry_after, signature: _, location, destination, content_type, body } = answer;
    Unusable {
        status: *status,
        location: location.as_deref(),
        destination,
        content_type: content_type.as_deref(),
        retry_after: *retry_after,
        body,
        key,
    }
}

fn explained(class: FailureClass, explained: Explained) -> Failure {
    Failure::new(class, explained.cause).with_remedy(explained.remedy)
}

/// An answer in the protocol's form that breaks the protocol.
fn malformed(cause: String) -> Failure {
    Failure::new(FailureClass::Malformed, cause).with_remedy(REPORT)
}

fn grant(object: &Map<String, Value>, key: &Secret) -> Result<Outcome, String> {
    let max_domains = limit(object, "max_domains", key)?;
    let max_accounts = limit(object, "max_accounts", key)?.or(max_domains);
    if max_accounts.is_none() {
        return Err("the license server's answer says valid but has no account limit (max_accounts)".to_owned());
    }
    let terms = Terms {
        plan: plan(object, key),
        max_accounts,
        max_domains: max_domains.or(max_accounts),
        max_servers: limit(object, "max_servers", key)?,
        expires_at: expiry(object, key)?,
        billing: billing(object, key),
    };
    let message = text(object, "message", MAX_TEXT, key).unwrap_or_else(|| "License is valid.".to_owned());
    Ok(Outcome::Granted { terms, message })
}

fn denial(object: &Map<String, Value>, key: &Secret) -> Outcome {
    let message = text(object, "message", MAX_TEXT, key);
    let reason = text(object, "reason", MAX_REASON, key)
        .unwrap_or_else(|| reason::derive(message.as_deref().unwrap_or_default()).to_owned());
    let max_domains = limit(object, "max_domains", key).unwrap_or_default();
    let max_accounts = limit(object, "max_accounts", key).unwrap_or_default().or(max_domains);
    let terms = Terms {
        plan: plan(object, key),
        max_accounts,
        max_domains: max_domains.or(max_accounts),
        max_servers: limit(object, "max_servers", key).unwrap_or_default(),
        expires_at: expiry(object, key).unwrap_or_default(),
        billing: billing(object, key),
    };
    let message = message.unwrap_or_else(|| reason::explain(&reason).sentence.to_owned());
    Outcome::Denied { reason, message, terms }
}

/// A limit is a non-negative JSON integer; any other value is a server error, never a limit.
fn limit(object: &Map<String, Value>, name: &str, key: &Secret) -> Result<Option<u64>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| wrong(name, "a non-negative integer", value, key)),
    }
}

fn expiry(object: &Map<String, Value>, key: &Secret) -> Result<Option<Timestamp>, String> {
    match object.get("expires_at") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(date)) if date.trim().is_empty() => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(Timestamp::parse_expiry)
            .map(Some)
            .ok_or_else(|| wrong("expires_at", "a date such as 2027-03-01T00:00:00Z", value, key)),
    }
}

fn wrong(name: &str, wanted: &str, value: &Value, key: &Secret) -> String {
    format!("the license server's answer is wrong: “{name}” is not {wanted}, but {}", describe(value, key))
}

/// `plan` is a string, or an object with slug, name or title; older answers call it `tier`.
fn plan(object: &Map<String, Value>, key: &Secret) -> Option<String> {
    let from = |name: &str| match object.get(name) {
        Some(Value::Object(plan)) => {
            ["slug", "name", "title"].iter().find_map(|name| text(plan, name, MAX_REASON, key))
        }
        _ => text(object, name, MAX_REASON, key),
    };
    from("plan").or_else(|| from("tier")).map(|plan| plan.to_lowercase())
}

fn billing(object: &Map<String, Value>, key: &Secret) -> Billing {
    Billing {
        subscription_status: text(object, "subscription_status", MAX_REASON, key),
        cancel_at_period_end: object.get("cancel_at_period_end").and_then(Value::as_bool),
        current_period_end: text(object, "current_period_end", MAX_REASON, key),
    }
}

/// A string from the answer, safe to show: one line, of bounded length, without the license key; `None` when empty.
fn text(object: &Map<String, Value>, name: &str, limit: usize, key: &Secret) -> Option<String> {
    let text = key.redact(object.get(name)?.as_str()?);
    let text = one_line(&text, limit);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
