//! The rules of a verification, checked in one transaction and in this order: known key, not cancelled, not suspended, not
//! expired, at the locked address, the server is not kept out, a slot is available.
//!
//! Servers hold slots in the order of activation. After a downgrade the first servers keep theirs and the others are
//! denied. A denied server is not refreshed, so it becomes inactive after seven days.

use std::net::IpAddr;

use crate::model::{ACTIVE_TIME, Action, Actor, Details, EventFacts, EventType, License, Role, ServerFacts, Status};
use crate::pairing::{self, SameIdentity};
use crate::store::counting::{count_cap, format_count};
use crate::store::{Error, Heartbeat, News, OwnSlot, Record, Slot, WriteTransaction};
use opterius_base::clock::Timestamp;

/// A verification request, reduced to what the rules need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// The address that the request came from.
    pub observed_ip: IpAddr,
    /// The address that the server reports.
    pub reported_ip: Option<IpAddr>,
    /// The address that identifies the server, by [`crate::address::identity`].
    pub ip: IpAddr,
    /// What the server reports about itself.
    pub details: Details,
}

/// The result of a verification with a known key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The server can use the license.
    Granted,
    /// The server cannot use the license.
    Denied(Denial),
}

/// Why a verification is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The license is cancelled.
    Cancelled,
    /// The license is suspended.
    Suspended,
    /// The license expired at this instant.
    Expired(Timestamp),
    /// The license is locked to another address.
    IpMismatch {
        /// The address that the license is locked to.
        locked: IpAddr,
        /// The address of the requesting server.
        asking: IpAddr,
    },
    /// All slots are in use.
    ServerLimit {
        /// Active servers, counted up to [`count_cap`].
        active: u32,
        /// Servers that the plan allows.
        allowed: u32,
    },
    /// The server was revoked and is kept out.
    KeptOut {
        /// The address of the requesting server.
        ip: IpAddr,
        /// When it can claim a slot again.
        until: Timestamp,
    },
}

impl Denial {
    /// The `reason` code of the response.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Suspended => "suspended",
            Self::Expired(_) => "expired",
            // Agents and Panels know this reason. It is about the server and not about the license, and their help leads to
            // the license's servers in the dashboard, where the vendor or the owner can let the server in again.
            Self::IpMismatch { .. } | Self::KeptOut { .. } => "server_ip_mismatch",
            Self::ServerLimit { .. } => "server_limit_reached",
        }
    }

    /// The `message` of the response.
    pub fn message(&self) -> String {
        match self {
            Self::Cancelled => "License has been cancelled.".to_owned(),
            Self::Suspended => "License is suspended.".to_owned(),
            Self::Expired(at) => format!("License expired at {at}."),
            Self::IpMismatch { locked, asking } => {
                format!("License is locked to the IP address {locked}; this server is seen as {asking}.")
            }
            Self::ServerLimit { active, allowed } => {
                let active = format_count(*active, *allowed);
                format!("License is already activated on {active} of {allowed} allowed servers.")
            }
            Self::KeptOut { ip, until } => {
                format!("The server {ip} was revoked and cannot use this license until {until}.")
            }
        }
    }
}

/// `reason` and `message` for an unknown key.
pub const UNKNOWN_KEY: (&str, &str) = ("invalid_key", "License key is not known.");

/// Decides a verification and stores its consequences.
///
/// # Errors
/// A store error; there is no decision then.
pub fn verify(transaction: &WriteTransaction<'_>, license: &License, inquiry: &Inquiry) -> Result<Decision, Error> {
    decide(transaction, license, inquiry, record(transaction, license, inquiry)?)
}

/// What is stored about the address.
///
/// # Errors
/// A store error.
pub fn record(transaction: &WriteTransaction<'_>, license: &License, inquiry: &Inquiry) -> Result<Record, Error> {
    transaction.record(license.id, &heartbeat(inquiry), transaction.now())
}

fn heartbeat(inquiry: &Inquiry) -> Heartbeat<'_> {
    Heartbeat {
        ip: inquiry.ip,
        observed_ip: inquiry.observed_ip,
        reported_ip: inquiry.reported_ip,
        details: &inquiry.details,
    }
}

/// [`verify`] for a server whose `record` is known, from [`record()`] in the same transaction.
///
/// # Errors
/// A store error; there is no decision then.
pub fn decide(
    transaction: &WriteTransaction<'_>,
    license: &License,
    inquiry: &Inquiry,
    record: Record,
) -> Result<Decision, Error> {
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
    if record.has_blocks
        && let Some(until) = kept_out_until(transaction, license.id, inquiry)?
    {
        return denied(Denial::KeptOut { ip: inquiry.ip, until });
    }
    let allowed = license.plan.max_servers;
    let since = now.minus(ACTIVE_TIME);
    let count = |before: Option<i64>, most: u32| match before {
        Some(sequence) => transaction.count_earlier(license.id, since, sequence, most),
        None => transaction.count_activations(license.id, since, most),
    };
    let heartbeat = heartbeat(inquiry);
    let mut slot = record.own.map(|own| own.slot);
    if let Some(own) = record.own.filter(|own| own.slot.is_active(now)) {
        if claim(slot, allowed, now, count)? == Claim::Refresh {
            if keep(transaction, license.id, own, &heartbeat)? {
                return granted(transaction, license.id, inquiry, record.was_refused);
            }
            slot = None;
        } else if let Some(merged) = pairing::merge(transaction, license.id, own, &heartbeat)? {
            slot = Some(merged);
        }
    }
    // An address without a slot can belong to a server that has one.
    let SameIdentity { relative, first } = match slot.filter(|slot| slot.is_active(now)) {
        None if record.may_have_relatives => pairing::find(transaction, license.id, &heartbeat)?,
        _ => SameIdentity::default(),
    };
    match claim(relative.as_ref().map(|relative| relative.slot).or(slot), allowed, now, count)? {
        Claim::Refresh => {
            if let Some(relative) = relative {
                pairing::join(transaction, license.id, &relative, &heartbeat)?;
            }
        }
        Claim::Take { again } => {
            let actor = Actor { role: Role::Server, name: inquiry.ip.to_string() };
            let detail = activation_detail(inquiry, again);
            // The number of the entry is the place of the activation, which is announced once it is there.
            let sequence = transaction.add_entry(Some(license.id), &actor, Action::Activated, &detail)?;
            if record.own.is_some() {
                transaction.release_second(license.id, inquiry.ip)?;
            }
            transaction.put_activation(license.id, sequence, &heartbeat)?;
            announce_activation(transaction, license.id, sequence, &actor, &detail, inquiry)?;
            if let Some(twin) = first.filter(|_| again.is_none()) {
                announce_clone(transaction, license.id, inquiry, twin)?;
            }
        }
        Claim::Refuse { active } => return denied(Denial::ServerLimit { active, allowed }),
    }
    granted(transaction, license.id, inquiry, record.was_refused)
}

