//! What the license server keeps, in SQLite. All SQL of the program is in this room: [`ReadTransaction`] and [`WriteTransaction`] are the
//! whole interface, so another database can take SQLite's place behind them.
//!
//! There is one writer in a process, [`writer::Writer`], whose commits are shared by all who wait; readers see the last
//! commit. What a commit promised survives a power cut (`synchronous=FULL`).

mod activations;
pub mod checkpoint;
mod connection;
pub mod counting;
mod database;
mod error;
mod history;
mod licenses;
mod maintenance;
pub mod readers;
mod schema;
mod transactions;
mod users;
mod values;
pub mod writer;

pub use activations::{ExpiredActivations, Heartbeat, Slot};
pub use database::Database;
pub use error::{Error, FILE};
pub use licenses::{Filter, ListedLicense, NewLicense};
pub use maintenance::{backup, check, checkpoint_on_exit, schema, setting};
pub use transactions::{ReadTransaction, WriteTransaction};

#[cfg(test)]
#[path = "../store_tests.rs"]
pub(crate) mod tests;
