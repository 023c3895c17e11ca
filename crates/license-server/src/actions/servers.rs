//! What is done to the servers that use a license. Their owners may do it, though not without end.

use std::net::IpAddr;

use super::licenses::find;
use super::refusal::{OWNER_CHANGES, OWNER_CHANGES_TIME, Refusal};
use crate::model::objection::of_a_server;
use crate::model::{Action, Actor, Role};
use crate::store::{Changes, Error};

/// Frees the slot of an address, and returns what was done in a sentence.
///
/// # Errors
/// Why not; nothing was done then.
pub fn revoke(changes: &Changes<'_>, actor: &Actor, id: i64, ip: IpAddr) -> Result<String, Refusal> {
    find(changes, id)?;
    within_owner_limit(changes, actor, id)?;
    if !changes.delete_activation(id, ip)? {
        return Err(Refusal::NotFound(format!("License {id} is not activated on {ip}.")));
    }
    changes.add_event(Some(id), actor, Action::Revoked, &ip.to_string())?;
    Ok(format!("{ip} no longer uses license {id}. Its slot is free now."))
}

/// Gives the slot, or the lock, of one address to another, and returns what was done in a sentence.
///
/// # Errors
/// Why not; nothing was done then.
pub fn move_to(changes: &Changes<'_>, actor: &Actor, id: i64, from: IpAddr, to: IpAddr) -> Result<String, Refusal> {
    let mut license = find(changes, id)?;
    if from == to {
        return Err(Refusal::Conflict(format!("{from} and {to} are the same address.")));
    }
    of_a_server(to)?;
    within_owner_limit(changes, actor, id)?;
    let taken = || Refusal::Conflict(format!("License {id} is used on {to} already. Revoke one of the two instead."));
    let moved = changes.move_activation(id, from, to).map_err(|error| match error {
        Error::Taken => taken(),
        error => error.into(),
    })?;
    let locked = license.locked_ip == Some(from);
    if locked {
        license.locked_ip = Some(to);
        changes.update_license(&license)?;
    }
    if !moved && !locked {
        return Err(Refusal::NotFound(format!("License {id} is neither activated on {from} nor locked to it.")));
    }
    let lock = if locked { ", with the lock" } else { "" };
    changes.add_event(Some(id), actor, Action::Moved, &format!("from {from} to {to}{lock}"))?;
    Ok(format!("License {id} is used on {to} instead of {from} now."))
}

fn within_owner_limit(changes: &Changes<'_>, actor: &Actor, id: i64) -> Result<(), Refusal> {
    if actor.role != Role::Owner {
        return Ok(());
    }
    let since = changes.now().minus(OWNER_CHANGES_TIME);
    let count = changes.count_by_owners(id, since)?;
    if count < OWNER_CHANGES { Ok(()) } else { Err(Refusal::TooOften) }
}
