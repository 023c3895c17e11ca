//! What the license server knows: plain values, no clock and no I/O.

mod action;
mod activation;
mod event;
mod license;
mod people;
mod words;

pub use action::Action;
pub use activation::{ACTIVE_TIME, Activation, Details, KEPT_TIME, Life};
pub use event::Event;
pub use license::{Billing, License, Plan, Status};
pub use people::{Actor, Role, User};
