//! Actions on a server of a license, for its owner and for administrators.

use std::time::Duration;

use super::field::{Field, FieldKind, server_ip, typed_ip};
use super::form::Form;
use super::format::text;
use super::license_action::{ActionTarget, LicenseAction, Operation, Presence};
use super::license_context::LicenseContext;
use crate::actions::Refusal;
use crate::model::{Action, Activation, ActivationState, block_time};
use opterius_base::dates::Moment;

/// All server actions.
pub(super) static SERVER_ACTIONS: [&LicenseAction; 4] = [&REVOKE, &MOVE, &MOVE_HERE, &UNBLOCK];

pub(super) static REVOKE: LicenseAction = LicenseAction {
    name: "revoke",
    history_action: Action::Revoked,
    target: ActionTarget::Server(Presence::Activated),
    heading: |context| format!("Revoke {}", context.address()),
    confirm_text: revoke,
    fields: |_| vec![keep_out_field()],
    confirm: "Revoke",
    dangerous: true,
    parse: |form| Ok(Operation::Revoke { ip: server_ip(form)?, block: block(form)? }),
};

pub(super) static MOVE: LicenseAction = LicenseAction {
    name: "move",
    history_action: Action::Moved,
    target: ActionTarget::Server(Presence::ActivatedOrLocked),
    heading: |context| format!("Move {}", context.address()),
    confirm_text: relocate,
    fields: |_| vec![Field::address("to", "New address")],
    confirm: "Move",
    dangerous: false,
    parse: |form| Ok(Operation::Move { from: server_ip(form)?, to: typed_ip(form, "to")? }),
};

/// Moves the slot of another server to one that was refused.
pub(super) static MOVE_HERE: LicenseAction = LicenseAction {
    name: "move-here",
    history_action: Action::Moved,
    target: ActionTarget::Server(Presence::Refused),
    heading: |context| format!("Move a slot to {}", context.address()),
    confirm_text: move_here,
    fields: |context| vec![others_field(context)],
    confirm: "Move the slot",
    dangerous: false,
    parse: |form| Ok(Operation::Move { from: typed_ip(form, "from")?, to: server_ip(form)? }),
};

pub(super) static UNBLOCK: LicenseAction = LicenseAction {
    name: "unblock",
    history_action: Action::Unblocked,
    target: ActionTarget::Server(Presence::KeptOut),
    heading: |context| format!("Let {} in again", context.address()),
    confirm_text: |context| {
        vec![format!(
            "{} can claim a slot again at its next check, within 24 hours, if one is free.",
            context.address()
        )]
    },
    fields: |_| Vec::new(),
    confirm: "Let in again",
    dangerous: false,
    parse: |form| Ok(Operation::Unblock(server_ip(form)?)),
};

/// Whether a revoked server is kept out. The values are those of `license revoke --block`.
fn keep_out_field() -> Field {
    let options = [
        ("none", "It can claim a free slot again"),
        ("1d", "Revoke and keep out for 1 day"),
        ("7d", "Revoke and keep out for 7 days"),
        ("30d", "Revoke and keep out for 30 days"),
    ];
    Field {
        name: "block",
        label: "Afterwards",
        kind: FieldKind::Select,
        options: options.map(|(value, label)| (value.to_owned(), label.to_owned())).to_vec(),
        ..Field::default()
    }
}

fn block(form: &Form) -> Result<Option<Duration>, Refusal> {
    match form.text("block") {
        // A form without the field keeps nothing out.
        "" | "none" => Ok(None),
        text => block_time(text).map(Some).map_err(Refusal::Invalid),
    }
}

/// The servers that can give their slot, first the one with the same identity, then the one that was silent for longest.
fn others_field(context: &LicenseContext) -> Field {
    let identity = context.refused.as_ref().and_then(|refused| refused.details.server_id.as_deref());
    let is_same = |other: &Activation| identity.is_some_and(|id| other.details.server_id.as_deref() == Some(id));
    let mut others: Vec<&Activation> = context.others.iter().collect();
    others.sort_by_key(|other| (!is_same(other), other.last_seen_at));
    let label = |other: &Activation| {
        let name = other.details.hostname.as_deref().map(text).map_or(String::new(), |name| format!(" ({name})"));
        let same = if is_same(other) { ", the same machine identity" } else { "" };
        format!("{}{name}, last seen {}{same}", other.ip, Moment::new(other.last_seen_at, context.now).relative)
    };
    Field {
        name: "from",
        label: "Server that gives its slot",
        kind: FieldKind::Select,
        options: others.into_iter().map(|other| (other.ip.to_string(), label(other))).collect(),
        ..Field::default()
    }
}

fn move_here(context: &LicenseContext) -> Vec<String> {
    let first = format!("{} gets the slot of the server that you choose, immediately.", context.server_name());
    let second = "It is granted at its next check, within 24 hours. The other server needs another slot at its next check; \
                  without one it rejects changes.";
    [first, second.to_owned()].into_iter().chain(context.left()).collect()
}

fn revoke(context: &LicenseContext) -> Vec<String> {
    let server = context.server_name();
    let is_active = context.server.as_ref().is_some_and(|server| server.state(context.now) == ActivationState::Active);
    let first = if is_active {
        format!("{server} loses its slot immediately.")
    } else {
        format!("{server} has not checked in for seven days and holds no slot. It will be removed from the list.")
    };
    let second = "At its next check, within 24 hours, its Agent is refused and then rejects changes, unless a slot is free \
                  again.";
    [first, second.to_owned()].into_iter().chain(context.left()).collect()
}

fn relocate(context: &LicenseContext) -> Vec<String> {
    let server = context.server_name();
    let locked = context.ip.is_some() && context.license.locked_ip == context.ip;
    let first = match (&context.server, locked) {
        (Some(_), false) => format!("The slot of {server} moves to the new address immediately."),
        (Some(_), true) => format!("The slot and the lock of {server} move to the new address immediately."),
        (None, _) => format!("The lock moves from {server} to the new address immediately."),
    };
    let second = if locked {
        "The server at the old address is refused at its next check, within 24 hours."
    } else {
        "The server at the old address needs another slot at its next check, within 24 hours. Without one it rejects \
         changes."
    };
    [first, second.to_owned()].into_iter().chain(context.left()).collect()
}
