//! PostgreSQL under the license server.

mod laboratory;
mod leftovers;
