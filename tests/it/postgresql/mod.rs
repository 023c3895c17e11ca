//! PostgreSQL under the license server: that the laboratory does what its tests rely on, and that the schema is the same as
//! in SQLite.

mod laboratory;
mod leftovers;
mod schema;
