//! What administrators do with webhooks: add, test, replay, rotate, remove.

use super::confirm_page::ConfirmPage;
use super::field::Field;
use super::form::Form;
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::webhook_action::WebhookAction;
use super::{tokens, webhooks};
use crate::actions::{self, Refusal};
use crate::model::EventType;
use opterius_base::secret::Secret;
use opterius_http::response::Response;

/// Renders the form of a new webhook.
pub(super) fn show_new(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    ask_new(page_request, signed_in_user, &Form::default(), None)
}

fn ask_new(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
    error: Option<String>,
) -> Result<Response, PageError> {
    let fields = vec![
        Field {
            name: "url",
            label: "URL",
            value: form.text("url").to_owned(),
            hint: "Where events are sent to, such as https://shop.example.com/opterius.",
            required: true,
            ..Field::default()
        },
        Field {
            name: "events",
            label: "Events",
            value: form.text("events").to_owned(),
            hint: "Types separated by commas, such as license.expiring, server.refused. Leave empty for all events.",
            ..Field::default()
        },
    ];
    let confirm_page = ConfirmPage {
        layout: page_request.layout(signed_in_user, "webhooks"),
        title: "New webhook".to_owned(),
        action: Route::NewWebhook,
        heading: "New webhook".to_owned(),
        confirm_text: vec![
            "The next page shows the secret that signs the deliveries. It is shown only once.".to_owned(),
        ],
        hidden: vec![("once", tokens::random()?)],
        fields,
        confirm: "Add webhook",
        dangerous: false,
        back: Route::Webhooks,
        back_label: "Go back",
        error,
    };
    Ok(confirm_page.answer())
}

/// Adds a webhook and shows its secret.
pub(super) fn add(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<Response, PageError> {
    match create(page_request, signed_in_user, form) {
        Ok((id, Some(secret))) => Ok(webhooks::secret(page_request, signed_in_user, id, secret.expose(), false)),
        Ok((id, None)) => {
            let sentence = format!("Webhook {id} was added already. Its secret is not shown again.");
            Ok(page_request.redirect_with_flash(&signed_in_user.token, Route::Webhook(id), &sentence))
        }
        Err(Refusal::Invalid(sentence)) => ask_new(page_request, signed_in_user, form, Some(sentence)),
        Err(refusal) => Err(refusal.into()),
    }
}

/// The number of the webhook, and its secret unless the form was sent twice.
fn create(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    form: &Form,
) -> Result<(i64, Option<Secret>), Refusal> {
    let typed = form.text("events");
    let events = if typed.is_empty() { None } else { Some(EventType::list(typed).map_err(Refusal::Invalid)?) };
    let (url, receivers) = (form.text("url").to_owned(), page_request.config.receivers);
    let actor = signed_in_user.actor();
    page_request.create_once(form, move |transaction| {
        actions::add_webhook(transaction, &actor, &url, events.as_deref(), receivers)
    })
}

/// Renders the question before an action.
pub(super) fn ask(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    action: WebhookAction,
) -> Result<Response, PageError> {
    let now = page_request.shared.clock.wall();
    let webhook = page_request.shared.readers.read(|transaction| actions::find_webhook(transaction, id, now))?;
    let (heading, text, confirm) = match action {
        WebhookAction::Rotate => (
            format!("New secret for webhook {id}"),
            "The next page shows the new secret, only once. For 24 hours, deliveries are signed with both secrets."
                .to_owned(),
            "Make a new secret",
        ),
        _ => (
            format!("Remove webhook {id}"),
            format!("No more events are sent to this URL.{}", actions::lost_with(&webhook)),
            "Remove webhook",
        ),
    };
    let confirm_page = ConfirmPage {
        layout: page_request.layout(signed_in_user, "webhooks"),
        title: heading.clone(),
        action: Route::WebhookAction(id, action),
        heading,
        confirm_text: vec![webhook.url.clone(), text],
        hidden: Vec::new(),
        fields: Vec::new(),
        confirm,
        dangerous: action == WebhookAction::Remove,
        back: Route::Webhook(id),
        back_label: "Go back",
        error: None,
    };
    Ok(confirm_page.answer())
}

/// Performs an action.
pub(super) fn act(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    action: WebhookAction,
    form: &Form,
) -> Result<Response, PageError> {
    let (actor, event) = (signed_in_user.actor(), form.text("event").to_owned());
    let writer = &page_request.shared.writer;
    let sentence = match action {
        WebhookAction::Rotate => {
            let secret = writer.change(move |transaction| actions::rotate_webhook(transaction, &actor, id))?;
            return Ok(webhooks::secret(page_request, signed_in_user, id, secret.expose(), true));
        }
        WebhookAction::Test => {
            let name = writer.change(move |transaction| actions::test_webhook(transaction, &actor, id))?;
            format!("The test event {name} is queued. Reload the page to see the answer.")
        }
        WebhookAction::Replay => writer.change(move |transaction| actions::replay(transaction, id, &event))?,
        WebhookAction::ReplayGivenUp => writer.change(move |transaction| actions::replay_given_up(transaction, id))?,
        WebhookAction::Remove => writer.change(move |transaction| actions::remove_webhook(transaction, &actor, id))?,
    };
    let page = if action == WebhookAction::Remove { Route::Webhooks } else { Route::Webhook(id) };
    Ok(page_request.redirect_with_flash(&signed_in_user.token, page, &sentence))
}
