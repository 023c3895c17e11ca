//! Tokens of the vendor API.

use std::net::IpAddr;

use super::string_enum::string_enum;
use super::users::Actor;
use crate::network::Network;
use opterius_base::clock::Timestamp;

string_enum! {
    /// What the holder of a token may do.
    pub enum Scope {
        /// View licenses and plans, with masked keys.
        LicensesRead = "licenses:read",
        /// Create and change licenses and plans.
        LicensesWrite = "licenses:write",
        /// View license keys.
        KeysReveal = "keys:reveal",
        /// View and change users.
        UsersWrite = "users:write",
        /// Read the history, and webhooks with their deliveries.
        EventsRead = "events:read",
        /// Add and remove webhooks, and send events again.
        WebhooksWrite = "webhooks:write",
    }
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// The number, which is part of the token.
    pub id: i64,
    /// The name, unique among the tokens that are not revoked.
    pub name: String,
    /// What its holder may do.
    pub scopes: Vec<Scope>,
    /// Where it is valid; everywhere if empty.
    pub networks: Vec<Network>,
    /// Creation time.
    pub created_at: Timestamp,
    /// The instant at which it ends; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// The last use, at most a minute behind.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// Who added it.
    pub creator: Actor,
}

string_enum! {
    /// The state of a token.
    pub enum ApiTokenState {
        /// It can be used.
        Active = "active",
        /// Its end has passed.
        Expired = "expired",
        /// It was revoked.
        Revoked = "revoked",
    }
}

impl ApiToken {
    /// Whether its holder may do this.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether it is valid for a client with this address.
    pub fn is_valid_from(&self, client: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(client))
    }

    /// The state at `now`.
    pub fn state(&self, now: Timestamp) -> ApiTokenState {
        match self.expires_at {
            _ if self.revoked_at.is_some() => ApiTokenState::Revoked,
            Some(end) if end <= now => ApiTokenState::Expired,
            _ => ApiTokenState::Active,
        }
    }
}
