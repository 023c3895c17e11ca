//! What an event says about a license and a server, as JSON for receivers outside.

use std::net::IpAddr;

use serde::Serialize;

use super::license::{Billing, License, Plan};
use super::users::Actor;
use opterius_base::clock::Timestamp;
use opterius_base::text::one_line;

/// The longest text of a vendor or a server in an event, in characters.
const MAX_TEXT: usize = 500;

/// The most labels in an event.
const MAX_LABELS: usize = 50;

/// A server, as an event shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerFacts<'a> {
    /// The address that identifies it.
    pub ip: IpAddr,
    /// The address that it had before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_ip: Option<IpAddr>,
    /// What it reports as its host name.
    pub hostname: Option<&'a str>,
    /// The identity that it reports.
    pub server_id: Option<&'a str>,
    /// Another active server with the same identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clone_of: Option<IpAddr>,
    /// Why it was refused: a `reason` of the verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
}

impl<'a> ServerFacts<'a> {
    /// A server of which only the address is known.
    pub fn at(ip: IpAddr) -> Self {
        Self { ip, previous_ip: None, hostname: None, server_id: None, clone_of: None, reason: None, message: None }
    }
}

/// When a license expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ExpiryFacts {
    /// The expiry.
    pub expires_at: Timestamp,
    /// The threshold that was reached: 30, 7 or 1 days before; 0 once it is over.
    pub days: u32,
}

/// What an event says besides its license.
#[derive(Clone, Copy, Default, Serialize)]
pub struct EventFacts<'a> {
    /// The server that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<&'a ServerFacts<'a>>,
    /// The expiry that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry: Option<ExpiryFacts>,
    /// The number of its entry in the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_entry: Option<i64>,
    /// Who acted: `operator root`.
    #[serde(skip)]
    pub actor: Option<&'a Actor>,
    /// What the history says: `from starter to business`.
    #[serde(skip)]
    pub detail: &'a str,
}

/// The `data` of an event.
///
/// Each text in it is bounded, so it is at most about 64 KiB long.
pub fn data(license: Option<&License>, facts: &EventFacts<'_>, now: Timestamp) -> Option<String> {
    #[derive(Serialize)]
    struct Data<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        license: Option<LicenseFacts<'a>>,
        #[serde(flatten)]
        facts: &'a EventFacts<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        actor: Option<String>,
        #[serde(skip_serializing_if = "String::is_empty")]
        detail: String,
    }
    let actor = facts.actor.map(|actor| bounded(&format!("{} {}", actor.role.as_str(), actor.name)));
    let license = license.map(|license| LicenseFacts::of(license, now));
    serde_json::to_string(&Data { license, facts, actor, detail: bounded(facts.detail) }).ok()
}

/// A license as the API shows it, with its key masked.
#[derive(Serialize)]
struct LicenseFacts<'a> {
    id: i64,
    reference: Option<&'a str>,
    key: String,
    owner: &'a str,
    plan: &'a Plan,
    status: &'static str,
    standing: &'static str,
    suspension_reason: Option<String>,
    expires_at: Option<Timestamp>,
    locked_ip: Option<IpAddr>,
    is_trial: bool,
    note: String,
    labels: Vec<&'a str>,
    billing: &'a Billing,
    created_at: Timestamp,
    revision: i64,
}

impl<'a> LicenseFacts<'a> {
    fn of(license: &'a License, now: Timestamp) -> Self {
        Self {
            id: license.id,
            reference: license.reference.as_deref(),
            key: license.key.masked(),
            owner: &license.owner_name,
            plan: &license.plan,
            status: license.status.as_str(),
            standing: license.effective_status(now),
            suspension_reason: license.suspension_reason.as_deref().map(bounded),
            expires_at: license.expires_at,
            locked_ip: license.locked_ip,
            is_trial: license.is_trial,
            note: bounded(&license.note),
            labels: license.labels.iter().map(String::as_str).take(MAX_LABELS).collect(),
            billing: &license.billing,
            created_at: license.created_at,
            revision: license.revision,
        }
    }
}

fn bounded(text: &str) -> String {
    one_line(text, MAX_TEXT)
}
