//! A tenant attacks root's operations: with links that root might follow, files that root might open, and processes that
//! change them concurrently. The tenant gains nothing, and nothing outside of the account changes.

mod deletion;
pub(crate) mod eviction;
pub(crate) mod flood;
mod log_rotation;
mod pages;
mod traps;
mod web_server;
