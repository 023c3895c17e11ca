//! History entries, formatted for pages.

use super::format::text;
use super::routes::Route;
use crate::model::{Action, Event, Role};
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;

/// A formatted history entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HistoryLine {
    pub(super) id: i64,
    pub(super) at: Moment,
    pub(super) role: &'static str,
    pub(super) actor: String,
    pub(super) license: Option<(i64, Route)>,
    pub(super) action: &'static str,
    pub(super) detail: String,
}

impl HistoryLine {
    /// Formats an event, with times relative to `now`. An owner is not told who at the vendor acted, nor from where.
    pub(super) fn new(event: &Event, is_for_owner: bool, now: Timestamp) -> Self {
        let is_vendor = is_for_owner && !matches!(event.actor.role, Role::Owner | Role::Server);
        let (role, actor) = match event.actor.role {
            Role::System if is_vendor => ("", "license server".to_owned()),
            _ if is_vendor => ("", "your vendor".to_owned()),
            role => (role.as_str(), text(&event.actor.name)),
        };
        Self {
            id: event.id,
            at: Moment::new(event.at, now),
            role,
            actor,
            license: event.license.map(|id| (id, Route::License(id))),
            action: event.action.as_str(),
            detail: if is_vendor && event.action == Action::KeyShown { String::new() } else { text(&event.detail) },
        }
    }
}
