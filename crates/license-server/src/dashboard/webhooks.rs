//! The pages of webhooks, for administrators: the list, and one webhook with its latest deliveries.

use askama::Template;

use super::form::Form;
use super::format::{split, text};
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::secret_page::SecretPage;
use super::signed_in_user::SignedInUser;
use super::webhook_action::WebhookAction;
use crate::actions;
use crate::model::{Delivery, DeliveryState, Webhook};
use crate::store::Error;
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;
use opterius_http::response::Response;

/// Deliveries per page.
const PAGE_SIZE: usize = 50;

#[derive(Template)]
#[template(path = "webhooks.html", config = "src/dashboard/askama.toml")]
struct WebhooksPage {
    layout: Layout,
    rows: Vec<WebhookRow>,
    new: Route,
}

/// A webhook, formatted.
struct WebhookRow {
    id: i64,
    page: Route,
    url: String,
    events: String,
    state: &'static str,
    since: Option<Moment>,
    pending: i64,
    dropped: i64,
    delivered: Option<Moment>,
}

#[derive(Template)]
#[template(path = "webhook.html", config = "src/dashboard/askama.toml")]
struct WebhookPage {
    layout: Layout,
    webhook: WebhookRow,
    deliveries: Vec<DeliveryRow>,
    given_up: bool,
    test: Route,
    replay: Route,
    replay_all: Route,
    rotate: Route,
    remove: Route,
    newest: Option<String>,
    older: Option<String>,
}

struct DeliveryRow {
    name: String,
    event_type: &'static str,
    license: Option<(i64, Route)>,
    at: Moment,
    state: &'static str,
    class: &'static str,
    attempts: u32,
    next: Option<Moment>,
    status: Option<u16>,
    answer: String,
}

/// Renders the list.
pub(super) fn list(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    let now = page_request.shared.clock.wall();
    let webhooks = page_request.shared.readers.read(|transaction| transaction.webhooks(now))?;
    let rows = webhooks.iter().map(|webhook| row(webhook, now)).collect();
    let layout = page_request.layout(signed_in_user, "webhooks");
    Ok(page::html(200, "Webhooks", &WebhooksPage { layout, rows, new: Route::NewWebhook }))
}

/// Renders the page of a webhook.
pub(super) fn show(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    query: &Form,
) -> Result<Response, PageError> {
    let (now, before) = (page_request.shared.clock.wall(), query.number("before"));
    let count = u32::try_from(PAGE_SIZE).unwrap_or(u32::MAX).saturating_add(1);
    let (webhook, deliveries) = page_request.shared.readers.read(|transaction| {
        Ok::<_, Error>((transaction.webhook(id, now)?, transaction.deliveries(id, before, count)?))
    })?;
    let webhook = webhook.ok_or(PageError::NotFound)?;
    let (deliveries, last) = split(deliveries, PAGE_SIZE, |delivery| delivery.event);
    let page = Route::Webhook(id);
    let action = |action| Route::WebhookAction(id, action);
    let answer = WebhookPage {
        layout: page_request.layout(signed_in_user, "webhooks"),
        webhook: row(&webhook, now),
        given_up: deliveries.iter().any(|delivery| delivery.state == DeliveryState::GivenUp),
        deliveries: deliveries.iter().map(|delivery| delivery_row(delivery, now)).collect(),
        test: action(WebhookAction::Test),
        replay: action(WebhookAction::Replay),
        replay_all: action(WebhookAction::ReplayGivenUp),
        rotate: action(WebhookAction::Rotate),
        remove: action(WebhookAction::Remove),
        newest: before.map(|_| page.to_string()),
        older: last.map(|last| format!("{page}?before={last}")),
    };
    Ok(page::html(200, &format!("Webhook {id}"), &answer))
}

/// The page with a new secret, which is shown this once.
pub(super) fn secret(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    secret: &str,
    is_rotated: bool,
) -> Response {
    let next_step = if is_rotated {
        "For 24 hours, deliveries are signed with the old secret as well."
    } else {
        "Then send a test event."
    };
    let answer = SecretPage {
        layout: page_request.layout(signed_in_user, "webhooks"),
        heading: format!("Secret of webhook {id}"),
        explanation: vec![format!(
            "Verify the header Opterius-Signature of each delivery with this secret. {next_step}"
        )],
        secret,
        next: Route::Webhook(id),
        next_label: "Go to the webhook",
    };
    answer.answer()
}

fn row(webhook: &Webhook, now: Timestamp) -> WebhookRow {
    WebhookRow {
        id: webhook.id,
        page: Route::Webhook(webhook.id),
        url: text(&webhook.url),
        events: actions::event_names(webhook.events.as_deref()),
        state: webhook.state(now),
        since: webhook.failing_since.map(|since| Moment::new(since, now)),
        pending: webhook.pending,
        dropped: webhook.dropped,
        delivered: webhook.delivered_at.map(|at| Moment::new(at, now)),
    }
}

fn delivery_row(delivery: &Delivery, now: Timestamp) -> DeliveryRow {
    let is_pending = delivery.state == DeliveryState::Pending;
    DeliveryRow {
        name: delivery.name.clone(),
        event_type: delivery.event_type.as_str(),
        license: delivery.license.map(|id| (id, Route::License(id))),
        at: Moment::new(delivery.created_at, now),
        state: delivery.state.as_str(),
        class: match delivery.state {
            DeliveryState::Delivered => "active",
            DeliveryState::Pending => "suspended",
            DeliveryState::GivenUp => "expired",
        },
        attempts: delivery.attempts,
        next: is_pending.then(|| Moment::new(delivery.next_at, now)),
        status: delivery.status,
        answer: text(&delivery.answer),
    }
}
