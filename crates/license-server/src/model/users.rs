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
    /// The sign-in name; not case-sensitive.
    pub name: String,
    /// Whether this user can view and change all licenses.
    pub administrator: bool,
    /// Creation time.
    pub created_at: Timestamp,
}
