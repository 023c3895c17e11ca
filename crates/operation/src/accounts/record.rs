//! What is known of an account beside the system's register, as a step of a transaction.

use crate::transaction::Changes;
use opterius_base::files::Rights;
use opterius_host::layout::AGENT_GROUP;
use opterius_host::problem::Problem;
use opterius_host::users::account::{self, Account};
use opterius_host::users::register::Register;

/// Writes it down, readable for the Agent.
///
/// # Errors
/// It cannot be written.
pub fn write(changes: &mut Changes<'_>, account: &Account, register: &Register) -> Result<(), Problem> {
    let rights = Rights { mode: 0o640, group: register.group(AGENT_GROUP).map(|group| group.gid) };
    changes.write(&account::path(changes.host(), &account.username), &account.to_bytes(), rights)
}
