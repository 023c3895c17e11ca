//! Adding, changing, disabling and deleting users, and setting passwords.

use super::refusal::Refusal;
use crate::model::{Action, Actor, User, mail_address, user_name};
use crate::store::{Error, WriteTransaction};
use opterius_base::dates::counted;
use opterius_base::text::{drives_terminal, one_line};

/// The maximum length of a display name in characters.
const MAX_DISPLAY_NAME: usize = 128;

/// The maximum number of licenses that change hands in one transaction. The others wait for it: this many take less than
/// a second.
pub const MAX_TRANSFER: usize = 10_000;

/// A user to add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewUser {
    /// The sign-in name.
    pub name: String,
    /// The name that people use; can be empty.
    pub display_name: String,
    /// The e-mail address.
    pub mail: Option<String>,
    /// The hash of the password; empty for none, so that the user cannot sign in before setting one by a link.
    pub password_hash: String,
    /// Whether the user is an administrator.
    pub administrator: bool,
}

/// What changes of a user; `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    /// The sign-in name.
    pub name: Option<String>,
    /// The name that people use.
    pub display_name: Option<String>,
    /// The e-mail address; an empty one removes it.
    pub mail: Option<String>,
    /// Whether the user is an administrator.
    pub administrator: Option<bool>,
}

/// Adds a user with a password and returns its number.
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
    let (name, password_hash) = (name.to_owned(), password_hash.to_owned());
    create_user(transaction, actor, &NewUser { name, password_hash, administrator, ..NewUser::default() })
}

/// Adds a user and returns its number.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn create_user(transaction: &WriteTransaction<'_>, actor: &Actor, new: &NewUser) -> Result<i64, Refusal> {
    check_user_name(&new.name)?;
    let name = user_name::canonical(&new.name);
    let id =
        transaction.insert_user(&name, &new.password_hash, new.administrator).map_err(|error| taken(&name, error))?;
    let mut user = find(transaction, id)?;
    user.display_name = checked_display_name(&new.display_name)?;
    user.mail = checked_mail(new.mail.as_deref().unwrap_or_default())?;
    transaction.update_user(&user)?;
    transaction.add_event(None, actor, Action::UserAdded, &format!("{name}, {}", user.role()))?;
    Ok(id)
}

/// Checks the name of a new user.
///
/// # Errors
/// It is invalid; a sentence says what is allowed.
pub fn check_user_name(name: &str) -> Result<(), Refusal> {
    if user_name::is_valid(&user_name::canonical(name)) {
        return Ok(());
    }
    let name = one_line(name, user_name::MAX_NAME);
    Err(Refusal::Invalid(format!("“{name}” is not a valid user name. Use 1 to 128 letters, digits and . _ - @ +")))
}

/// Changes a user and returns the message.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn change_user(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    id: i64,
    change: &UserChange,
) -> Result<String, Refusal> {
    let before = find(transaction, id)?;
    let mut user = before.clone();
    let mut details = Vec::new();
    if let Some(name) = &change.name
        && user_name::canonical(name) != user.name
    {
        check_user_name(name)?;
        user.name = user_name::canonical(name);
        details.push(format!("name from {} to {}", before.name, user.name));
    }
    if let Some(display_name) = &change.display_name {
        user.display_name = checked_display_name(display_name)?;
    }
    if user.display_name != before.display_name {
        details.push(format!("display name {}", or_none(&user.display_name)));
    }
    if let Some(mail) = &change.mail {
        user.mail = checked_mail(mail)?;
    }
    if user.mail != before.mail {
        details.push(format!("e-mail {}", or_none(user.mail.as_deref().unwrap_or_default())));
    }
    if let Some(administrator) = change.administrator.filter(|administrator| *administrator != before.administrator) {
        user.administrator = administrator;
        details.push(format!("role from {} to {}", before.role(), user.role()));
        if !administrator {
            keep_an_administrator(transaction, &before, "made an owner")?;
        }
    }
    if details.is_empty() {
        return Err(Refusal::Conflict(format!("User “{}” already is like this. Nothing was changed.", user.name)));
    }
    transaction.update_user(&user).map_err(|error| taken(&user.name, error))?;
    transaction.add_event(None, actor, Action::UserChanged, &format!("{}: {}", before.name, details.join(", ")))?;
    Ok(format!("User “{}” changed: {}.", before.name, details.join(", ")))
}

/// Disables a user and ends the user's sessions. The user's licenses keep working. Returns the message.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn disable_user(transaction: &WriteTransaction<'_>, actor: &Actor, id: i64) -> Result<String, Refusal> {
    let mut user = find(transaction, id)?;
    if user.disabled_at.is_some() {
        return Err(Refusal::Conflict(format!("User “{}” is already disabled.", user.name)));
    }
    keep_an_administrator(transaction, &user, "disabled")?;
    user.disabled_at = Some(transaction.now());
    transaction.update_user(&user)?;
    transaction.delete_password_link(id)?;
    transaction.delete_sessions(id, None)?;
    transaction.add_event(None, actor, Action::UserDisabled, &user.name)?;
    Ok(format!(
        "User “{}” disabled: signed out everywhere, and cannot sign in. The user's licenses keep working.",
        user.name
    ))
}

