//! Users: the owners of licenses. A token can read administrators, but neither make nor change one: otherwise a program that
//! sells licenses could take over the dashboard.

use serde::Serialize;

use super::answer::Answer;
use super::call::{Call, number};
use super::error::ApiError;
use super::error_code::ErrorCode;
use super::fields::{LIMIT, MAX_DISPLAY_NAME, MAX_EMAIL, MAX_NAME, nullable, optional, required};
use super::members::{Kind, Member};
use super::page::{Page, items};
use crate::actions::{self, NewUser, Refusal, UserChange};
use crate::model::{User, user_name};
use crate::store::{ReadTransaction, WriteTransaction};
use opterius_base::clock::Timestamp;

/// What the path calls a user by name with.
const BY_NAME: &str = "name:";

/// The parameters of the list.
pub(super) const FILTERS: &[Member] = &[
    optional("name", Kind::Line(MAX_NAME), "Only the user with this name, in any case."),
    optional("email", Kind::Line(MAX_EMAIL), "Only users with this e-mail address, in any case."),
    LIMIT,
    optional("cursor", Kind::Line(512), "Where to continue: `next` of the previous page."),
];

/// The body of a new user.
pub(super) const NEW_USER: &[Member] = &[
    required("name", Kind::Line(MAX_NAME), "The sign-in name: letters, digits and . _ - @ +"),
    nullable("email", Kind::Line(MAX_EMAIL), "The e-mail address."),
    nullable("display_name", Kind::Line(MAX_DISPLAY_NAME), "The name to show."),
];

/// The members of a user that can be changed.
pub(super) const CHANGES: &[Member] = &[
    optional("name", Kind::Line(MAX_NAME), "The sign-in name."),
    nullable("email", Kind::Line(MAX_EMAIL), "The e-mail address. Null removes it."),
    nullable("display_name", Kind::Line(MAX_DISPLAY_NAME), "The name to show. Null removes it."),
];

/// Who gets the licenses of a user who is deleted.
pub(super) const HEIR: &[Member] =
    &[optional("transfer_to", Kind::Line(MAX_NAME), "The name of the user who gets the licenses of this one.")];

/// A user in JSON.
#[derive(Serialize)]
struct UserView<'a> {
    id: i64,
    name: &'a str,
    display_name: Option<&'a str>,
    email: Option<&'a str>,
    administrator: bool,
    /// `active`, `disabled`, or `no_password` for a user who cannot sign in before an invitation.
    state: &'static str,
    created_at: Timestamp,
}

/// A user after a change.
#[derive(Serialize)]
struct ChangedUser<'a> {
    #[serde(flatten)]
    user: UserView<'a>,
    /// Whether anything was changed; otherwise it was so already.
    changed: bool,
    message: &'a str,
}

impl<'a> UserView<'a> {
    fn new(user: &'a User) -> Self {
        let state = match (user.disabled_at, user.has_password) {
            (Some(_), _) => "disabled",
            (None, false) => "no_password",
            (None, true) => "active",
        };
        Self {
            id: user.id,
            name: &user.name,
            display_name: Some(user.display_name.as_str()).filter(|name| !name.is_empty()),
            email: user.mail.as_deref(),
            administrator: user.administrator,
            state,
            created_at: user.created_at,
        }
    }
}

/// A page of the users, by name.
pub(super) fn list(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let (query, count) = (&call.query, items(call));
    let length = usize::try_from(count).unwrap_or(usize::MAX);
    let is_asked = |user: &User| {
        let has_name = |name| user_name::folded(&user.name) == user_name::folded(name);
        let has_mail = |mail| user.mail.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(mail));
        query.text("name").is_none_or(has_name) && query.text("email").is_none_or(has_mail)
    };
    let mut users = match (query.text("name"), query.text("email")) {
        (Some(name), _) => transaction.user(name)?.into_iter().map(|(user, _)| user).collect(),
        (None, Some(mail)) => transaction.users_by_mail(mail, 100)?,
        // One more than a page, to know whether there are more.
        (None, None) => {
            transaction.list_users(query.text("cursor").unwrap_or_default(), "", count.saturating_add(1))?
        }
    };
    users.retain(is_asked);
    let has_more = users.len() > length;
    users.truncate(length);
    let next = users.last().filter(|_| has_more).map(|last| user_name::folded(&last.name));
    Ok(Answer::json(200, &Page { data: users.iter().map(UserView::new).collect(), next }))
}

/// A user.
pub(super) fn show(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    Ok(Answer::json(200, &UserView::new(&find(transaction, call)?)))
}

