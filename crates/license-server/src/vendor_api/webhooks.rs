//! Webhooks: the receivers of events, and what was delivered to them.

use serde::Serialize;

use super::answer::Answer;
use super::call::{Call, number};
use super::error::ApiError;
use super::fields::{CURSOR, LIMIT, nullable, required};
use super::members::{Kind, Member};
use super::page::{Page, items};
use crate::actions::{self, Refusal};
use crate::model::{Delivery, DeliveryView, EventType, Webhook, WebhookView, WebhookWithSecret};
use crate::store::{ReadTransaction, WriteTransaction};
use crate::webhooks::target::MAX_URL;

/// The body of a new webhook.
pub(super) const NEW_WEBHOOK: &[Member] = &[
    required(
        "url",
        Kind::Line(MAX_URL),
        "Where events are sent to: an https URL whose host has a public address, unless the settings of the license server \
         allow private ones.",
    ),
    nullable(
        "events",
        Kind::Choices(|| EventType::subscribable().map(EventType::as_str).collect()),
        "The types of events to send. Null or absent: all.",
    ),
];

/// The parameters of the list of deliveries.
pub(super) const PAGE: &[Member] = &[LIMIT, CURSOR];

/// A webhook that was removed.
#[derive(Serialize)]
struct RemovedWebhook<'a> {
    #[serde(flatten)]
    webhook: WebhookView<'a>,
    message: &'a str,
}

/// What was queued.
#[derive(Serialize)]
struct Queued<'a> {
    /// The id of the event; null if it is about several.
    event: Option<&'a str>,
    message: &'a str,
}

/// All webhooks; there are at most [`crate::model::MAX_WEBHOOKS`].
pub(super) fn list(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let webhooks = transaction.webhooks(call.now)?;
    let data = webhooks.iter().map(|webhook| WebhookView::new(webhook, call.now)).collect();
    Ok(Answer::json(200, &Page { data, next: None }))
}

/// A webhook.
pub(super) fn show(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    Ok(Answer::json(200, &WebhookView::new(&find(transaction, call)?, call.now)))
}

/// Adds a webhook. The rules for its address are those of the command line.
pub(super) fn create(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let url = call.body.text("url").unwrap_or_default();
    let events = call.body.lines("events").map(|names| wanted(&names));
    let added = actions::add_webhook(transaction, &call.actor(), url, events.as_deref(), call.receivers);
    let (id, _) = added.map_err(|refusal| match refusal {
        Refusal::Invalid(_) => ApiError::from(refusal).of("url"),
        refusal => refusal.into(),
    })?;
    with_secret(transaction, id, 201)
}

/// Each type once, in the order of all types.
fn wanted(names: &[String]) -> Vec<EventType> {
    EventType::subscribable().filter(|known| names.iter().any(|name| name == known.as_str())).collect()
}

/// Removes a webhook with its deliveries, and answers what it was.
pub(super) fn delete(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let webhook = find(transaction, call)?;
    let message = actions::remove_webhook(transaction, &call.actor(), webhook.id)?;
    let webhook = WebhookView::new(&webhook, transaction.now());
    Ok(Answer::json(200, &RemovedWebhook { webhook, message: &message }))
}

/// Gives a webhook a new secret.
pub(super) fn rotate(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let id = find(transaction, call)?.id;
    actions::rotate_webhook(transaction, &call.actor(), id)?;
    with_secret(transaction, id, 200)
}

/// Queues a test event.
pub(super) fn test(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let id = find(transaction, call)?.id;
    let event = actions::test_webhook(transaction, &call.actor(), id)?;
    queued(Some(&event), &format!("The test event {event} is queued for webhook {id}."))
}

/// The deliveries of a webhook, newest event first.
pub(super) fn deliveries(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let id = find(transaction, call)?.id;
    let no_cursor = || ApiError::invalid("cursor", "It must be `next` of a page.");
    let before = call.query.text("cursor").map(|text| number(text).ok_or_else(no_cursor)).transpose()?;
    let count = items(call);
    // One more than a page, to know whether there are more.
    let mut found = transaction.deliveries(id, before, count.saturating_add(1))?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let has_more = found.len() > count;
    found.truncate(count);
    let next = found.last().filter(|_| has_more).map(|last: &Delivery| last.event.to_string());
    Ok(Answer::json(200, &Page { data: found.iter().map(DeliveryView::new).collect(), next }))
}

/// Sends an event again.
pub(super) fn replay(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let (id, event) = (find(transaction, call)?.id, call.parameter("event"));
    let message = actions::replay(transaction, id, event)?;
    queued(Some(event), &message)
}

/// Sends all events again that were given up.
pub(super) fn replay_given_up(transaction: &WriteTransaction<'_>, call: &Call) -> Result<Answer, ApiError> {
    let message = actions::replay_given_up(transaction, find(transaction, call)?.id)?;
    queued(None, &message)
}

fn queued(event: Option<&str>, message: &str) -> Result<Answer, ApiError> {
    Ok(Answer::json(202, &Queued { event, message }))
}

/// The webhook as it is after a change, with its secret.
fn with_secret(transaction: &WriteTransaction<'_>, id: i64, status: u16) -> Result<Answer, ApiError> {
    let webhook = actions::find_webhook(transaction, id, transaction.now())?;
    Ok(Answer::json(status, &WebhookWithSecret::new(&webhook, transaction.now())))
}

/// The webhook that the path names.
fn find(transaction: &ReadTransaction<'_>, call: &Call) -> Result<Webhook, ApiError> {
    let id = number(call.parameter("webhook")).ok_or_else(|| ApiError::not_found("There is no such webhook."))?;
    Ok(actions::find_webhook(transaction, id, call.now)?)
}
