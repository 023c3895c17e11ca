//! Webhooks and their deliveries in JSON: the one view of the API and of the command line.

use serde::Serialize;

use super::webhook::{Delivery, DeliveryState, EventType, Webhook};
use opterius_base::clock::Timestamp;

/// A webhook in JSON, without its secrets.
#[derive(Serialize)]
pub struct WebhookView<'a> {
    id: i64,
    url: &'a str,
    /// What it wants, also if that is all.
    events: Vec<&'static str>,
    state: &'static str,
    pending: i64,
    dropped: i64,
    created_at: Timestamp,
    delivered_at: Option<Timestamp>,
    failing_since: Option<Timestamp>,
}

impl<'a> WebhookView<'a> {
    /// The webhook at `now`.
    pub fn new(webhook: &'a Webhook, now: Timestamp) -> Self {
        let events: Vec<EventType> = webhook.events.clone().unwrap_or_else(|| EventType::subscribable().collect());
        Self {
            id: webhook.id,
            url: &webhook.url,
            events: events.into_iter().map(EventType::as_str).collect(),
            state: webhook.state(now),
            pending: webhook.pending,
            dropped: webhook.dropped,
            created_at: webhook.created_at,
            delivered_at: webhook.delivered_at,
            failing_since: webhook.failing_since,
        }
    }
}

/// A webhook whose secret is shown, this once.
#[derive(Serialize)]
pub struct WebhookWithSecret<'a> {
    #[serde(flatten)]
    webhook: WebhookView<'a>,
    secret: &'a str,
}

impl<'a> WebhookWithSecret<'a> {
    /// The webhook at `now`, with the newest of its secrets.
    pub fn new(webhook: &'a Webhook, now: Timestamp) -> Self {
        Self { webhook: WebhookView::new(webhook, now), secret: webhook.secret() }
    }
}

/// A delivery in JSON.
#[derive(Serialize)]
pub struct DeliveryView<'a> {
    /// The id of the event that the receiver sees.
    event: &'a str,
    r#type: &'static str,
    created_at: Timestamp,
    license: Option<i64>,
    state: DeliveryState,
    attempts: u32,
    tried_at: Option<Timestamp>,
    next_at: Option<Timestamp>,
    status: Option<u16>,
    answer: &'a str,
}

impl<'a> DeliveryView<'a> {
    /// The delivery.
    pub fn new(delivery: &'a Delivery) -> Self {
        Self {
            event: &delivery.name,
            r#type: delivery.event_type.as_str(),
            created_at: delivery.created_at,
            license: delivery.license,
            state: delivery.state,
            attempts: delivery.attempts,
            tried_at: delivery.tried_at,
            next_at: (delivery.state == DeliveryState::Pending).then_some(delivery.next_at),
            status: delivery.status,
            answer: &delivery.answer,
        }
    }
}
