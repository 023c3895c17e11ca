//! PostgreSQL under the license server: that the laboratory does what its tests rely on, that the schema is the same as in
//! SQLite, what several instances do when something fails, and that a
//! database is moved whole or not at all.

mod agents;
mod claims;
mod clocks;
mod commits;
mod failover;
mod init;
mod instances;
mod keys;
mod laboratory;
mod leftovers;
mod lists;
mod load;
mod move_database;
mod outages;
mod rolling;
mod schema;
mod versions;
mod waiting_commits;
