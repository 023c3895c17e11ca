//! `DELETE …/servers/{ip}`, `POST …/servers/{ip}/move` and `DELETE …/blocks/{ip}`. What is so already is answered with
//! `changed: false`.

use std::net::IpAddr;

use serde::Serialize;

use super::address;
use crate::actions::{self, Refusal};
use crate::model::block_time;
use crate::model::change_error::{address_warning, check_server_ip};
use crate::store::WriteTransaction;
use crate::vendor_api::answer::Answer;
use crate::vendor_api::call::Call;
use crate::vendor_api::error::{ApiError, in_field};
use opterius_base::clock::Timestamp;

/// What has become of a server.
#[derive(Serialize)]
struct ServerChange {
    changed: bool,
    /// The license's number.
    license: i64,
    ip: IpAddr,
    /// Until when the license keeps the server out.
    kept_out_until: Option<Timestamp>,
    message: String,
    warning: Option<String>,
}

impl ServerChange {
    fn answer(
        transaction: &WriteTransaction<'_>,
        license: i64,
        ip: IpAddr,
        changed: bool,
        message: String,
    ) -> Result<Answer, ApiError> {
        let blocks = transaction.blocks(license, transaction.now())?;
        let kept_out_until = blocks.iter().find(|block| block.ip == ip).map(|block| block.ends_at);
        let warning = Some(address_warning(ip)).filter(|warning| !warning.is_empty());
        let warning = warning.map(|warning| warning.trim().to_owned());
        Ok(Answer::json(200, &Self { changed, license, ip, kept_out_until, message, warning }))
    }
}

/// Revokes the activation of a server, and keeps it out if the call asks for that.
pub(in crate::vendor_api) fn revoke(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let (license, ip) = (call.license_to_change(transaction)?.id, address(call)?);
    let block =
        call.query.text("block").map(block_time).transpose().map_err(|text| ApiError::invalid("block", text))?;
    if block.is_none() && transaction.slot(license, ip)?.is_none() {
        let message = format!("License {license} is not activated on {ip}.");
        return ServerChange::answer(transaction, license, ip, false, message);
    }
    let message = actions::revoke(transaction, &call.actor(), license, ip, block)?;
    ServerChange::answer(transaction, license, ip, true, message)
}

/// Moves the activation or the lock of an address to another.
pub(in crate::vendor_api) fn transfer(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let (license, from) = (call.license_to_change(transaction)?, address(call)?);
    let to = call.body.address("to").ok_or_else(|| ApiError::invalid("to", "It is missing."))?;
    check_server_ip(to).map_err(|error| in_field("to", error))?;
    let is_from = transaction.slot(license.id, from)?.is_some() || license.locked_ip == Some(from);
    let is_to = transaction.slot(license.id, to)?.is_some() || license.locked_ip == Some(to);
    if from != to && !is_from && is_to {
        let message = format!("License {} is already at {to}, and no longer at {from}.", license.id);
        return ServerChange::answer(transaction, license.id, to, false, message);
    }
    let moved = actions::move_to(transaction, &call.actor(), license.id, from, to);
    let message = moved.map_err(|refusal| match refusal {
        Refusal::Conflict(_) => ApiError::from(refusal).of("to"),
        refusal => refusal.into(),
    })?;
    ServerChange::answer(transaction, license.id, to, true, message)
}

/// Lets a server in again.
pub(in crate::vendor_api) fn unblock(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let (license, ip) = (call.license_to_change(transaction)?.id, address(call)?);
    let blocks = transaction.blocks(license, transaction.now())?;
    if blocks.iter().all(|block| block.ip != ip) {
        let message = format!("License {license} does not keep {ip} out.");
        return ServerChange::answer(transaction, license, ip, false, message);
    }
    let message = actions::unblock(transaction, &call.actor(), license, ip)?;
    ServerChange::answer(transaction, license, ip, true, message)
}
