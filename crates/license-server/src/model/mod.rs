//! The data model: plain values, no clock and no I/O.

mod action;
mod activation;
pub mod change_error;
pub mod describe;
mod event;
mod help;
mod license;
mod refused_server;
mod string_enum;
mod users;

pub use action::{Action, AppliedChange, Change};
pub use activation::{ACTIVE_TIME, Activation, ActivationState, Details, RETENTION_TIME};
pub use event::Event;
pub use help::{Help, Room, help};
pub use license::{Billing, License, Plan, Standing, Status};
pub use refused_server::{Block, MAX_BLOCKS, MAX_REFUSED, RefusedServer, block_time};
pub use users::{Actor, Role, User};
