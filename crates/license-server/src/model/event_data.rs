//! What an event says about a license and a server, as JSON for receivers outside.

use std::net::IpAddr;

use serde::Serialize;

use super::license_view::LicenseView;
use super::users::Actor;
use opterius_base::clock::Timestamp;
use opterius_base::text::one_line;

/// The longest text about who did what, in characters.
const MAX_TEXT: usize = 500;

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
/// Each text in it is bounded, here or when it is stored, so it is at most about 64 KiB long.
pub fn data(license: Option<LicenseView<'_>>, facts: &EventFacts<'_>) -> Option<String> {
    #[derive(Serialize)]
    struct Data<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        license: Option<LicenseView<'a>>,
        #[serde(flatten)]
        facts: &'a EventFacts<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        actor: Option<String>,
        #[serde(skip_serializing_if = "String::is_empty")]
        detail: String,
    }
    let actor = facts.actor.map(|actor| bounded(&format!("{} {}", actor.role.as_str(), actor.name)));
    serde_json::to_string(&Data { license, facts, actor, detail: bounded(facts.detail) }).ok()
}

fn bounded(text: &str) -> String {
    one_line(text, MAX_TEXT)
}
