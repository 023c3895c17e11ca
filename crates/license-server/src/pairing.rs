//! Pairs: finds the server that an address belongs to, and keeps the addresses of servers. [`crate::model::Sides`] decides.

use std::net::IpAddr;

use crate::model::{ACTIVE_TIME, Action, Actor, Role, Sides, Sign};
use crate::store::{Error, Heartbeat, OwnSlot, ServerSides, Slot, WriteTransaction};

/// Servers with one identity that are compared. A license with more clones gets no more pairs.
const MAX_RELATIVES: u32 = 32;

/// The active servers with the identity of an address that has no active activation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SameIdentity {
    /// The one that the address belongs to, if any.
    pub relative: Option<Relative>,
    /// The address of the first of them.
    pub first: Option<IpAddr>,
}

/// The server that an address belongs to, with the address taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relative {
    /// The server's slot.
    pub slot: Slot,
    sides: Sides,
    was_pair: bool,
}

fn sign<'a>(transaction: &WriteTransaction<'_>, heartbeat: &Heartbeat<'a>) -> Sign<'a> {
    let hostname = heartbeat.details.hostname.as_deref();
    Sign { ip: heartbeat.ip, hostname, at: transaction.now() }
}

/// Finds the active servers with the same identity.
///
/// # Errors
/// A store error.
pub fn find(
    transaction: &WriteTransaction<'_>,
    license: i64,
    heartbeat: &Heartbeat<'_>,
) -> Result<SameIdentity, Error> {
    let identity = heartbeat.details.server_id.as_deref().filter(|identity| !identity.is_empty());
    let Some(identity) = identity else { return Ok(SameIdentity::default()) };
    let since = transaction.now().minus(ACTIVE_TIME);
    let sign = sign(transaction, heartbeat);
    let relatives = transaction.relatives(license, identity, since, MAX_RELATIVES)?;
    let mut others = relatives.into_iter().filter(|relative| relative.slot.ip != heartbeat.ip).peekable();
    let first = others.peek().map(|other| other.slot.ip);
    let mut joined = others.filter_map(|other| {
        Some(Relative { slot: other.slot, sides: other.sides.joined(sign)?, was_pair: other.sides.second.is_some() })
    });
    Ok(SameIdentity { relative: joined.next(), first })
}

/// Takes the address into its server, which keeps its slot.
///
/// # Errors
/// A store error.
pub fn join(
    transaction: &WriteTransaction<'_>,
    license: i64,
    relative: &Relative,
    heartbeat: &Heartbeat<'_>,
) -> Result<(), Error> {
    // What is left of an earlier activation of the address.
    match transaction.slot(license, heartbeat.ip)? {
        Some(old) if old.ip == heartbeat.ip => drop(transaction.delete_activation(license, old.ip)?),
        Some(_) => transaction.release_second(license, heartbeat.ip)?,
        None => {}
    }
    transaction.put_sides(license, relative.slot, &relative.sides, heartbeat)?;
    if relative.was_pair || relative.sides.second.is_none() {
        return Ok(());
    }
    record(transaction, license, heartbeat, Action::Paired, [relative.slot.ip, heartbeat.ip])
}

/// Makes one server of two activations that belong together: that of the address, `slot`, and one that it could have
/// joined. Such two come about where the identity became known only later. Returns the slot that they keep, if any.
///
/// # Errors
/// A store error.
pub fn merge(
    transaction: &WriteTransaction<'_>,
    license: i64,
    OwnSlot { slot, is_pair, .. }: OwnSlot,
    heartbeat: &Heartbeat<'_>,
) -> Result<Option<Slot>, Error> {
    if is_pair {
        return Ok(None);
    }
    let Some(relative) = find(transaction, license, heartbeat)?.relative else { return Ok(None) };
    if relative.was_pair || relative.sides.second.is_none() {
        return Ok(None);
    }
    if relative.slot.sequence < slot.sequence {
        join(transaction, license, &relative, heartbeat)?;
        return Ok(Some(relative.slot));
    }
    let Some(own) = transaction.sides(license, slot)? else { return Ok(None) };
    transaction.delete_activation(license, relative.slot.ip)?;
    let second = Some(relative.sides.first);
    transaction.put_sides(license, slot, &Sides { second, ..own.sides }, heartbeat)?;
    record(transaction, license, heartbeat, Action::Paired, [slot.ip, relative.slot.ip])?;
    Ok(Some(slot))
}

/// Records a check-in of a server with a pair of addresses. Returns whether the address still belongs to it: a pair that
/// turns out to be two hosts is separated, and the address that came later has to claim a slot of its own.
///
/// # Errors
/// A store error.
pub fn refresh(
    transaction: &WriteTransaction<'_>,
    license: i64,
    slot: Slot,
    heartbeat: &Heartbeat<'_>,
) -> Result<bool, Error> {
    let Some(server) = transaction.sides(license, slot)? else { return Ok(false) };
    let (mut sides, mut gone) = server.sides.seen(sign(transaction, heartbeat));
    if alternates(&server, transaction, heartbeat) {
        gone = gone.or_else(|| sides.second.take());
    }
    let is_second = gone.as_ref().is_some_and(|gone| gone.ip == heartbeat.ip);
    let names =
        |sides: &Sides| (sides.first.hostname.clone(), sides.second.as_ref().and_then(|side| side.hostname.clone()));
    if gone.is_none() && names(&server.sides) == names(&sides) {
        transaction.refresh_pair(license, slot, heartbeat)?;
    } else {
        transaction.put_sides(license, slot, &sides, heartbeat)?;
    }
    let identity = heartbeat.details.server_id.as_deref();
    if let Some(identity) = identity.filter(|identity| !is_second && server.server_id.as_deref() != Some(*identity)) {
        transaction.set_identity(license, Slot { ip: sides.first.ip, ..slot }, identity)?;
    }
    if let Some(gone) = gone {
        record(transaction, license, heartbeat, Action::Separated, [sides.first.ip, gone.ip])?;
    }
    Ok(!is_second)
}

fn record(
    transaction: &WriteTransaction<'_>,
    license: i64,
    heartbeat: &Heartbeat<'_>,
    action: Action,
    [first, second]: [IpAddr; 2],
) -> Result<(), Error> {
    let actor = Actor { role: Role::Server, name: heartbeat.ip.to_string() };
    transaction.add_event(Some(license), &actor, action, &format!("{first} and {second}"))?;
    Ok(())
}

/// Whether the pair goes back to an identity that it had before the present one.
fn alternates(server: &ServerSides, transaction: &WriteTransaction<'_>, heartbeat: &Heartbeat<'_>) -> bool {
    let identity = heartbeat.details.server_id.as_deref();
    let (Some(identity), Some((other, at))) = (identity, &server.other) else { return false };
    server.server_id.as_deref() != Some(identity) && other == identity && transaction.now().since(*at) < ACTIVE_TIME
}

#[cfg(test)]
#[path = "pairing_tests.rs"]
mod tests;
