//! Revoking and moving activations. Owners can do this too, up to a limit.

use std::net::IpAddr;

use super::licenses::find;
use super::refusal::{OWNER_CHANGES, OWNER_CHANGES_TIME, Refusal};
use crate::model::change_error::check_server_ip;
use crate::model::{Action, Actor, Role, ServerFacts};
use crate::store::{Error, WriteTransaction};

/// Deletes the activation of an address and returns the message for the user.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn revoke(transaction: &WriteTransaction<'_>, actor: &Actor, id: i64, ip: IpAddr) -> Result<String, Refusal> {
    find(transaction, id)?;
    within_owner_limit(transaction, actor, id)?;
    if !transaction.delete_activation(id, ip)? {
        return Err(Refusal::NotFound(format!("License {id} is not activated on {ip}.")));
    }
    let server = ServerFacts::at(ip);
    transaction.add_server_event(Some(id), actor, Action::Revoked, &ip.to_string(), Some(&server))?;
    Ok(format!("{ip} revoked. Its slot on license {id} is free."))
}

/// Moves the activation or the lock from one address to another and returns the message for the user.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn move_to(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    id: i64,
    from: IpAddr,
    to: IpAddr,
) -> Result<String, Refusal> {
    let mut license = find(transaction, id)?;
    if from == to {
        return Err(Refusal::Conflict(format!("{from} and {to} are the same address.")));
    }
    check_server_ip(to)?;
    within_owner_limit(transaction, actor, id)?;
    let taken =
        || Refusal::Conflict(format!("License {id} is already activated on {to}. Revoke one of the two instead."));
    let moved = transaction.move_activation(id, from, to).map_err(|error| match error {
        Error::Taken => taken(),
        error => error.into(),
    })?;
    let locked = license.locked_ip == Some(from);
    if locked {
        license.locked_ip = Some(to);
        transaction.update_license(&license)?;
    }
    if !moved && !locked {
        return Err(Refusal::NotFound(format!("License {id} is neither activated on {from} nor locked to it.")));
    }
    let lock = if locked { ", with the lock" } else { "" };
    let server = ServerFacts { previous_ip: Some(from), ..ServerFacts::at(to) };
    let detail = format!("from {from} to {to}{lock}");
    transaction.add_server_event(Some(id), actor, Action::Moved, &detail, Some(&server))?;
    Ok(format!("License {id} moved from {from} to {to}."))
}

fn within_owner_limit(transaction: &WriteTransaction<'_>, actor: &Actor, id: i64) -> Result<(), Refusal> {
    if actor.role != Role::Owner {
        return Ok(());
    }
    let since = transaction.now().minus(OWNER_CHANGES_TIME);
    let count = transaction.count_by_owners(id, since)?;
    if count < OWNER_CHANGES { Ok(()) } else { Err(Refusal::TooOften) }
}
