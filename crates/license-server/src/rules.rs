//! The rules of a verification, in one transaction: key known → not cancelled → not suspended → not expired → at the
//! address that it is locked to → a slot.
//!
//! Slots go by the order of activation. After a downgrade the first servers stay and the others are refused, and a
//! refused server is not refreshed, so it frees its slot after seven days.

use std::net::IpAddr;

use crate::model::{ACTIVE_TIME, Action, Actor, Details, License, Life, Role, Status};
use crate::store::counting::{counted, most};
use crate::store::{Error, Heartbeat, Slot, WriteTransaction};
use opterius_base::clock::Timestamp;

/// What a server asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// The address that the request came from.
    pub observed_ip: IpAddr,
    /// The address that it names.
    pub reported_ip: Option<IpAddr>,
    /// The address that counts, by [`crate::address::identity`].
    pub ip: IpAddr,
    /// What the server says of itself.
    pub details: Details,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The license may be used here.
    Granted,
    /// It may not.
    Denied(Denial),
}

/// Why a license may not be used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// It has been cancelled.
    Cancelled,
    /// It is suspended.
    Suspended,
    /// It ended then.
    Expired(Timestamp),
    /// It is locked to another address.
    IpMismatch {
        /// The address that it is locked to.
        locked: IpAddr,
        /// The address that asked.
        asking: IpAddr,
    },
    /// All slots are taken.
    ServerLimit {
        /// Servers that hold one, counted up to [`most`].
        active: u32,
        /// Servers that may.
        allowed: u32,
    },
}

impl Denial {
    /// The word for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Suspended => "suspended",
            Self::Expired(_) => "expired",
            Self::IpMismatch { .. } => "server_ip_mismatch",
            Self::ServerLimit { .. } => "server_limit_reached",
        }
    }

    /// The sentence for people.
    pub fn message(&self) -> String {
        match self {
            Self::Cancelled => "License has been cancelled.".to_owned(),
            Self::Suspended => "License is suspended.".to_owned(),
            Self::Expired(at) => format!("License expired at {at}."),
            Self::IpMismatch { locked, asking } => {
                format!("License is locked to the IP address {locked}; this server is seen as {asking}.")
            }
            Self::ServerLimit { active, allowed } => {
                let active = counted(*active, *allowed);
                format!("License is already activated on {active} of {allowed} allowed servers.")
            }
        }
    }
}

/// The reason and the sentence for a key that is not known.
pub const UNKNOWN_KEY: (&str, &str) = ("invalid_key", "License key is not known.");

/// Decides, and stores what follows from it.
///
/// # Errors
/// The store's own; nothing was decided then.
pub fn verify(transaction: &WriteTransaction<'_>, license: &License, inquiry: &Inquiry) -> Result<Decision, Error> {
    let now = transaction.now();
    let denied = |denial| Ok(Decision::Denied(denial));
    match license.status {
        Status::Cancelled => return denied(Denial::Cancelled),
        Status::Suspended => return denied(Denial::Suspended),
        Status::Active => {}
    }
    if let Some(at) = license.expires_at.filter(|at| *at <= now) {
        return denied(Denial::Expired(at));
    }
    if let Some(locked) = license.locked_ip.filter(|locked| *locked != inquiry.ip) {
        return denied(Denial::IpMismatch { locked, asking: inquiry.ip });
    }
    let allowed = license.plan.max_servers;
    let since = now.minus(ACTIVE_TIME);
    let count = |before: Option<i64>, most: u32| match before {
        Some(sequence) => transaction.count_earlier(license.id, since, sequence, most),
        None => transaction.count_activations(license.id, since, most),
    };
    let heartbeat = Heartbeat {
        ip: inquiry.ip,
        observed_ip: inquiry.observed_ip,
        reported_ip: inquiry.reported_ip,
        details: &inquiry.details,
    };
    match claim(transaction.slot(license.id, inquiry.ip)?, allowed, now, count)? {
        Claim::Refresh => transaction.refresh_activation(license.id, &heartbeat)?,
        Claim::Take { again } => {
            let actor = Actor { role: Role::Server, name: inquiry.ip.to_string() };
            let detail = activation_detail(inquiry, again);
            let sequence = transaction.add_event(Some(license.id), &actor, Action::Activated, &detail)?;
            transaction.put_activation(license.id, sequence, &heartbeat)?;
        }
        Claim::Refuse { active } => return denied(Denial::ServerLimit { active, allowed }),
    }
    Ok(Decision::Granted)
}

fn activation_detail(inquiry: &Inquiry, again: Option<Timestamp>) -> String {
    let host = inquiry.details.hostname.as_deref().map_or(String::new(), |name| format!(" ({name})"));
    match again {
        None => format!("{}{host}", inquiry.ip),
        Some(last) => format!("{}{host} again, last seen {last}", inquiry.ip),
    }
}

/// What an address gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It has a slot and keeps it.
    Refresh,
    /// It takes a free one, for the first time or again after it was last seen then.
    Take { again: Option<Timestamp> },
    /// There is none, with so many active servers, counted up to [`most`].
    Refuse { active: u32 },
}

/// The slot rule, for an address that has had the slot `own`. `allowed` is the number of slots, 0 for any number. `count`
/// says how many servers are active, before an order where one is given, and may stop at its second parameter: a license
/// may have very many, and only as many are looked at as the answer needs.
fn claim<Failure>(
    own: Option<Slot>,
    allowed: u32,
    now: Timestamp,
    count: impl Fn(Option<i64>, u32) -> Result<u32, Failure>,
) -> Result<Claim, Failure> {
    let active = own.filter(|own| Life::at(own.last_seen_at, now) == Life::Active);
    if allowed == 0 || count(active.map(|own| own.sequence), allowed)? < allowed {
        return Ok(match active {
            Some(_) => Claim::Refresh,
            None => Claim::Take { again: own.map(|own| own.last_seen_at) },
        });
    }
    Ok(Claim::Refuse { active: count(None, most(allowed))? })
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
