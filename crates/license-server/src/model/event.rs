//! Entries of the history.

use super::action::Action;
use super::users::Actor;
use opterius_base::clock::Timestamp;

/// An entry of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The number of the entry. Entries are ordered by it even if the clock was stepped.
    pub id: i64,
    /// The time by the license server's clock.
    pub at: Timestamp,
    /// The affected license; `None` for plans, users and the server itself.
    pub license: Option<i64>,
    /// Who performed the action.
    pub actor: Actor,
    /// The action.
    pub action: Action,
    /// Details in words.
    pub detail: String,
}
