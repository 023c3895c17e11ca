//! The webhook commands.

use crate::commands::arguments::Arguments;
use crate::commands::spec::CommandSpec;
use crate::commands::task::Task;
use crate::commands::values::printable;
use crate::model::{Action, EventType};

pub(super) const WEBHOOKS: &[CommandSpec] = &[
    CommandSpec {
        words: &["webhook", "add"],
        operands: &["URL"],
        options: &["[--events TYPES]", "[--json]"],
        about: "send events to this URL and print the secret that signs them; TYPES are separated by commas",
        history_action: Some(Action::WebhookAdded),
        read: Some(add),
    },
    CommandSpec {
        words: &["webhook", "list"],
        operands: &[],
        options: &["[--json]"],
        about: "list the webhooks and their state",
        history_action: None,
        read: Some(|arguments| Ok(Task::ListWebhooks { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["webhook", "show"],
        operands: &["WEBHOOK"],
        options: &["[--json]"],
        about: "show a webhook with its latest deliveries and answers",
        history_action: None,
        read: Some(|arguments| Ok(Task::ShowWebhook { webhook: webhook(arguments)?, json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["webhook", "remove"],
        operands: &["WEBHOOK"],
        options: &[],
        about: "remove a webhook with its deliveries",
        history_action: Some(Action::WebhookRemoved),
        read: Some(|arguments| Ok(Task::RemoveWebhook { webhook: webhook(arguments)? })),
    },
    CommandSpec {
        words: &["webhook", "rotate"],
        operands: &["WEBHOOK"],
        options: &["[--json]"],
        about: "give a webhook a new secret and print it; for 24 hours both secrets sign",
        history_action: Some(Action::WebhookRotated),
        read: Some(|arguments| Ok(Task::RotateWebhook { webhook: webhook(arguments)?, json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["webhook", "test"],
        operands: &["WEBHOOK"],
        options: &[],
        about: "send a test event and show the answer",
        history_action: None,
        read: Some(|arguments| Ok(Task::TestWebhook { webhook: webhook(arguments)? })),
    },
    CommandSpec {
        words: &["webhook", "replay"],
        operands: &["WEBHOOK", "[EVENT]"],
        options: &[],
        about: "send an event of the last 7 days again, or all that were given up",
        history_action: None,
        read: Some(|arguments| {
            let event = if arguments.operands.len() > 1 { Some(arguments.operand(1)?) } else { None };
            Ok(Task::ReplayEvents { webhook: webhook(arguments)?, event })
        }),
    },
];

fn webhook(arguments: &Arguments) -> Result<i64, String> {
    let text = arguments.operand(0)?;
    let number = text.parse::<i64>().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("“{}” is not the number of a webhook", printable(&text)))
}

fn add(arguments: &Arguments) -> Result<Task, String> {
    let events = arguments.text("events")?.map(|text| EventType::list(&text)).transpose()?;
    Ok(Task::AddWebhook { url: arguments.operand(0)?, events, json: arguments.flag("json") })
}
