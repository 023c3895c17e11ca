//! Webhooks: adding and removing receivers, their secrets, and sending events again.

use super::refusal::Refusal;
use crate::model::{Action, Actor, EventFacts, EventType, MAX_WEBHOOKS, Webhook};
use crate::store::{Error, ReadTransaction, WriteTransaction};
use crate::webhooks::receiver_address::Receivers;
use crate::webhooks::signature::new_secret;
use crate::webhooks::target::Target;
use opterius_base::clock::Timestamp;
use opterius_base::dates::counted;
use opterius_base::secret::Secret;

/// Adds a webhook for these events, or for all; returns its number and its secret, which is shown this once.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn add_webhook(
    transaction: &WriteTransaction<'_>,
    actor: &Actor,
    url: &str,
    events: Option<&[EventType]>,
    receivers: Receivers,
) -> Result<(i64, Secret), Refusal> {
    let target = Target::parse(url, receivers).map_err(Refusal::Invalid)?;
    if events.is_some_and(<[_]>::is_empty) {
        return Err(Refusal::Invalid("A webhook needs at least one type of event.".to_owned()));
    }
    if transaction.webhooks(transaction.now())?.len() >= MAX_WEBHOOKS {
        let sentence = format!("There are {MAX_WEBHOOKS} webhooks, which is the limit. Remove one first.");
        return Err(Refusal::Conflict(sentence));
    }
    let secret = random_secret()?;
    let id = transaction.insert_webhook(url, events, &secret)?;
    // A path or query may be a secret of the receiver's, so the history has the host only.
    transaction.add_event(None, actor, Action::WebhookAdded, &format!("{id} at {}, {}", target.host, names(events)))?;
    Ok((id, secret))
}

/// Removes a webhook with its deliveries and returns the message for the user.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn remove_webhook(transaction: &WriteTransaction<'_>, actor: &Actor, id: i64) -> Result<String, Refusal> {
    let webhook = find_webhook(transaction, id, transaction.now())?;
    transaction.delete_webhook(id)?;
    transaction.add_event(None, actor, Action::WebhookRemoved, &id.to_string())?;
    Ok(format!("Webhook {id} removed.{}", lost_with(&webhook)))
}

/// What is lost with a webhook, as a sentence after another one.
pub fn lost_with(webhook: &Webhook) -> String {
    match webhook.pending {
        0 => String::new(),
        pending => format!(" Lost with it: {}.", counted(pending, "pending delivery")),
    }
}

/// Gives a webhook a new secret, which is shown this once.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn rotate_webhook(transaction: &WriteTransaction<'_>, actor: &Actor, id: i64) -> Result<Secret, Refusal> {
    find_webhook(transaction, id, transaction.now())?;
    let secret = random_secret()?;
    transaction.rotate_webhook_secret(id, &secret)?;
    transaction.add_event(None, actor, Action::WebhookRotated, &id.to_string())?;
    Ok(secret)
}

/// Queues a test event for a webhook, whatever events it wants; returns the id of the event.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn test_webhook(transaction: &WriteTransaction<'_>, actor: &Actor, id: i64) -> Result<String, Refusal> {
    find_webhook(transaction, id, transaction.now())?;
    Ok(transaction.announce_test(id, &EventFacts { actor: Some(actor), ..EventFacts::default() })?)
}

/// Queues the delivery of an event to a webhook again and returns the message for the user.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn replay(transaction: &WriteTransaction<'_>, id: i64, event: &str) -> Result<String, Refusal> {
    find_webhook(transaction, id, transaction.now())?;
    let none = || Refusal::NotFound(format!("Webhook {id} has no such event. Events are kept for 7 days."));
    let delivery = transaction.delivery(id, event)?.ok_or_else(none)?;
    transaction.replay(id, delivery.event)?;
    Ok(format!("{} is sent to webhook {id} again, with the same id.", delivery.name))
}

/// Queues all deliveries of a webhook again that were given up and returns the message for the user.
///
/// # Errors
/// Why it was refused; nothing was changed.
pub fn replay_given_up(transaction: &WriteTransaction<'_>, id: i64) -> Result<String, Refusal> {
    find_webhook(transaction, id, transaction.now())?;
    Ok(match transaction.replay_given_up(id)? {
        0 => format!("No event was given up for webhook {id}."),
        count => format!("Sent to webhook {id} again, with the same id: {}.", counted(count, "event")),
    })
}

/// The webhook with this number.
///
/// # Errors
/// There is none.
pub fn find_webhook(transaction: &ReadTransaction<'_>, id: i64, now: Timestamp) -> Result<Webhook, Refusal> {
    transaction.webhook(id, now)?.ok_or_else(|| Refusal::NotFound(format!("There is no webhook {id}.")))
}

fn random_secret() -> Result<Secret, Refusal> {
    new_secret().ok_or_else(|| Refusal::Store(Error::Failed("the system provides no random numbers".to_owned())))
}

/// The events that a webhook wants, in words.
pub fn names(events: Option<&[EventType]>) -> String {
    match events {
        None => "all events".to_owned(),
        Some(events) => events.iter().map(|event_type| event_type.as_str()).collect::<Vec<_>>().join(", "),
    }
}
