//! What is done to one server of a license, by its owner or by an administrator.

use super::field::{Field, server_ip, typed_ip};
use super::license_action::{LicenseAction, Operation, Target};
use super::license_context::LicenseContext;
use crate::model::{Action, ActivationState};

/// All of them.
pub(super) static SERVER_ACTIONS: [&LicenseAction; 2] = [&REVOKE, &MOVE];

pub(super) static REVOKE: LicenseAction = LicenseAction {
    word: "revoke",
    history_action: Action::Revoked,
    target: Target::Server { accepts_locked_address: false },
    heading: |context| format!("Revoke {}", context.address()),
    confirm_text: revoke,
    field: None,
    confirm: "Revoke",
    dangerous: true,
    parse: |form| Ok(Operation::Revoke(server_ip(form)?)),
};

pub(super) static MOVE: LicenseAction = LicenseAction {
    word: "move",
    history_action: Action::Moved,
    target: Target::Server { accepts_locked_address: true },
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
        format!("{server} loses its slot at once.")
    } else {
        format!("{server} holds no slot any more, because it was not seen for seven days. It is taken off the list.")
    };
    let second = "Its Agent learns of it at its next check, within 24 hours, and then refuses changes unless a slot is \
                  free again.";
    [first, second.to_owned()].into_iter().chain(context.left()).collect()
}

fn relocate(context: &LicenseContext) -> Vec<String> {
    let server = context.server_name();
    let locked = context.ip.is_some() && context.license.locked_ip == context.ip;
    let first = match (&context.server, locked) {
        (Some(_), false) => format!("The slot of {server} goes to the new address at once."),
        (Some(_), true) => format!("The slot of {server} goes to the new address at once, and the lock with it."),
        (None, _) => format!("The license is locked to the new address instead of {server} at once."),
    };
    let second = if locked {
        "The server at the old address is refused at its next check, within 24 hours."
    } else {
        "The server at the old address needs a slot of its own at its next check, within 24 hours; without one it \
         refuses changes."
    };
    [first, second.to_owned()].into_iter().chain(context.left()).collect()
}
