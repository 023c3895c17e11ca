//! Writing an account's record, as a step of a transaction.

use crate::transaction::Transaction;
use opterius_base::files::FileMode;
use opterius_host::layout::AGENT_GROUP;
use opterius_host::problem::Problem;
use opterius_host::users::account::{self, Account};
use opterius_host::users::register::Register;

/// Writes the record, readable by the Agent.
///
/// # Errors
/// The file cannot be written.
pub fn write(transaction: &mut Transaction<'_>, account: &Account, register: &Register) -> Result<(), Problem> {
    let mode = FileMode { mode: 0o640, group: register.group(AGENT_GROUP).map(|group| group.gid) };
    transaction.write(&account::path(transaction.host(), &account.username), &account.to_bytes(), mode)
}
