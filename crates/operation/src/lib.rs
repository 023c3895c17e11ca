//! The helper: what is done to the host, with the privileges of root. One process performs one operation; it knows the
//! network only through the programs that it runs.
//!
//! * [`command_line`], [`serve`] — which task it is, and the one request on stdin
//! * [`operations`] — one file for each operation, named after its path; [`perform`] — what each is given
//! * [`web`], [`accounts`], [`measure`], [`system`] — what operations are made of
//! * [`transaction`] — changes that are made whole or not at all, over [`servers`], [`users`] and [`tree`]
//!
//! What is above calls what is below.

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

pub mod accounts;
pub mod command_line;
pub mod measure;
pub mod operations;
pub mod perform;
pub mod serve;
pub mod servers;
pub mod system;
#[cfg(test)]
pub(crate) mod testing;
pub mod transaction;
pub mod tree;
pub mod users;
pub mod web;
