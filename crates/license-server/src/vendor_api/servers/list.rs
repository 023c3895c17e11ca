//! `GET …/servers`, `GET …/refusals` and `GET …/blocks`.

use std::net::IpAddr;

use serde::Serialize;

use crate::model::{Activation, ActivationState, Block, Details, Help, RETENTION_TIME, RefusedServer};
use crate::refused;
use crate::store::ReadTransaction;
use crate::vendor_api::answer::Answer;
use crate::vendor_api::call::Call;
use crate::vendor_api::error::ApiError;
use crate::vendor_api::page::{Page, items};
use opterius_base::clock::Timestamp;

/// A server that uses a license.
#[derive(Serialize)]
struct ServerView<'a> {
    ip: IpAddr,
    /// All addresses of the server: one, or an IPv4 and an IPv6 address.
    addresses: Vec<IpAddr>,
    state: ActivationState,
    activated_at: Timestamp,
    last_seen_at: Timestamp,
    observed_ip: IpAddr,
    reported_ip: Option<IpAddr>,
    #[serde(flatten)]
    details: &'a Details,
}

/// A server that a license was refused to.
#[derive(Serialize)]
struct RefusalView<'a> {
    #[serde(flatten)]
    server: &'a RefusedServer,
    kept_out_until: Option<Timestamp>,
    help: &'a [Help],
}

/// The servers in the order of activation. Those that the next garbage collection deletes are left out.
pub(in crate::vendor_api) fn list(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let license = call.license(transaction)?;
    let after = match call.query.text("cursor") {
        None => i64::MIN,
        Some(text) => text.parse().map_err(|_| ApiError::invalid("cursor", "It must be `next` of a page."))?,
    };
    let (most, kept) = (items(call), call.now.minus(RETENTION_TIME));
    let mut found = transaction.activations_after(license.id, after, kept, most.saturating_add(1))?;
    let is_more = found.len() > usize::try_from(most).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| is_more).map(|last| last.sequence.to_string());
    let data: Vec<ServerView<'_>> = found.iter().map(|activation| view(activation, call.now)).collect();
    Ok(Answer::json(200, &Page { data, next }))
}

fn view(activation: &Activation, now: Timestamp) -> ServerView<'_> {
    ServerView {
        ip: activation.ip,
        addresses: activation.addresses.iter().map(|side| side.ip).collect(),
        state: activation.state(now),
        activated_at: activation.started_at,
        last_seen_at: activation.last_seen_at,
        observed_ip: activation.observed_ip,
        reported_ip: activation.reported_ip,
        details: &activation.details,
    }
}

/// The refused servers, latest refusal first, with what helps each; a license remembers a hundred.
pub(in crate::vendor_api) fn refusals(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let license = call.license(transaction)?;
    let refused = refused::refused(transaction, &license, call.now)?;
    let view = |helped: &'_ refused::Helped| -> serde_json::Value {
        let kept_out_until = helped.block.as_ref().map(|block| block.ends_at);
        let view = RefusalView { server: &helped.server, kept_out_until, help: &helped.help };
        serde_json::to_value(view).unwrap_or_default()
    };
    Ok(Answer::json(200, &Page { data: refused.iter().map(view).collect(), next: None }))
}

/// The servers that are kept out, the first to end first; there are at most a hundred.
pub(in crate::vendor_api) fn blocks(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let license = call.license(transaction)?;
    Ok(Answer::json(200, &Page::<Block> { data: transaction.blocks(license.id, call.now)?, next: None }))
}
