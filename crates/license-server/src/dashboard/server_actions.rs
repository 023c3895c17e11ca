//! Actions on a server of a license, for its owner and for administrators.

use super::field::{Field, server_ip, typed_ip};
use super::license_action::{ActionTarget, LicenseAction, Operation};
use super::license_context::LicenseContext;
use crate::model::{Action, ActivationState};

/// All server actions.
pub(super) static SERVER_ACTIONS: [&LicenseAction; 2] = [&REVOKE, &MOVE];

pub(super) static REVOKE: LicenseAction = LicenseAction {
    name: "revoke",
    history_action: Action::Revoked,
    target: ActionTarget::Server { accepts_locked_address: false },
    heading: |context| format!("Revoke {}", context.address()),
    confirm_text: revoke,
    field: None,
    confirm: "Revoke",
    dangerous: true,
    parse: |form| Ok(Operation::Revoke(server_ip(form)?)),
};

pub(super) static MOVE: LicenseAction = LicenseAction {
    name: "move",
    history_action: Action::Moved,
    target: ActionTarget::Server { accepts_locked_address: true },
    heading: |context| format!("Move {}", context.address()),
    confirm_text: relocate,
    field: Some(|_| Field::address("to", "New address")),
    confirm: "Move",
    dangerous: false,
    parse: |form| Ok(Operation::Move { from: server_ip(form)?, to: typed_ip(form, "to")? }),
};

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
