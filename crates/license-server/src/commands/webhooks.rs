//! `webhook …`: the receivers of events.

use std::time::Duration;

use crossbeam_channel::bounded;
use serde::Serialize;

use crate::actions;
use crate::commands::failure::Failure;
use crate::commands::listing::{Listing, emit, print_json, table};
use crate::commands::session::Session;
use crate::commands::values::printable;
use crate::model::{DeliveryState, DeliveryView, EventType, Webhook, WebhookView, WebhookWithSecret};
use opterius_base::dates::counted;
use opterius_base::deadline::Deadline;

/// Deliveries that are shown with a webhook.
const DELIVERIES: u32 = 20;

/// How long a test waits for its answer: the time for an attempt, and some for the deliverer to begin.
const TEST_TIME: Duration = Duration::from_secs(15);

/// How often the outbox is looked into meanwhile.
const TICK: Duration = Duration::from_millis(100);

/// A webhook with its latest deliveries, in JSON.
#[derive(Serialize)]
struct ShownWebhook<'a> {
    #[serde(flatten)]
    webhook: WebhookView<'a>,
    deliveries: Vec<DeliveryView<'a>>,
}

pub(super) fn add(session: &mut Session, url: &str, events: Option<&[EventType]>, json: bool) -> Result<(), Failure> {
    let receivers = session.target.receivers;
    let webhook = session.change(|transaction, actor| {
        let (id, _) = actions::add_webhook(transaction, actor, url, events, receivers)?;
        Ok(actions::find_webhook(transaction, id, transaction.now())?)
    })?;
    if json {
        return print_json(&WebhookWithSecret::new(&webhook, Session::now()));
    }
    let id = webhook.id;
    emit(&format!(
        "Webhook {id} added for {}.\nsecret={}\nThe secret is not shown again. Verify the header Opterius-Signature of each \
         delivery with it, then run: {} webhook test {id}\n",
        actions::event_names(events),
        webhook.secret(),
        session.target.program()
    ))?;
    Ok(())
}

pub(super) fn list(session: &mut Session, json: bool) -> Result<(), Failure> {
    let now = Session::now();
    let webhooks = session.read(|transaction| Ok(transaction.webhooks(now)?))?;
    let mut listing = Listing::new(json, &["WEBHOOK", "URL", "STATE", "PENDING", "LAST DELIVERED", "EVENTS"]);
    let row = |webhook: &Webhook| {
        vec![
            webhook.id.to_string(),
            webhook.url.clone(),
            webhook.state(now).to_owned(),
            webhook.pending.to_string(),
            webhook.delivered_at.map_or("never".to_owned(), |at| at.to_string()),
            actions::event_names(webhook.events.as_deref()),
        ]
    };
    listing.add(&webhooks, row, |webhook| WebhookView::new(webhook, now))?;
    listing.end(&format!("No webhooks. Add one with: {} webhook add URL", session.target.program()))?;
    Ok(())
}

pub(super) fn show(session: &mut Session, id: i64, json: bool) -> Result<(), Failure> {
    let now = Session::now();
    let webhook = find(session, id)?;
    let deliveries = session.read(|transaction| Ok(transaction.deliveries(id, None, DELIVERIES)?))?;
    if json {
        let deliveries = deliveries.iter().map(DeliveryView::new).collect();
        return print_json(&ShownWebhook { webhook: WebhookView::new(&webhook, now), deliveries });
    }
    let failing = webhook.failing_since.map_or(String::new(), |since| format!(" since {since}"));
    let dropped = match webhook.dropped {
        0 => String::new(),
        dropped => format!("Dropped: {}, because too many were pending\n", counted(dropped, "event")),
    };
    let rows = deliveries.iter().map(|delivery| {
        vec![
            delivery.created_at.to_string(),
            delivery.name.clone(),
            delivery.event_type.as_str().to_owned(),
            delivery.state.as_str().to_owned(),
            delivery.attempts.to_string(),
            delivery.status.map_or("-".to_owned(), |status| status.to_string()),
            delivery.answer.clone(),
        ]
    });
    let header = &["TIME", "EVENT", "TYPE", "STATE", "ATTEMPTS", "STATUS", "ANSWER"];
    let lines = if deliveries.is_empty() { "No deliveries.\n".to_owned() } else { table(header, rows.collect()) };
    emit(&format!(
        "Webhook {id}: {}\nEvents:  {}\nState:   {}{failing}, {} pending\n{dropped}\n{lines}",
        printable(&webhook.url),
        actions::event_names(webhook.events.as_deref()),
        webhook.state(now),
        webhook.pending,
    ))?;
    Ok(())
}

pub(super) fn remove(session: &mut Session, id: i64) -> Result<(), Failure> {
    session.change_and_print(|transaction, actor| Ok(actions::remove_webhook(transaction, actor, id)?))
}

pub(super) fn rotate(session: &mut Session, id: i64, json: bool) -> Result<(), Failure> {
    let webhook = session.change(|transaction, actor| {
        actions::rotate_webhook(transaction, actor, id)?;
        Ok(actions::find_webhook(transaction, id, transaction.now())?)
    })?;
    if json {
        return print_json(&WebhookWithSecret::new(&webhook, Session::now()));
    }
    emit(&format!(
        "Webhook {id} has a new secret.\nsecret={}\nThe secret is not shown again. For 24 hours, deliveries are signed with both \
         secrets.\n",
        webhook.secret()
    ))?;
    Ok(())
}

/// Sends a test event and waits for its answer.
pub(super) fn test(session: &mut Session, id: i64) -> Result<(), Failure> {
    let event = session.change(|transaction, actor| Ok(actions::test_webhook(transaction, actor, id)?))?;
    let deadline = Deadline::within(TEST_TIME);
    let (_sender, never) = bounded::<()>(0);
    loop {
        let delivery = session.read(|transaction| Ok(transaction.delivery(id, &event)?))?;
        match delivery {
            Some(delivery) if delivery.state == DeliveryState::Delivered => {
                let status = delivery.status.unwrap_or_default();
                emit(&format!("{event} was delivered to webhook {id}: {status} {}\n", delivery.answer))?;
                return Ok(());
            }
            Some(delivery) if delivery.attempts > 0 => {
                let status = delivery.status.map_or(String::new(), |status| format!("status {status} "));
                let sentence = format!("webhook {id} did not accept {event}: {status}{}", delivery.answer);
                return Err(Failure::refused(format!(
                    "{}. It is sent again at {}",
                    sentence.trim_end(),
                    delivery.next_at
                )));
            }
            Some(_) if deadline.is_over() => {
                return Err(Failure::refused(format!(
                    "{event} is queued, but not sent yet. Events are sent by the service opterius-license-server-deliver. See: \
                     systemctl status opterius-license-server-deliver"
                )));
            }
            Some(_) => _ = never.recv_timeout(TICK),
            None => return Err(Failure::refused(format!("webhook {id} was removed meanwhile"))),
        }
    }
}

pub(super) fn replay(session: &mut Session, id: i64, event: Option<&str>) -> Result<(), Failure> {
    session.change_and_print(|transaction, _| {
        Ok(match event {
            Some(event) => actions::replay(transaction, id, event)?,
            None => actions::replay_given_up(transaction, id)?,
        })
    })
}

fn find(session: &mut Session, id: i64) -> Result<Webhook, Failure> {
    session.read(|transaction| Ok(actions::find_webhook(transaction, id, Session::now())?))
}
