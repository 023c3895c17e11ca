//! Servers that a license keeps out.

use std::net::IpAddr;

use super::refusal::Refusal;
use crate::model::change_error::address_warning;
use crate::model::{Block, License, MAX_BLOCKS};
use crate::store::WriteTransaction;

/// The identity of the server at this address, active or refused.
pub(super) fn server_id(transaction: &WriteTransaction<'_>, id: i64, ip: IpAddr) -> Result<Option<String>, Refusal> {
    let active = transaction.activation(id, ip)?.map(|activation| activation.details);
    let details = match active {
        Some(details) => Some(details),
        None => transaction.refused_server(id, ip)?.map(|refused| refused.details),
    };
    Ok(details.and_then(|details| details.server_id))
}

pub(super) fn keep_out(transaction: &WriteTransaction<'_>, id: i64, block: &Block) -> Result<(), Refusal> {
    let blocks = transaction.blocks(id, transaction.now())?;
    let is_new = blocks.iter().all(|other| other.ip != block.ip);
    if is_new && u32::try_from(blocks.len()).is_ok_and(|count| count >= MAX_BLOCKS) {
        return Err(Refusal::Conflict(format!(
            "License {id} keeps {MAX_BLOCKS} servers out, which is the limit. Unblock one of them first."
        )));
    }
    transaction.put_block(id, block)?;
    Ok(())
}

/// A warning about the address that the license is locked to, to follow the message of the lock; empty if there is nothing to
/// say.
pub(super) fn lock_warning(transaction: &WriteTransaction<'_>, license: &License) -> Result<String, Refusal> {
    let (id, Some(ip)) = (license.id, license.locked_ip) else { return Ok(String::new()) };
    let kept_out = applying_block(transaction, id, ip)?.map_or(String::new(), |Block { ip, ends_at, .. }| {
        format!(
            " Warning: license {id} keeps {ip} out until {ends_at}, so that the server is refused until then. Unblock {ip} to \
             let it in."
        )
    });
    Ok(address_warning(ip) + &kept_out)
}

/// The block that refuses the server at this address, if any.
fn applying_block(transaction: &WriteTransaction<'_>, id: i64, ip: IpAddr) -> Result<Option<Block>, Refusal> {
    let server_id = server_id(transaction, id, ip)?;
    let blocks = transaction.blocks(id, transaction.now())?;
    Ok(blocks.into_iter().find(|block| block.applies_to(ip, server_id.as_deref())))
}

/// Checks that no block refuses the server at an address that it moves to.
pub(super) fn check_not_kept_out(transaction: &WriteTransaction<'_>, id: i64, to: IpAddr) -> Result<(), Refusal> {
    match applying_block(transaction, id, to)? {
        None => Ok(()),
        Some(block) => Err(Refusal::Conflict(format!(
            "License {id} keeps {} out until {}. Unblock it first.",
            block.ip, block.ends_at
        ))),
    }
}
