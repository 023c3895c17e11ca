//! What is done to one server of a license, by its owner or by an administrator.

use super::facts::Facts;
use super::field::{Field, server_ip, typed_ip};
use super::license_action::{LicenseAction, Order, Target};
use crate::model::{Action, Life};

/// All of them.
pub(super) static SERVER_ACTIONS: [&LicenseAction; 2] = [&REVOKE, &MOVE];

pub(super) static REVOKE: LicenseAction = LicenseAction {
    word: "revoke",
    tells: Action::Revoked,
    target: Target::Server { or_to_lock: false },
    heading: |facts| format!("Revoke {}", facts.address()),
    confirm_text: revoke,
    field: None,
    confirm: "Revoke",
    dangerous: true,
    order: |form| Ok(Order::Revoke(server_ip(form)?)),
};

pub(super) static MOVE: LicenseAction = LicenseAction {
    word: "move",
    tells: Action::Moved,
    target: Target::Server { or_to_lock: true },
    heading: |facts| format!("Move {}", facts.address()),
    confirm_text: relocate,
    field: Some(|_| Field::address("to", "New address")),
    confirm: "Move",
    dangerous: false,
    order: |form| Ok(Order::Move { from: server_ip(form)?, to: typed_ip(form, "to")? }),
};

fn revoke(facts: &Facts) -> Vec<String> {
    let server = facts.server_name();
    let is_active = facts.server.as_ref().is_some_and(|server| server.life(facts.now) == Life::Active);
    let first = if is_active {
        format!("{server} loses its slot at once.")
    } else {
        format!("{server} holds no slot any more, because it was not seen for seven days. It is taken off the list.")
    };
    let second = "Its Agent learns of it at its next check, within 24 hours, and then refuses changes unless a slot is \
                  free again.";
    [first, second.to_owned()].into_iter().chain(facts.left()).collect()
}

fn relocate(facts: &Facts) -> Vec<String> {
    let server = facts.server_name();
    let locked = facts.ip.is_some() && facts.license.locked_ip == facts.ip;
    let first = match (&facts.server, locked) {
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
    [first, second.to_owned()].into_iter().chain(facts.left()).collect()
}
