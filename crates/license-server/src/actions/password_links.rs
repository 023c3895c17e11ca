//! Links with which a user sets a password: an invitation for a new user, a reset for one who has lost the password.

use std::time::Duration;

use super::refusal::Refusal;
use super::users;
use crate::model::{Action, Actor, LinkPurpose, User};
use crate::random_token::{random, sha256};
use crate::store::{PasswordLink, ReadTransaction, WriteTransaction};
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;

/// How long an invitation can be used.
pub const INVITATION_TIME: Duration = Duration::from_secs(7 * 86_400);
/// How long a reset link can be used.
pub const RESET_TIME: Duration = Duration::from_secs(3600);

/// A link that was made. Only its hash is stored.
#[derive(Clone)]
pub struct NewLink {
    /// The user who gets it.
    pub user: User,
    /// Why.
    pub purpose: LinkPurpose,
    /// The path and query on the dashboard.
    pub path: Secret,
    /// Until when it can be used.
    pub ends_at: Timestamp,
}

/// Makes a link; an earlier one of the user ends. An invitation is for a user without a password, a reset for one with a
/// password, which stays valid until the link is used.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn make_password_link(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    id: i64,
    purpose: LinkPurpose,
) -> Result<NewLink, Refusal> {
    let user = users::find(transaction, id)?;
    if user.disabled_at.is_some() {
        return Err(Refusal::Conflict(format!("User “{}” is disabled. Enable the user first.", user.name)));
    }
    let password = transaction.user_with_id(id)?.map(|(_, password)| password).unwrap_or_default();
    let (time, action) = match (purpose, user.has_password) {
        (LinkPurpose::Invitation, false) => (INVITATION_TIME, Action::UserInvited),
        (LinkPurpose::Reset, true) => (RESET_TIME, Action::PasswordLinkMade),
        (LinkPurpose::Invitation, true) => {
            return Err(Refusal::Conflict(format!(
                "User “{}” has a password already. For a new one, make a reset link.",
                user.name
            )));
        }
        (LinkPurpose::Reset, false) => {
            return Err(Refusal::Conflict(format!("User “{}” has no password yet: make an invitation.", user.name)));
        }
    };
    let token = random()?;
    let ends_at = transaction.now().plus(time);
    transaction.put_password_link(id, &sha256(&token), purpose, &sha256(&password), ends_at)?;
    transaction.add_event(None, actor, action, &user.name)?;
    Ok(NewLink { user, purpose, path: Secret::new(format!("/set-password?token={token}")), ends_at })
}

/// The link with this token, if it can be used: it has not ended, its user is not disabled and has the same password as
/// when it was made.
///
/// # Errors
/// A store error.
pub fn usable_password_link(
    transaction: &ReadTransaction<'_>,
    token: &str,
    now: Timestamp,
) -> Result<Option<User>, Refusal> {
    let is_usable =
        |link: &PasswordLink| link.user.disabled_at.is_none() && link.password_sha256 == sha256(&link.password);
    Ok(transaction.password_link(&sha256(token), now)?.filter(is_usable).map(|link| link.user))
}

/// Sets the password of the link's user, which ends the link and the user's sessions.
///
/// # Errors
/// The link cannot be used any more, or a store error; nothing was changed.
pub fn use_password_link(
    transaction: &WriteTransaction<'_>,
    token: &str,
    password_hash: &str,
) -> Result<User, Refusal> {
    let ended = || Refusal::NotFound(LINK_ENDED.to_owned());
    let user = usable_password_link(transaction, token, transaction.now())?.ok_or_else(ended)?;
    let actor = Actor { role: user.acting_role(), name: user.name.clone() };
    transaction.set_password(user.id, password_hash)?;
    transaction.add_event(None, &actor, Action::PasswordChanged, &format!("{}, by a link", user.name))?;
    Ok(user)
}

/// What a page says of a link that cannot be used, whatever the cause.
pub const LINK_ENDED: &str = "This link is not valid: it was used before, has ended, or was replaced by a newer one. Ask \
                              your vendor for another.";