fn granted(
    transaction: &WriteTransaction<'_>,
    license: i64,
    inquiry: &Inquiry,
    was_refused: bool,
) -> Result<Decision, Error> {
    if was_refused {
        transaction.delete_refusal(license, inquiry.ip)?;
    }
    Ok(Decision::Granted)
}

/// Records a check-in of a server that keeps its slot; `false` if the address turned out to be that of another host.
fn keep(
    transaction: &WriteTransaction<'_>,
    license: i64,
    own: OwnSlot,
    heartbeat: &Heartbeat<'_>,
) -> Result<bool, Error> {
    if own.is_pair {
        return pairing::refresh(transaction, license, own.slot, heartbeat);
    }
    transaction.refresh_activation(license, heartbeat, &own)?;
    if own.news == News::Identity {
        pairing::merge(transaction, license, own, heartbeat)?;
    }
    Ok(true)
}

/// Until when the requesting server is kept out, if it is.
fn kept_out_until(
    transaction: &WriteTransaction<'_>,
    license: i64,
    inquiry: &Inquiry,
) -> Result<Option<Timestamp>, Error> {
    let server_id = inquiry.details.server_id.as_deref();
    let blocks = transaction.blocks(license, transaction.now())?;
    let applying = blocks.iter().filter(|block| block.applies_to(inquiry.ip, server_id));
    Ok(applying.map(|block| block.ends_at).max())
}

fn announce_activation(
    transaction: &WriteTransaction<'_>,
    license: i64,
    entry: i64,
    actor: &Actor,
    detail: &str,
    inquiry: &Inquiry,
) -> Result<(), Error> {
    let server = facts(inquiry);
    let facts = EventFacts {
        server: Some(&server),
        history_entry: Some(entry),
        actor: Some(actor),
        detail,
        ..EventFacts::default()
    };
    transaction.announce(EventType::ServerActivated, Some(license), &facts)
}

/// Announces a new server with the identity of another active server of the license, `twin`.
fn announce_clone(
    transaction: &WriteTransaction<'_>,
    license: i64,
    inquiry: &Inquiry,
    twin: IpAddr,
) -> Result<(), Error> {
    let server = ServerFacts { clone_of: Some(twin), ..facts(inquiry) };
    let facts = EventFacts { server: Some(&server), ..EventFacts::default() };
    transaction.announce(EventType::ServerCloned, Some(license), &facts)
}

/// The server for webhooks.
fn facts(inquiry: &Inquiry) -> ServerFacts<'_> {
    let Details { hostname, server_id, .. } = &inquiry.details;
    ServerFacts { hostname: hostname.as_deref(), server_id: server_id.as_deref(), ..ServerFacts::at(inquiry.ip) }
}

fn activation_detail(inquiry: &Inquiry, again: Option<Timestamp>) -> String {
    let host = inquiry.details.hostname.as_deref().map_or(String::new(), |name| format!(" ({name})"));
    match again {
        None => format!("{}{host}", inquiry.ip),
        Some(last) => format!("{}{host} again, last seen {last}", inquiry.ip),
    }
}

/// The slot rule's answer for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// The server has a slot and keeps it.
    Refresh,
    /// The server takes a free slot; `again` is its previous check-in if it had one before.
    Take { again: Option<Timestamp> },
    /// No slot is free, with this many active servers, counted up to [`count_cap`].
    Refuse { active: u32 },
}

/// The slot rule for an address whose previous slot is `own`. `allowed` is the number of slots; 0 is unlimited. `count`
/// returns the number of active servers, optionally only those before a sequence number, and can stop at its second
/// argument: a license can have very many servers, and the rule reads no more of them than it needs.
fn claim<Failure>(
    own: Option<Slot>,
    allowed: u32,
    now: Timestamp,
    count: impl Fn(Option<i64>, u32) -> Result<u32, Failure>,
) -> Result<Claim, Failure> {
    let Some(active) = own.filter(|own| own.is_active(now)) else {
        let counted = if allowed == 0 { None } else { Some(count(None, count_cap(allowed))?) };
        return Ok(match counted.filter(|counted| *counted >= allowed) {
            Some(active) => Claim::Refuse { active },
            None => Claim::Take { again: own.map(|own| own.last_seen_at) },
        });
    };
    if allowed == 0 || count(Some(active.sequence), allowed)? < allowed {
        return Ok(Claim::Refresh);
    }
    Ok(Claim::Refuse { active: count(None, count_cap(allowed))? })
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