/// Enables a disabled user again and returns the message.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn enable_user(transaction: &WriteTransaction<'_>, actor: &Actor, id: i64) -> Result<String, Refusal> {
    let mut user = find(transaction, id)?;
    if user.disabled_at.take().is_none() {
        return Err(Refusal::Conflict(format!("User “{}” is not disabled.", user.name)));
    }
    transaction.update_user(&user)?;
    transaction.add_event(None, actor, Action::UserEnabled, &user.name)?;
    Ok(if user.has_password {
        format!("User “{}” enabled: the user can sign in again.", user.name)
    } else {
        format!("User “{}” enabled, but has no password yet: send an invitation.", user.name)
    })
}

/// Deletes a user, whose licenses go to the user named `heir`; without an heir, a user who owns licenses is not deleted.
/// The history is kept. Returns the message.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn delete_user(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    id: i64,
    heir: Option<&str>,
) -> Result<String, Refusal> {
    let user = find(transaction, id)?;
    keep_an_administrator(transaction, &user, "deleted")?;
    let licenses = transaction.licenses_of(id)?.len();
    let transferred = match heir {
        _ if licenses == 0 => String::new(),
        None => {
            return Err(Refusal::Conflict(format!(
                "User “{}” owns {}. Name the user who gets {}.",
                user.name,
                counted(licenses, "license"),
                if licenses == 1 { "it" } else { "them" },
            )));
        }
        Some(_) if licenses > MAX_TRANSFER => {
            return Err(Refusal::Conflict(format!(
                "User “{}” owns {licenses} licenses, too many for one step. Run: opterius-license-server user delete {} \
                 --transfer-to NAME",
                user.name, user.name
            )));
        }
        Some(heir) => {
            let heir = transfer_licenses(transaction, actor, id, heir)?;
            format!(" {} transferred to {heir}.", counted(licenses, "license"))
        }
    };
    transaction.delete_user(id)?;
    let detail = format!("{}, {}.{transferred}", user.name, user.role());
    transaction.add_event(None, actor, Action::UserDeleted, detail.trim_end_matches('.'))?;
    Ok(format!("User “{}” deleted.{transferred} The history is kept.", user.name))
}

/// Gives up to [`MAX_TRANSFER`] licenses of a user to the user named `heir`, and returns the heir's name.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn transfer_licenses(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    from: i64,
    heir: &str,
) -> Result<String, Refusal> {
    let no_heir = || Refusal::NotFound(format!("There is no user “{}”.", one_line(heir, user_name::MAX_NAME)));
    let user = find(transaction, from)?;
    let (heir, _) = transaction.user(heir)?.ok_or_else(no_heir)?;
    if heir.id == from {
        return Err(Refusal::Invalid("Name another user: this is the user whose licenses are transferred.".to_owned()));
    }
    for license in transaction.licenses_of(from)?.into_iter().take(MAX_TRANSFER) {
        transaction.set_owner(license, heir.id)?;
        let detail = format!("from {} to {}", user.name, heir.name);
        transaction.add_event(Some(license), actor, Action::Transferred, &detail)?;
    }
    Ok(heir.name)
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

/// Ends all sessions of a user but the one with this token hash, and returns the message.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn end_sessions(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    id: i64,
    but: Option<&str>,
) -> Result<String, Refusal> {
    let user = find(transaction, id)?;
    let ended = transaction.delete_sessions(id, but)?;
    if ended == 0 {
        return Ok(format!("User “{}” has no {}session.", user.name, if but.is_some() { "other " } else { "" }));
    }
    let detail = format!("{}, {ended}", user.name);
    transaction.add_event(None, actor, Action::SessionsEnded, &detail)?;
    let sessions = counted(ended, if but.is_some() { "other session" } else { "session" });
    Ok(format!("{sessions} of “{}” ended.", user.name))
}

/// The user with this number.
pub(super) fn find(transaction: &WriteTransaction<'_>, id: i64) -> Result<User, Refusal> {
    let (user, _) =
        transaction.user_with_id(id)?.ok_or_else(|| Refusal::NotFound(format!("There is no user {id}.")))?;
    Ok(user)
}

/// Refuses to take away the only administrator who can sign in.
pub(super) fn keep_an_administrator(
    transaction: &WriteTransaction<'_>,
    user: &User,
    what: &str,
) -> Result<(), Refusal> {
    if !user.administrator || !user.can_sign_in() || transaction.other_administrator_can_sign_in(user.id)? {
        return Ok(());
    }
    Err(Refusal::Conflict(format!(
        "User “{}” is the only administrator who can sign in, and cannot be {what}. Add another administrator first.",
        user.name
    )))
}

fn taken(name: &str, error: Error) -> Refusal {
    match error {
        Error::Taken => Refusal::Conflict(format!("User “{name}” already exists.")),
        error => error.into(),
    }
}

fn checked_display_name(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.chars().count() > MAX_DISPLAY_NAME || text.chars().any(drives_terminal) {
        return Err(Refusal::Invalid("A display name has up to 128 characters, in one line.".to_owned()));
    }
    Ok(text.to_owned())
}

/// The address; `None` if the text is empty.
fn checked_mail(text: &str) -> Result<Option<String>, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if !mail_address::is_valid(text) {
        let text = one_line(text, 80);
        return Err(Refusal::Invalid(format!("“{text}” is not an e-mail address such as anna@example.com.")));
    }
    Ok(Some(text.to_owned()))
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
