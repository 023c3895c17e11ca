//! The data model: plain values, no clock and no I/O.

mod action;
mod activation;
pub mod change_error;
pub mod describe;
mod event;
mod license;
mod string_enum;
mod users;

pub use action::{Action, AppliedChange, Change};
pub use activation::{ACTIVE_TIME, Activation, ActivationState, Details, RETENTION_TIME};
pub use event::Event;
pub use license::{Billing, License, Plan, Standing, Status};
pub use users::{Actor, Role, User};
