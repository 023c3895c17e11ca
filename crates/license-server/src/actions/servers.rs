//! Revoking and moving activations. Owners can do this too, up to a limit.

use std::net::IpAddr;
use std::time::Duration;

use super::blocks::{check_not_kept_out, keep_out, server_id};
use super::licenses::find;
use super::refusal::{OWNER_CHANGES, OWNER_CHANGES_TIME, Refusal};
use crate::model::change_error::{address_warning, check_server_ip};
use crate::model::{Action, Actor, Block, Role, ServerFacts};
use crate::store::{Error, WriteTransaction};

/// Deletes the activation of an address, keeps the server out for `block` if it is given, and returns the message for the
/// user. A server without an activation can be kept out, too.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn revoke(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    id: i64,
    ip: IpAddr,
    block: Option<Duration>,
) -> Result<String, Refusal> {
    find(transaction, id)?;
    within_owner_limit(transaction, actor, id)?;
    let server_id = server_id(transaction, id, ip)?;
    let identity = server_id.clone();
    let server = ServerFacts { server_id: identity.as_deref(), ..ServerFacts::at(ip) };
    let other = other_address(transaction, id, ip)?;
    let what = other.map_or_else(|| ip.to_string(), |other| format!("{ip} and {other}, one server,"));
    let was_active = transaction.delete_activation(id, ip)?;
    let freed = if was_active { format!("Its slot on license {id} is free.") } else { "It held no slot.".to_owned() };
    let Some(block) = block else {
        if !was_active {
            return Err(Refusal::NotFound(format!("License {id} is not activated on {ip}.")));
        }
        let detail = both(ip, other);
        transaction.add_server_event(Some(id), actor, Action::Revoked, &detail, Some(&server))?;
        return Ok(format!("{what} revoked. {freed}"));
    };
    let ends_at = transaction.now().plus(block);
    keep_out(transaction, id, &Block { ip, ends_at, server_id })?;
    let detail = format!("{}, kept out until {ends_at}", both(ip, other));
    transaction.add_server_event(Some(id), actor, Action::Revoked, &detail, Some(&server))?;
    Ok(format!("{what} revoked and kept out until {ends_at}. {freed}"))
}

/// Lets a server that is kept out claim a slot again, and returns the message for the user.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn unblock(transaction: &WriteTransaction<'_>, actor: &Actor, id: i64, ip: IpAddr) -> Result<String, Refusal> {
    find(transaction, id)?;
    if !transaction.delete_block(id, ip)? {
        return Err(Refusal::NotFound(format!("License {id} does not keep {ip} out.")));
    }
    transaction.add_event(Some(id), actor, Action::Unblocked, &ip.to_string())?;
    Ok(format!("{ip} can claim a slot of license {id} again at its next check, if one is free."))
}

/// The other address of the server at this address, if it has a pair.
fn other_address(transaction: &WriteTransaction<'_>, id: i64, ip: IpAddr) -> Result<Option<IpAddr>, Refusal> {
    let server = transaction.activation(id, ip)?;
    Ok(server.and_then(|server| server.addresses.iter().map(|side| side.ip).find(|other| *other != ip)))
}

/// The addresses of a server for the history.
fn both(ip: IpAddr, other: Option<IpAddr>) -> String {
    other.map_or_else(|| ip.to_string(), |other| format!("{ip} and {other}"))
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
    check_not_kept_out(transaction, id, to)?;
    within_owner_limit(transaction, actor, id)?;
    let taken =
        || Refusal::Conflict(format!("License {id} is already activated on {to}. Revoke one of the two instead."));
    let other = other_address(transaction, id, from)?.filter(|other| *other != to);
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
    let detail = format!("from {} to {to}{lock}", both(from, other));
    transaction.add_server_event(Some(id), actor, Action::Moved, &detail, Some(&server))?;
    let from = other.map_or_else(|| from.to_string(), |other| format!("{from} and {other}, one server,"));
    let next_step = license.next_step(transaction.now()).map_or(String::new(), |next_step| format!(" {next_step}"));
    Ok(format!("License {id} moved from {from} to {to}.{}{next_step}", address_warning(to)))
}

fn within_owner_limit(transaction: &WriteTransaction<'_>, actor: &Actor, id: i64) -> Result<(), Refusal> {
    if actor.role != Role::Owner {
        return Ok(());
    }
    let since = transaction.now().minus(OWNER_CHANGES_TIME);
    let count = transaction.count_by_owners(id, since)?;
    if count < OWNER_CHANGES { Ok(()) } else { Err(Refusal::TooOften) }
}
