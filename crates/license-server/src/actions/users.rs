//! Adding users and setting passwords.

use super::refusal::Refusal;
use crate::model::{Action, Actor};
use crate::store::{Error, WriteTransaction};
use opterius_base::text::one_line;

/// Adds a user and returns its number.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn add_user(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    name: &str,
    password_hash: &str,
    administrator: bool,
) -> Result<i64, Refusal> {
    check_user_name(name)?;
    let id = transaction.insert_user(name, password_hash, administrator).map_err(|error| match error {
        Error::Taken => Refusal::Conflict(format!("User “{name}” already exists.")),
        error => error.into(),
    })?;
    let role = if administrator { "administrator" } else { "owner" };
    transaction.add_event(None, actor, Action::UserAdded, &format!("{name}, {role}"))?;
    Ok(id)
}

/// Checks the name of a new user.
///
/// # Errors
/// It is invalid; a sentence says what is allowed.
pub fn check_user_name(name: &str) -> Result<(), Refusal> {
    let is_name = |character: char| character.is_alphanumeric() || matches!(character, '.' | '_' | '-' | '@' | '+');
    if !name.is_empty() && name.chars().count() <= 128 && name.chars().all(is_name) {
        return Ok(());
    }
    let name = one_line(name, 128);
    Err(Refusal::Invalid(format!("“{name}” is not a valid user name. Use 1 to 128 letters, digits and . _ - @ +")))
}

/// Sets a user's password and ends the user's sessions.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn set_password(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    name: &str,
    password_hash: &str,
) -> Result<(), Refusal> {
    let no_user = || Refusal::NotFound(format!("There is no user “{name}”."));
    let (user, _) = transaction.user(name)?.ok_or_else(no_user)?;
    transaction.set_password(user.id, password_hash)?;
    transaction.add_event(None, actor, Action::PasswordChanged, &user.name)?;
    Ok(())
}
