//! History entries, formatted for pages.

use super::format::text;
use super::routes::Route;
use crate::model::Event;
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
    /// Formats an event, with times relative to `now`.
    pub(super) fn new(event: &Event, now: Timestamp) -> Self {
        Self {
            id: event.id,
            at: Moment::new(event.at, now),
            role: event.actor.role.as_str(),
            actor: text(&event.actor.name),
            license: event.license.map(|id| (id, Route::License(id))),
            action: event.action.as_str(),
            detail: text(&event.detail),
        }
    }
}
