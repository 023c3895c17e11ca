//! `POST /api/license/verify`: parses the request body and builds the signed response. The decision is made in
//! [`crate::rules`].

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::keys::SigningKeys;
use crate::model::{Billing, Details, License};
use crate::rules::{Decision, UNKNOWN_KEY};
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;
use opterius_base::text::{is_invisible, one_line};
use opterius_http::response::{JSON, Response};
use opterius_license::identity::key_fingerprint;

/// The maximum length of a nonce or server identity that the response repeats, in bytes.
const MAX_REPEATED: usize = 256;

/// The maximum length of stored details about a server, in characters; longer ones are cut.
const MAX_DETAIL: usize = 128;

/// A parsed request.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// The license key.
    pub key: Secret,
    /// The address that the server reports.
    pub reported_ip: Option<IpAddr>,
    /// What the server reports about itself.
    pub details: Details,
    /// What the response repeats.
    pub repeated: Repeated,
}

/// What the response repeats, so that its signature binds it to the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repeated {
    /// The random string of this request.
    pub nonce: Option<String>,
    /// The identity of the requesting host.
    pub server_id: Option<String>,
}

/// Why a request body is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The error code of the response.
    pub code: &'static str,
    /// The `message` of the response.
    pub message: String,
    /// What the response repeats, as far as it could be parsed.
    pub repeated: Repeated,
}

/// Parses a request body.
///
/// # Errors
/// What is wrong with the body and what was expected.
pub fn read(body: &[u8]) -> Result<Question, Malformed> {
    let malformed =
        |code, message: &str| Malformed { code, message: message.to_owned(), repeated: Repeated::default() };
    if body.is_empty() {
        return Err(malformed(
            "empty_request",
            "The license server is reachable, but this request has no body. Send a JSON object with the license key: \
             {\"key\": \"…\"}.",
        ));
    }
    let object = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(malformed("bad_request", "The body is JSON, but not an object with the license key.")),
        Err(_) => return Err(malformed("bad_request", "The body is not JSON.")),
    };
    let mut repeated = Repeated::default();
    let result = (|| {
        repeated.nonce = repeatable(&object, "nonce")?;
        repeated.server_id = repeatable(&object, "server_id")?;
        question(&object, repeated.clone())
    })();
    result.map_err(|message| Malformed { code: "validation_failed", message, repeated })
}

fn question(object: &Map<String, Value>, repeated: Repeated) -> Result<Question, String> {
    let key = text(object, "key")?.ok_or("The field “key” is missing: it is the license key.")?;
    if key.is_empty() {
        return Err("The field “key” is empty: it is the license key.".to_owned());
    }
    let reported_ip = match text(object, "server_ip")? {
        None | Some("") => None,
        Some(text) => Some(
            text.parse::<IpAddr>()
                .map_err(|_| "The field “server_ip” is not an IP address such as 203.0.113.5.".to_owned())?
                .to_canonical(),
        ),
    };
    let detail = |name| -> Result<Option<String>, String> {
        // What cannot be seen would let two servers look alike, and a search miss both.
        let seen = |text: &str| text.chars().filter(|character| !is_invisible(*character)).collect::<String>();
        let text = text(object, name)?.map(|text| one_line(&seen(text), MAX_DETAIL));
        Ok(text.filter(|text| !text.is_empty()))
    };
    let details = Details {
        hostname: detail("hostname")?,
        agent_version: detail("agent_version")?,
        panel_version: detail("panel_version")?,
        os: detail("os")?,
        server_id: detail("server_id")?,
    };
    Ok(Question { key: Secret::new(key.to_owned()), reported_ip, details, repeated })
}

/// An optional string member.
fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("The field “{name}” is not a string.")),
    }
}

