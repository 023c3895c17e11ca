//! The helper: performs operations on the host, as root. One process performs one operation; it accesses the network only
//! through the programs that it runs.
//!
//! * [`command_line`], [`serve`] — the tasks, and the request on stdin
//! * [`operations`] — one file for each operation, named after its path; [`perform`] — their common trait
//! * [`dns`] — zones and records of accounts, over [`web`]
//! * [`files`] — files of accounts, over [`accounts`]
//! * [`dns`] — zones and records of accounts, over [`web`]; [`databases`] — databases of accounts and their users
//! * [`web`], [`accounts`], [`measure`], [`system`] — the building blocks of operations
//! * [`transaction`] — atomic changes, over [`servers`], [`users`], [`systemctl`], [`notifications`] and [`tree`]
//!
//! Modules only call modules that are listed below them.

#![cfg_attr(test, allow(clippy::string_slice, reason = "in a test, a wrong slice is a failure like any other"))]

pub mod accounts;
pub mod backups;
pub mod command_line;
pub mod databases;
pub mod dns;
pub mod files;
pub mod measure;
pub mod notifications;
pub mod operations;
pub mod perform;
pub mod serve;
pub mod servers;
pub mod system;
pub mod systemctl;
#[cfg(test)]
pub(crate) mod testing;
pub mod transaction;
pub mod tree;
pub mod users;
pub mod web;
