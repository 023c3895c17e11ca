//! The lines of the history.

use super::action::Action;
use super::users::Actor;
use opterius_base::clock::Timestamp;

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number: the order of what happened, whatever the clock did.
    pub id: i64,
    /// When, by the license server's clock.
    pub at: Timestamp,
    /// The license that it is about; none for plans, users and the server itself.
    pub license: Option<i64>,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// The particulars, in words.
    pub detail: String,
}
