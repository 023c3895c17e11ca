//! The data model: plain values, no clock and no I/O.

mod action;
mod activation;
pub mod change_error;
pub mod describe;
mod event;
pub mod event_data;
mod license;
mod string_enum;
mod users;
mod webhook;

pub use action::{Action, AppliedChange, Change};
pub use activation::{ACTIVE_TIME, Activation, ActivationState, Details, RETENTION_TIME};
pub use event::Event;
pub use event_data::{EventFacts, ExpiryFacts, ServerFacts};
pub use license::{Billing, License, Plan, Standing, Status};
pub use users::{Actor, Role, User};
pub use webhook::{Attempt, Delivery, DeliveryState, EventType, MAX_WEBHOOKS, Webhook};
