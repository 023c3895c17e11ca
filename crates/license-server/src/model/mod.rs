//! What the license server knows: plain values, no clock and no I/O.

mod action;
mod activation;
mod event;
pub mod in_words;
mod license;
pub mod objection;
mod people;
mod words;

pub use action::{Action, Change, Done};
pub use activation::{ACTIVE_TIME, Activation, Details, KEPT_TIME, Life};
pub use event::Event;
pub use license::{Billing, License, Plan, Status};
pub use people::{Actor, Role, User};
