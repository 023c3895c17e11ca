//! The store. All SQL of the program is in this module, in the statements that SQLite and PostgreSQL share; `engine` has the
//! differences. [`ReadTransaction`] and [`WriteTransaction`] are its whole interface.
//!
//! A process has one writer, [`writer::Writer`], which combines the changes of several requests in one commit. Readers see
//! the last commit. Committed changes survive a power failure (`synchronous=FULL`).

mod activations;
mod api_tokens;
pub mod checkpoint;
pub mod clean_end;
mod connection;
pub mod counting;
mod database;
mod deferral;
mod deliveries;
pub mod duty;
mod engine;
mod error;
mod foreign_log;
mod history;
mod instances;
mod integrity;
mod job;
mod license_conditions;
mod license_counts;
mod license_filter;
mod license_list;
mod license_search;
mod license_sources;
mod license_usage;
mod licenses;
mod location;
mod maintenance;
mod outbox;
mod password_links;
pub mod readers;
mod record;
mod refusals;
mod restore;
mod schema;
mod second_factors;
mod server_database;
mod sessions;
mod sides;
mod slot;
mod statements;
mod statistics;
mod transactions;
mod transfer;
mod user_names;
mod users;
mod values;
mod webhooks;
pub mod writer;

pub use activations::ExpiredActivations;
pub use api_tokens::{Creation, KeptAnswer, NewApiToken};
pub use database::Database;
pub use deferral::{DeferredCheckIns, MAX_WAIT, RATE as DEFERRAL_RATE};
pub use deliveries::KEPT_TIME;
pub use engine::Server;
pub use error::{Error, FILE};
pub use instances::batch::Asked;
pub use license_counts::LicenseCounts;
pub use license_filter::{Cursor, Filter, Sort};
pub use license_list::{LicensePage, ListedLicense};
pub use license_usage::{LicenseUsage, OutdatedUsage};
pub use licenses::NewLicense;
pub use location::Location;
pub use maintenance::{
    backup, check, check_intact, checkpoint_on_exit, is_outdated, renamed_users, schema, setting, unfinished_backup,
};
pub use outbox::{MAX_PENDING, NOTICES};
pub use password_links::PasswordLink;
pub use refusals::{DueServers, ServerTable};
pub use restore::{ReplacedDatabase, copy_backup};
pub use second_factors::StoredFactor;
pub use server_database::create as create_on_server;
pub use sessions::{NewSession, session_id};
pub use sides::ServerSides;
pub use slot::{Heartbeat, News, OwnSlot, Record, Slot};
pub use statistics::FiguresPart;
pub use transactions::{ReadTransaction, WriteTransaction};
pub use transfer::{CopiedTable, Counter as CopyCounter, transfer, unfinished_file as unfinished_move};

#[cfg(test)]
#[path = "../store_tests.rs"]
pub(crate) mod tests;
