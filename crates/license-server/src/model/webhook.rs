//! Webhooks: which events a vendor's program is told of, and the deliveries of an event.

use std::time::Duration;

use super::action::Action;
use super::string_enum::string_enum;
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;

string_enum! {
    /// The types of events.
    pub enum EventType {
        /// A license was created.
        LicenseCreated = "license.created",
        /// The expiry of a license was changed.
        LicenseRenewed = "license.renewed",
        /// A license was suspended.
        LicenseSuspended = "license.suspended",
        /// A license was resumed.
        LicenseResumed = "license.resumed",
        /// A license was cancelled.
        LicenseCancelled = "license.cancelled",
        /// A license expires within 30, 7 or 1 days.
        LicenseExpiring = "license.expiring",
        /// A license has expired.
        LicenseExpired = "license.expired",
        /// The plan of a license was changed.
        LicensePlanChanged = "license.plan_changed",
        /// A server was activated.
        ServerActivated = "server.activated",
        /// A server was refused.
        ServerRefused = "server.refused",
        /// A server or a lock was moved to another address.
        ServerMoved = "server.moved",
        /// A server was revoked.
        ServerRevoked = "server.revoked",
        /// Two servers with one identity use a license.
        ServerCloned = "server.cloned",
        /// A test of a webhook; each receives its own.
        WebhookTest = "webhook.test",
    }
}

impl EventType {
    /// What a webhook can ask for, in this order.
    pub fn subscribable() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|event_type| *event_type != Self::WebhookTest)
    }

    /// The type with this name, if a webhook can ask for it.
    pub fn find(name: &str) -> Option<Self> {
        Self::subscribable().find(|event_type| event_type.as_str() == name)
    }

    /// Types separated by commas or blanks, each once.
    ///
    /// # Errors
    /// There is no such type, or none at all.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let known = || Self::subscribable().map(Self::as_str).collect::<Vec<_>>().join(", ");
        let mut types = Vec::new();
        for name in text.split([',', ' ']).filter(|name| !name.is_empty()) {
            let name = one_line(name, MAX_NAME);
            let found =
                Self::find(&name).ok_or_else(|| format!("“{name}” is no type of event. Available: {}", known()))?;
            if !types.contains(&found) {
                types.push(found);
            }
        }
        if types.is_empty() { Err(format!("There is no type of event. Available: {}", known())) } else { Ok(types) }
    }

    /// The type of the event that goes with an entry of the history; `None` if none does.
    pub(crate) fn of(action: Action) -> Option<Self> {
        Some(match action {
            Action::Created => Self::LicenseCreated,
            Action::Renewed => Self::LicenseRenewed,
            Action::Suspended => Self::LicenseSuspended,
            Action::Resumed => Self::LicenseResumed,
            Action::Cancelled => Self::LicenseCancelled,
            Action::PlanChanged => Self::LicensePlanChanged,
            Action::Activated => Self::ServerActivated,
            Action::Moved => Self::ServerMoved,
            Action::Revoked => Self::ServerRevoked,
            _ => return None,
        })
    }
}

/// The longest name of a type in a message, in characters.
const MAX_NAME: usize = 80;

/// The most webhooks of an installation: each has its own thread while it is delivered to.
pub const MAX_WEBHOOKS: usize = 20;

/// A receiver of events.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its number.
    pub id: i64,
    /// Where events are sent to.
    pub url: String,
    /// The events that it wants; `None` means all.
    pub events: Option<Vec<EventType>>,
    /// The secrets that sign its deliveries: its own, and after a rotation for a while the one before.
    pub secrets: Vec<Secret>,
    /// When it was added.
    pub created_at: Timestamp,
    /// Deliveries that are still to be made.
    pub pending: i64,
    /// Events that were dropped, because too many were pending.
    pub dropped: i64,
    /// The last successful delivery.
    pub delivered_at: Option<Timestamp>,
    /// The first failure since the last successful delivery.
    pub failing_since: Option<Timestamp>,
}

/// A webhook that has failed for this long is called failing rather than retrying.
const FAILING_TIME: Duration = Duration::from_secs(86_400);

impl Webhook {
    /// The secret that signs its deliveries, the newest one.
    pub fn secret(&self) -> &str {
        self.secrets.first().map_or("", Secret::expose)
    }

    /// Its state in one word: `ok`, `retrying`, or `failing` after a day without success. It is never removed for that.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self.failing_since {
            None => "ok",
            Some(since) if now.since(since) < FAILING_TIME => "retrying",
            Some(_) => "failing",
        }
    }
}

string_enum! {
    /// The state of a delivery.
    pub enum DeliveryState {
        /// It is to be attempted, or attempted again.
        Pending = "pending",
        /// The receiver has accepted it.
        Delivered = "delivered",
        /// It was attempted for three days in vain.
        GivenUp = "given up",
    }
}

/// An event for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The number of the event, in the order in which events happened.
    pub event: i64,
    /// The id of the event that the receiver sees, such as `evt_4f…`: the same in each attempt.
    pub name: String,
    /// The type of the event.
    pub event_type: EventType,
    /// When it happened.
    pub created_at: Timestamp,
    /// The license that it is about.
    pub license: Option<i64>,
    /// Its state.
    pub state: DeliveryState,
    /// The attempts since it was queued or replayed.
    pub attempts: u32,
    /// When the next attempt is due, while it is pending.
    pub next_at: Timestamp,
    /// The last attempt.
    pub tried_at: Option<Timestamp>,
    /// The status of the last answer.
    pub status: Option<u16>,
    /// The beginning of the last answer, or why there was none.
    pub answer: String,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whether the receiver has accepted the event.
    pub is_accepted: bool,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The beginning of the answer, or why there was none: one safe line.
    pub answer: String,
    /// When the next attempt is due; `None` if this was the last one.
    pub next_at: Option<Timestamp>,
}
