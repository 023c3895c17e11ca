//! The history as a feed.

use serde::Serialize;

use super::answer::Answer;
use super::call::Call;
use super::error::ApiError;
use super::fields::{LIMIT, optional};
use super::members::{Kind, Member};
use super::page::items;
use crate::model::{Action, Event, Role};
use crate::store::ReadTransaction;
use opterius_base::clock::Timestamp;

/// The highest number of an entry or a license.
const MAX_ID: u64 = i64::MAX as u64;

/// The parameters of the feed.
pub(super) const FEED: &[Member] = &[
    optional(
        "after",
        Kind::Integer(0, MAX_ID),
        "Only entries after the one with this number: `next` of the last page.",
    ),
    optional("license", Kind::Integer(1, MAX_ID), "Only entries about the license with this number."),
    LIMIT,
];

/// A page of the feed in JSON.
#[derive(Serialize)]
struct Feed<'a> {
    data: Vec<EventView<'a>>,
    /// The value of `after` for the next page, also when there are no more entries yet.
    next: i64,
    /// Whether there are more entries now.
    has_more: bool,
}

/// An entry in JSON.
#[derive(Serialize)]
struct EventView<'a> {
    id: i64,
    at: Timestamp,
    license: Option<i64>,
    role: Role,
    actor: &'a str,
    action: Action,
    detail: &'a str,
}

impl<'a> EventView<'a> {
    fn new(event: &'a Event) -> Self {
        let Event { id, at, license, actor, action, detail } = event;
        Self { id: *id, at: *at, license: *license, role: actor.role, actor: &actor.name, action: *action, detail }
    }
}

/// The entries after one, oldest first. Their numbers are in the order in which they were stored.
pub(super) fn list(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let number = |name| call.query.integer(name).and_then(|value| i64::try_from(value).ok());
    let after = number("after").unwrap_or(0);
    let count = items(call);
    // One more than a page, to know whether there are more.
    let mut events = transaction.history_after(number("license"), after, count.saturating_add(1))?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let has_more = events.len() > count;
    events.truncate(count);
    let next = events.last().map_or(after, |event| event.id);
    Ok(Answer::json(200, &Feed { data: events.iter().map(EventView::new).collect(), next, has_more }))
}
