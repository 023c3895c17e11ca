//! The data model: plain values, no clock and no I/O.

mod action;
mod activation;
mod api_token;
pub mod change_error;
mod day;
pub mod describe;
mod event;
pub mod event_data;
mod figures;
mod help;
mod license;
mod license_view;
pub mod mail_address;
mod pair;
mod period;
mod refused_server;
mod side;
pub(crate) mod string_enum;
pub mod user_name;
mod users;
mod webhook;
mod webhook_view;

pub use action::{Action, AppliedChange, Change};
pub use activation::{ACTIVE_TIME, Activation, ActivationState, Details, RETENTION_TIME};
pub use api_token::{ApiToken, ApiTokenState, Scope};
pub use day::Day;
pub use event::Event;
pub use event_data::{EventFacts, ExpiryFacts, ServerFacts};
pub use figures::{
    Checks, ClonedLicense, DayFigures, EXPIRING_DAYS, Figures, MAX_CLONED, MAX_VERSIONS, PlanFigures, VersionFigures,
};
pub use help::{Help, Room, help};
pub use license::{
    Billing, License, MAX_LABEL, MAX_LABELS, MAX_NOTE, MAX_REASON, MAX_REFERENCE, Plan, Standing, Status,
};
pub use license_view::LicenseView;
pub use pair::{Sides, Sign};
pub use period::{Basis, Period};
pub use refused_server::{Block, MAX_BLOCKS, MAX_REFUSED, RefusedServer, block_time};
pub use side::Side;
pub use users::{Actor, LinkPurpose, Role, Session, User};
pub use webhook::{Attempt, Delivery, DeliveryState, EventType, MAX_WEBHOOKS, Webhook};
pub use webhook_view::{DeliveryView, WebhookView, WebhookWithSecret};
