//! MariaDB, through its own client as root over its socket, so that no password is kept anywhere.

mod client;
mod description;
mod maintenance;
mod server;

pub use client::{MariaDb, is_installed};
pub use description::{MAX_TABLES, Table};
