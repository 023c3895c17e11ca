//! PostgreSQL under the license server: that the laboratory does what its tests rely on, that the schema is the same as in
//! SQLite, and what several instances do when something fails.

mod claims;
mod clocks;
mod commits;
mod failover;
mod instances;
mod laboratory;
mod leftovers;
mod load;
mod outages;
mod rolling;
mod schema;
mod versions;
