//! Creating, changing and deleting licenses.

use std::net::IpAddr;

use super::refusal::Refusal;
use crate::model::change_error::{check_expiry, check_server_ip, find_plan};
use crate::model::describe::expiry;
use crate::model::{Action, Actor, AppliedChange, Change, License};
use crate::store::{NewLicense, WriteTransaction};
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;

/// Who changes a license, and which revision the change is based on.
pub struct ChangeContext<'a> {
    /// Who makes the change.
    pub actor: &'a Actor,
    /// The revision that the user saw; `None` on the command line, where changes are unconditional.
    pub seen: Option<i64>,
}

/// Creates a license and returns its number.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn create(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    owner: &str,
    plan: &str,
    expires_at: Option<Timestamp>,
    locked_ip: Option<IpAddr>,
    key: &Secret,
) -> Result<i64, Refusal> {
    let no_owner = || Refusal::NotFound(format!("There is no user “{owner}”."));
    let (owner, _) = transaction.user(owner)?.ok_or_else(no_owner)?;
    let plans = transaction.plans()?;
    let plan = find_plan(&plans, plan)?;
    check_expiry(expires_at, transaction.now())?;
    locked_ip.map_or(Ok(()), check_server_ip)?;
    let new = NewLicense {
        key,
        owner: owner.id,
        plan: &plan.slug,
        expires_at,
        locked_ip,
        reference: None,
        note: "",
        is_trial: false,
    };
    let id = transaction.insert_license(&new)?;
    let lock = locked_ip.map_or(String::new(), |ip| format!(", locked to {ip}"));
    let detail = format!("for {}, plan {}, expires {}{lock}", owner.name, plan.slug, expiry(expires_at));
    transaction.add_event(Some(id), actor, Action::Created, &detail)?;
    Ok(id)
}

/// Changes a license and returns the message for the user.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn change(
    transaction: &WriteTransaction<'_>,
    context: &ChangeContext<'_>,
    id: i64,
    change: &Change,
) -> Result<String, Refusal> {
    let mut license = find(transaction, id)?;
    unchanged_since(&license, context)?;
    let AppliedChange { action, detail, sentence } =
        change.apply(&mut license, &transaction.plans()?, transaction.now())?;
    transaction.update_license(&license)?;
    transaction.add_event(Some(id), context.actor, action, &detail)?;
    Ok(sentence)
}

/// Deletes a license and returns the message for the user.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn delete(transaction: &WriteTransaction<'_>, context: &ChangeContext<'_>, id: i64) -> Result<String, Refusal> {
    let license = find(transaction, id)?;
    unchanged_since(&license, context)?;
    let detail = format!("of {}, plan {}, key {}", license.owner_name, license.plan.slug, license.key.masked());
    transaction.add_event(Some(id), context.actor, Action::Deleted, &detail)?;
    transaction.delete_license(id)?;
    Ok(format!("License {id} deleted. Its history is kept."))
}

/// The license with this number.
pub(super) fn find(transaction: &WriteTransaction<'_>, id: i64) -> Result<License, Refusal> {
    transaction.license(id)?.ok_or_else(|| Refusal::NotFound(format!("There is no license {id}.")))
}

fn unchanged_since(license: &License, context: &ChangeContext<'_>) -> Result<(), Refusal> {
    match context.seen {
        Some(seen) if seen != license.revision => Err(Refusal::Stale),
        _ => Ok(()),
    }
}