/// Adds a user, who cannot sign in before an invitation.
pub(super) fn create(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let text = |name: &str| call.body.text(name).map(str::to_owned);
    let new = NewUser {
        name: text("name").unwrap_or_default(),
        display_name: text("display_name").unwrap_or_default(),
        mail: text("email"),
        ..NewUser::default()
    };
    let id = make(transaction, call, &new, "")?;
    Ok(Answer::json(201, &UserView::new(&with_id(transaction, id)?)))
}

/// Adds a user; an error names the member of the body, below `within`.
///
/// # Errors
/// Why it was refused.
pub(super) fn make(
    transaction: &WriteTransaction<'_>,
    call: &Call,
    new: &NewUser,
    within: &str,
) -> Result<i64, ApiError> {
    let is_name_valid = actions::check_user_name(&new.name).is_ok();
    actions::create_user(transaction, &call.actor(), new).map_err(|refusal| {
        let field = match refusal {
            Refusal::Invalid(_) if is_name_valid => "email",
            _ => "name",
        };
        ApiError::from(refusal).of(format!("{within}{field}"))
    })
}

/// Changes the members of a user that the body has.
pub(super) fn patch(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let user = owner(transaction, call)?;
    let cleared = |name: &str| call.body.has(name).then(|| call.body.text(name).unwrap_or_default().to_owned());
    let change = UserChange {
        name: call.body.text("name").map(str::to_owned),
        display_name: cleared("display_name"),
        mail: cleared("email"),
        administrator: None,
    };
    let is_so = change.name.as_ref().is_none_or(|name| user_name::canonical(name) == user.name)
        && change.display_name.as_ref().is_none_or(|name| *name == user.display_name)
        && change.mail.as_ref().is_none_or(|mail| user.mail.as_deref().unwrap_or_default() == mail);
    if is_so {
        return changed(&user, false, "The user is like this already.");
    }
    let name_is_valid = change.name.as_ref().is_none_or(|name| actions::check_user_name(name).is_ok());
    let message = actions::change_user(transaction, &call.actor(), user.id, &change).map_err(|refusal| {
        let field = match refusal {
            Refusal::Invalid(_) if name_is_valid => "email",
            _ => "name",
        };
        ApiError::from(refusal).of(field)
    })?;
    changed(&with_id(transaction, user.id)?, true, &message)
}

/// Disables a user: signed out everywhere, and the licenses keep working.
pub(super) fn disable(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let user = owner(transaction, call)?;
    if user.disabled_at.is_some() {
        return changed(&user, false, "The user is disabled already.");
    }
    let message = actions::disable_user(transaction, &call.actor(), user.id)?;
    changed(&with_id(transaction, user.id)?, true, &message)
}

/// Enables a disabled user again.
pub(super) fn enable(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let user = owner(transaction, call)?;
    if user.disabled_at.is_none() {
        return changed(&user, false, "The user is not disabled.");
    }
    let message = actions::enable_user(transaction, &call.actor(), user.id)?;
    changed(&with_id(transaction, user.id)?, true, &message)
}

/// Deletes a user, whose licenses go to another.
pub(super) fn delete(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let user = owner(transaction, call)?;
    let heir = call.query.text("transfer_to");
    let message = actions::delete_user(transaction, &call.actor(), user.id, heir).map_err(|refusal| match refusal {
        Refusal::NotFound(sentence) | Refusal::Invalid(sentence) => ApiError::invalid("transfer_to", sentence),
        Refusal::Conflict(sentence) => ApiError::conflict(sentence).of("transfer_to"),
        refusal => refusal.into(),
    })?;
    changed(&user, true, &message)
}

fn changed(user: &User, changed: bool, message: &str) -> Result<Answer, ApiError> {
    Ok(Answer::json(200, &ChangedUser { user: UserView::new(user), changed, message }))
}

/// The user that the path names, by number or as `name:` and the name.
fn find(transaction: &ReadTransaction<'_>, call: &Call) -> Result<User, ApiError> {
    let text = call.parameter("user");
    let found = match (text.strip_prefix(BY_NAME), number(text)) {
        (Some(name), _) => transaction.user(name)?,
        (None, Some(id)) => transaction.user_with_id(id)?,
        (None, None) => None,
    };
    found.map(|(user, _)| user).ok_or_else(|| ApiError::not_found("There is no such user."))
}

/// The same for a change, which administrators are not open to.
fn owner(transaction: &ReadTransaction<'_>, call: &Call) -> Result<User, ApiError> {
    let user = find(transaction, call)?;
    if user.administrator {
        let message = "Administrators are changed in the dashboard and on the command line, not with a token.";
        return Err(ApiError::new(ErrorCode::Administrator, message));
    }
    Ok(user)
}

fn with_id(transaction: &ReadTransaction<'_>, id: i64) -> Result<User, ApiError> {
    let found = transaction.user_with_id(id)?;
    found.map(|(user, _)| user).ok_or_else(|| ApiError::not_found("There is no such user."))
}