fn repeatable(object: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match text(object, name)? {
        Some(text) if text.len() > MAX_REPEATED => {
            Err(format!("The field “{name}” is longer than {MAX_REPEATED} bytes."))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// The members of the response, in their order.
#[derive(Serialize)]
struct Answer<'a> {
    valid: bool,
    reason: Option<&'a str>,
    message: &'a str,
    #[serde(flatten)]
    terms: Option<Terms<'a>>,
    #[serde(flatten)]
    binding: Binding<'a>,
}

#[derive(Serialize)]
struct Terms<'a> {
    plan: PlanName<'a>,
    max_accounts: u32,
    max_domains: u32,
    max_servers: u32,
    expires_at: Option<Timestamp>,
    #[serde(flatten)]
    billing: &'a Billing,
}

/// The Panel shows the plan's name only if `plan` is an object; all other clients expect a string.
#[derive(Serialize)]
#[serde(untagged)]
enum PlanName<'a> {
    Slug(&'a str),
    Object { slug: &'a str, name: &'a str },
}

#[derive(Serialize)]
struct Binding<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    issued_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ErrorAnswer<'a> {
    error: &'a str,
    message: &'a str,
    #[serde(flatten)]
    binding: Binding<'a>,
}

fn binding<'a>(repeated: &'a Repeated, key: Option<&Secret>, now: Timestamp) -> Binding<'a> {
    Binding {
        nonce: repeated.nonce.as_deref(),
        issued_at: now,
        key_sha256: key.map(key_fingerprint),
        server_id: repeated.server_id.as_deref(),
    }
}

/// The signed response to a request: 200 if granted, 403 if denied. `verdict` is `None` for an unknown key.
pub fn answer(
    question: &Question,
    verdict: Option<&(License, Decision)>,
    now: Timestamp,
    keys: &SigningKeys,
) -> Response {
    let (valid, reason, message) = match verdict {
        Some((_, Decision::Granted)) => (true, None, "License is valid.".to_owned()),
        Some((_, Decision::Denied(denial))) => (false, Some(denial.reason()), denial.message()),
        None => (false, Some(UNKNOWN_KEY.0), UNKNOWN_KEY.1.to_owned()),
    };
    let is_panel = question.details.panel_version.is_some();
    let terms = verdict.map(|(license, _)| terms(license, is_panel));
    let binding = binding(&question.repeated, Some(&question.key), now);
    signed(if valid { 200 } else { 403 }, &Answer { valid, reason, message: &message, terms, binding }, keys)
}

fn terms(license: &License, is_panel: bool) -> Terms<'_> {
    let plan = &license.plan;
    Terms {
        plan: if is_panel {
            PlanName::Object { slug: &plan.slug, name: &plan.name }
        } else {
            PlanName::Slug(&plan.slug)
        },
        max_accounts: plan.max_accounts,
        max_domains: plan.max_accounts,
        max_servers: plan.max_servers,
        expires_at: license.expires_at,
        billing: &license.billing,
    }
}

/// A signed error response: it has `error` and no `valid`, so it is no statement about the license. It carries the
/// fingerprint of `key` if one was parsed; otherwise an Agent would reject it as a response to another request.
pub fn error(
    status: u16,
    (code, message): (&str, &str),
    repeated: &Repeated,
    key: Option<&Secret>,
    now: Timestamp,
    keys: &SigningKeys,
) -> Response {
    signed(status, &ErrorAnswer { error: code, message, binding: binding(repeated, key, now) }, keys)
}

fn signed(status: u16, body: &impl Serialize, keys: &SigningKeys) -> Response {
    // These types always serialize. If one did not, an empty object would still be JSON without a verdict.
    let body = serde_json::to_vec(body).unwrap_or_else(|_| b"{}".to_vec());
    let signature = keys.sign(&body);
    Response { status, content_type: JSON, headers: Vec::new(), body: Arc::new(body), tail: None }
        .with_header("Opterius-Signature", signature)
}

#[cfg(test)]
#[path = "verification_tests.rs"]
mod tests;
