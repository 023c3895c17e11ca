//! Second factors: enrolment, recovery codes and removal.

use super::refusal::Refusal;
use super::users::find;
use crate::model::{Action, Actor};
use crate::store::WriteTransaction;

/// Sets the second factor of a user, whose code of `step` confirmed it, with its recovery codes, and ends the user's sessions
/// but the one with the token hash `but`.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn add_second_factor(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    id: i64,
    sealed: &str,
    step: i64,
    code_hashes: &[String],
    but: &str,
) -> Result<(), Refusal> {
    let user = find(transaction, id)?;
    if user.second_factor_at.is_some() {
        return Err(Refusal::Conflict("You have a second factor already. To change it, remove it first.".to_owned()));
    }
    transaction.put_second_factor(id, sealed, step)?;
    transaction.put_recovery_codes(id, code_hashes)?;
    transaction.delete_sessions(id, Some(but))?;
    transaction.add_event(None, actor, Action::SecondFactorAdded, &user.name)?;
    Ok(())
}

/// Replaces the recovery codes of a user.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn put_recovery_codes(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    id: i64,
    code_hashes: &[String],
) -> Result<(), Refusal> {
    let user = find(transaction, id)?;
    if user.second_factor_at.is_none() {
        return Err(Refusal::Conflict("You have no second factor.".to_owned()));
    }
    transaction.put_recovery_codes(id, code_hashes)?;
    transaction.add_event(None, actor, Action::RecoveryCodesMade, &user.name)?;
    Ok(())
}

/// Removes the second factor of a user, ends the user's sessions but the one with the token hash `but`, and returns the
/// message.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn remove_second_factor(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    id: i64,
    but: Option<&str>,
) -> Result<String, Refusal> {
    let user = find(transaction, id)?;
    if user.second_factor_at.is_none() {
        return Err(Refusal::Conflict(format!("User “{}” has no second factor.", user.name)));
    }
    transaction.delete_second_factor(id)?;
    transaction.delete_sessions(id, but)?;
    transaction.add_event(None, actor, Action::SecondFactorRemoved, &user.name)?;
    Ok(format!("Second factor of “{}” removed. The user signs in with the password alone.", user.name))
}

/// What the user types in the place of the password's second half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A code from the app: its time step.
    Code(i64),
    /// A recovery code: its hash.
    RecoveryCode(String),
}

/// Uses up the proof; returns false if it was used before.
///
/// # Errors
/// A store error; nothing was changed.
pub fn use_proof(transaction: &WriteTransaction<'_>, actor: &Actor, id: i64, proof: &Proof) -> Result<bool, Refusal> {
    let used = match proof {
        Proof::Code(step) => transaction.use_step(id, *step)?,
        Proof::RecoveryCode(hash) => transaction.use_recovery_code(id, hash)?,
    };
    if used && matches!(proof, Proof::RecoveryCode(_)) {
        let left = transaction.count_recovery_codes(id)?;
        transaction.add_event(None, actor, Action::RecoveryCodeUsed, &format!("{}, {left} left", actor.name))?;
    }
    Ok(used)
}
