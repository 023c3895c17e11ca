//! The helper: what is done to the host, with the rights of root. One process for one operation; it knows the network only
//! through the programs that it runs.

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

pub mod command_line;
pub mod measure;
pub mod operations;
pub mod serve;
pub mod servers;
#[cfg(test)]
pub(crate) mod testing;
pub mod transaction;
pub mod tree;
pub mod users;
pub mod web;
