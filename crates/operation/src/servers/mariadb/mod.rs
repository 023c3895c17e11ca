//! MariaDB, through its own client as root over its socket, so that no password is kept anywhere.

mod client;
mod confinement;
mod description;
mod dump;
mod dump_file;
mod exclusion;
mod maintenance;
mod restoration;
mod server;

pub use client::{MariaDb, is_installed};
pub use description::{MAX_TABLES, Table};
