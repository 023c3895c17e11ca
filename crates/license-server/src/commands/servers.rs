//! The servers of a license in `license show`, and the commands that revoke and move them.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use crate::actions;
use crate::commands::failure::Failure;
use crate::commands::listing::table;
use crate::commands::lookup;
use crate::commands::session::Session;
use crate::commands::values::LicenseRef;
use crate::model::{Activation, ActivationState, Block, Help, License, RefusedServer};
use crate::refused::{Helped, refused};
use crate::store::ReadTransaction;
use opterius_base::clock::Timestamp;

/// The servers of a license: those that use it, those that it was refused to, and those that it keeps out.
pub(super) struct Servers {
    activations: Vec<Activation>,
    refused: Vec<Helped>,
    blocks: Vec<Block>,
}

/// An activation in JSON.
#[derive(Serialize)]
pub(super) struct ActivationView<'a> {
    state: ActivationState,
    #[serde(flatten)]
    activation: &'a Activation,
}

/// A refused server in JSON.
#[derive(Serialize)]
pub(super) struct RefusedView<'a> {
    #[serde(flatten)]
    server: &'a RefusedServer,
    help: &'a [Help],
}

impl Servers {
    pub(super) fn read(transaction: &ReadTransaction<'_>, license: &License, now: Timestamp) -> Result<Self, Failure> {
        let mut activations = transaction.activations(license.id)?;
        // The next garbage collection deletes these.
        activations.retain(|activation| activation.state(now) != ActivationState::Expired);
        let refused = refused(transaction, license, now)?;
        Ok(Self { activations, refused, blocks: transaction.blocks(license.id, now)? })
    }

    /// The number of active servers.
    pub(super) fn active(&self, now: Timestamp) -> u32 {
        let active = self.activations.iter().filter(|activation| activation.state(now) == ActivationState::Active);
        u32::try_from(active.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn activation_views(&self, now: Timestamp) -> Vec<ActivationView<'_>> {
        let view = |activation| ActivationView { state: Activation::state(activation, now), activation };
        self.activations.iter().map(view).collect()
    }

    pub(super) fn refused_views(&self) -> Vec<RefusedView<'_>> {
        self.refused.iter().map(|helped| RefusedView { server: &helped.server, help: &helped.help }).collect()
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The tables of `license show`. `program` begins the command lines that help.
    pub(super) fn tables(&self, license: &License, program: &str, now: Timestamp) -> String {
        let mut text = String::from("\n");
        if self.activations.is_empty() {
            text.push_str("No server uses this license.\n");
        } else {
            let header = &["IP", "STATE", "HOSTNAME", "AGENT", "PANEL", "FIRST SEEN", "LAST SEEN", "NOTE"];
            text.push_str(&table(header, self.activations.iter().map(|activation| server(activation, now)).collect()));
        }
        if !self.refused.is_empty() {
            let header = &["REFUSED IP", "REASON", "HOSTNAME", "AGENT", "LAST REFUSED", "TIMES", "WHAT HELPS"];
            text.push('\n');
            text.push_str(&table(header, self.refused.iter().map(|helped| row(helped, license)).collect()));
            text.push_str(&format!("Commands that help begin with: {program} license\n"));
        }
        if !self.blocks.is_empty() {
            let rows = self.blocks.iter().map(|block| vec![block.ip.to_string(), block.ends_at.to_string()]);
            text.push('\n');
            text.push_str(&table(&["KEPT OUT", "UNTIL"], rows.collect()));
        }
        text
    }
}

fn or_dash(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".to_owned())
}

fn server(activation: &Activation, now: Timestamp) -> Vec<String> {
    let details = &activation.details;
    let state = match activation.state(now) {
        ActivationState::Active => "Active",
        ActivationState::Inactive | ActivationState::Expired => "Inactive",
    };
    let mut notes = Vec::new();
    if activation.other_server_id.is_some() {
        notes.push("two machines, or a clone".to_owned());
    }
    if let Some(other) = activation.other_address() {
        notes.push(format!("one server with {}, last seen there {}", other.ip, other.last_seen_at));
    }
    if activation.addresses.iter().all(|side| side.ip != activation.observed_ip) {
        notes.push(format!("seen as {}", activation.observed_ip));
    }
    vec![
        activation.ip.to_string(),
        state.to_owned(),
        or_dash(&details.hostname),
        or_dash(&details.agent_version),
        or_dash(&details.panel_version),
        activation.started_at.to_string(),
        activation.last_seen_at.to_string(),
        notes.join(", "),
    ]
}

fn row(Helped { server, block, help }: &Helped, license: &License) -> Vec<String> {
    let (id, ip) = (license.id, server.ip);
    let command = |help: &Help| match help {
        Help::Resume => format!("resume {id}"),
        Help::Renew => format!("renew {id} --until DATE"),
        Help::MoveLock => {
            format!("move {id} {} {ip}", license.locked_ip.map_or("FROM".to_owned(), |ip| ip.to_string()))
        }
        Help::Unblock => format!("unblock {id} {}", block.as_ref().map_or(ip, |block| block.ip)),
        Help::Move => format!("move {id} FROM {ip}"),
        Help::Revoke => format!("revoke {id} IP"),
        Help::Upgrade => format!("set-plan {id} SLUG"),
        Help::Wait => "nothing stands in its way: it is granted at its next check".to_owned(),
    };
    // One of several makes room; everything else is needed together.
    let (choices, needed): (Vec<&Help>, Vec<&Help>) =
        help.iter().partition(|help| matches!(help, Help::Move | Help::Revoke | Help::Upgrade));
    let mut parts: Vec<String> = needed.into_iter().map(command).collect();
    if !choices.is_empty() {
        parts.push(choices.into_iter().map(command).collect::<Vec<_>>().join(", or "));
    }
    vec![
        ip.to_string(),
        server.reason.clone(),
        or_dash(&server.details.hostname),
        or_dash(&server.details.agent_version),
        server.last_at.to_string(),
        server.denials.to_string(),
        parts.join("; then "),
    ]
}

pub(super) fn revoke(
    session: &mut Session,
    license_ref: &LicenseRef,
    ip: IpAddr,
    block: Option<Duration>,
) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| {
        Ok(actions::revoke(transaction, actor, lookup::license(transaction, license_ref)?.id, ip, block)?)
    })
}

pub(super) fn unblock(session: &mut Session, license_ref: &LicenseRef, ip: IpAddr) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| {
        Ok(actions::unblock(transaction, actor, lookup::license(transaction, license_ref)?.id, ip)?)
    })
}

pub(super) fn move_to(
    session: &mut Session,
    license_ref: &LicenseRef,
    from: IpAddr,
    to: IpAddr,
) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| {
        Ok(actions::move_to(transaction, actor, lookup::license(transaction, license_ref)?.id, from, to)?)
    })
}
