//! Creating, changing and deleting licenses.

use std::net::IpAddr;

use super::blocks::lock_warning;
use super::refusal::Refusal;
use crate::model::change_error::{
    ChangeError, check_expiry, check_labels, check_note, check_reference, check_server_ip, find_plan,
};
use crate::model::describe::expiry;
use crate::model::{Action, Actor, AppliedChange, Change, License};
use crate::store::{Error, NewLicense, WriteTransaction};
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;

/// Who changes a license, and which revision the change is based on.
pub struct ChangeContext<'a> {
    /// Who makes the change.
    pub actor: &'a Actor,
    /// The revision that the user saw; `None` on the command line, where changes are unconditional.
    pub seen: Option<i64>,
}

/// A license to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LicenseTerms {
    /// The owner's name.
    pub owner: String,
    /// The plan's slug.
    pub plan: String,
    /// The expiry; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// The only address that can use it.
    pub locked_ip: Option<IpAddr>,
    /// The vendor's own number of it.
    pub reference: Option<String>,
    /// The vendor's note.
    pub note: String,
    /// The vendor's labels.
    pub labels: Vec<String>,
    /// Whether it is a trial.
    pub is_trial: bool,
}

/// Creates a license with only the terms that every license has, and returns its number.
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
    let (owner, plan) = (owner.to_owned(), plan.to_owned());
    create_license(
        transaction,
        actor,
        &LicenseTerms { owner, plan, expires_at, locked_ip, ..LicenseTerms::default() },
        key,
    )
    .map(|created| created.license.id)
}

/// A new license.
pub struct CreatedLicense {
    /// The license.
    pub license: License,
    /// What to warn of, to follow the message for the user; empty if there is nothing.
    pub warning: String,
}

/// Creates a license.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn create_license(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    terms: &LicenseTerms,
    key: &Secret,
) -> Result<CreatedLicense, Refusal> {
    let LicenseTerms { owner, expires_at, locked_ip, reference, note, labels, is_trial, .. } = terms;
    let no_owner = || Refusal::NotFound(format!("There is no user “{owner}”."));
    let (owner, _) = transaction.user(owner)?.ok_or_else(no_owner)?;
    let plans = transaction.plans()?;
    let plan = find_plan(&plans, &terms.plan)?;
    check_expiry(*expires_at, transaction.now())?;
    locked_ip.map_or(Ok(()), check_server_ip)?;
    reference.as_deref().map_or(Ok(()), check_reference)?;
    check_note(note)?;
    check_labels(labels)?;
    let new = NewLicense {
        key,
        owner: owner.id,
        plan: &plan.slug,
        expires_at: *expires_at,
        locked_ip: *locked_ip,
        reference: reference.as_deref(),
        note,
        labels,
        is_trial: *is_trial,
    };
    let id = transaction.insert_license(&new).map_err(|error| match (error, reference) {
        (Error::Taken, Some(reference)) => reference_taken(reference),
        (error, _) => error.into(),
    })?;
    let lock = locked_ip.map_or(String::new(), |ip| format!(", locked to {ip}"));
    let trial = if *is_trial { "trial " } else { "" };
    let number = reference.as_ref().map_or(String::new(), |reference| format!(", reference {reference}"));
    let detail =
        format!("{trial}for {}, plan {}, expires {}{lock}{number}", owner.name, plan.slug, expiry(*expires_at));
    transaction.add_event(Some(id), actor, Action::Created, &detail)?;
    let license = find(transaction, id)?;
    let warning = lock_warning(transaction, &license)?;
    Ok(CreatedLicense { license, warning })
}

/// A license after a change.
pub struct ChangedLicense {
    /// The license as it is now.
    pub license: License,
    /// The message for the user.
    pub sentence: String,
}

/// Makes several changes of a license at once. Those that are so already are left out.
///
/// # Errors
/// Why one was refused, or [`Refusal::Unchanged`] if all are so already; nothing was changed.
pub fn change_all(
    transaction: &WriteTransaction<'_>,
    context: &ChangeContext<'_>,
    id: i64,
    changes: &[Change],
) -> Result<ChangedLicense, Refusal> {
    let mut license = find(transaction, id)?;
    unchanged_since(&license, context)?;
    let plans = transaction.plans()?;
    let (mut applied, mut unchanged) = (Vec::new(), None);
    for change in changes {
        match change.apply(&mut license, &plans, transaction.now()) {
            Ok(change) => applied.push(change),
            Err(ChangeError::Unchanged(sentence)) => unchanged = unchanged.or(Some(sentence)),
            Err(error) => return Err(error.into()),
        }
    }
    if applied.is_empty() {
        let nothing = || format!("Nothing of license {id} is to be changed.");
        return Err(Refusal::Unchanged(unchanged.unwrap_or_else(nothing)));
    }
    transaction.update_license(&license).map_err(|error| match (error, &license.reference) {
        (Error::Taken, Some(reference)) => reference_taken(reference),
        (error, _) => error.into(),
    })?;
    for AppliedChange { action, detail, .. } in &applied {
        transaction.add_event(Some(id), context.actor, *action, detail)?;
    }
    let is_locked = applied.iter().any(|change| change.action == Action::Locked);
    let sentences: Vec<String> = applied.into_iter().map(|change| change.sentence).collect();
    let license = find(transaction, id)?;
    let warning = if is_locked { lock_warning(transaction, &license)? } else { String::new() };
    Ok(ChangedLicense { license, sentence: sentences.join(" ") + &warning })
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
    change_all(transaction, context, id, std::slice::from_ref(change)).map(|changed| changed.sentence)
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

fn reference_taken(reference: &str) -> Refusal {
    Refusal::Conflict(format!("Another license has the reference “{reference}”."))
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
