//! Users of the dashboard, and actors in the history.

use super::string_enum::string_enum;
use opterius_base::clock::Timestamp;

/// Who performed an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The role.
    pub role: Role,
    /// The user's name, the token's name, the operator's login name or the server's address.
    pub name: String,
}

string_enum! {
    /// The roles of actors.
    pub enum Role {
        /// The license's owner, in the dashboard.
        Owner = "owner",
        /// An administrator, in the dashboard.
        Administrator = "administrator",
        /// A program with a token of the vendor API.
        Token = "token",
        /// A user of the command line on the license server.
        Operator = "operator",
        /// A server that verifies its license.
        Server = "server",
        /// The license server itself, such as its garbage collection.
        System = "system",
    }
}

/// A user of the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The number of the user.
    pub id: i64,
    /// The sign-in name, as it was entered; [`folded`](super::user_name::folded) says which names are the same.
    pub name: String,
    /// The name that people use; can be empty.
    pub display_name: String,
    /// The e-mail address.
    pub mail: Option<String>,
    /// Whether this user can view and change all licenses.
    pub administrator: bool,
    /// When the user was disabled; `None` for users who are not.
    pub disabled_at: Option<Timestamp>,
    /// Whether the user has a password. Users who were invited have none yet.
    pub has_password: bool,
    /// Since when the user has a second factor.
    pub second_factor_at: Option<Timestamp>,
    /// Creation time.
    pub created_at: Timestamp,
}

impl User {
    /// Whether this user can sign in to the dashboard.
    pub fn can_sign_in(&self) -> bool {
        self.has_password && self.disabled_at.is_none()
    }

    /// The role in the history of what this user does.
    pub fn acting_role(&self) -> Role {
        if self.administrator { Role::Administrator } else { Role::Owner }
    }

    /// `administrator` or `owner`.
    pub fn role(&self) -> &'static str {
        if self.administrator { "administrator" } else { "owner" }
    }

    /// `active`, `disabled`, or `no password` for a user who has not set one yet.
    pub fn status(&self) -> &'static str {
        match (self.disabled_at, self.has_password) {
            (Some(_), _) => "disabled",
            (None, false) => "no password",
            (None, true) => "active",
        }
    }

    /// The display name, or the sign-in name if there is none.
    pub fn shown_name(&self) -> &str {
        if self.display_name.is_empty() { &self.name } else { &self.display_name }
    }
}

/// A session of a user in the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Identifies it among the sessions of its user; it cannot be used to sign in.
    pub id: String,
    /// When the user signed in.
    pub started_at: Timestamp,
    /// The last request, to a few minutes.
    pub used_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// The address from which the user signed in.
    pub address: String,
    /// The browser in a few words, as it calls itself.
    pub browser: String,
}

string_enum! {
    /// Why a user gets a link to set a password.
    pub enum LinkPurpose {
        /// A new user sets the first password.
        Invitation = "invitation",
        /// A user has lost the password.
        Reset = "reset",
    }
}
