//! Who does something, and who may sign in.

use super::string_enum::string_enum;
use opterius_base::clock::Timestamp;

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// In which role.
    pub role: Role,
    /// The user's name, the operator's login, the server's address.
    pub name: String,
}

string_enum! {
    /// The roles in which something is done.
    pub enum Role {
        /// The license's owner, in the dashboard.
        Owner = "owner",
        /// An administrator, in the dashboard.
        Administrator = "administrator",
        /// Whoever runs the command line on the server.
        Operator = "operator",
        /// A server that verifies its license.
        Server = "server",
        /// The license server itself, by the passing of time.
        System = "system",
    }
}

/// Somebody who may sign in to the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The number.
    pub id: i64,
    /// The name to sign in with, compared without case.
    pub name: String,
    /// Whether this user sees and changes everything.
    pub administrator: bool,
    /// When the user was made.
    pub created_at: Timestamp,
}
