//! The Opterius Agent: a synchronous daemon that verifies the license of a hosting server, serves requests from its Panel,
//! and allows write operations only while the license is valid.
//!
//! * [`cli`] — the command line, and its requests to the running daemon
//! * [`daemon`] — the wiring: starts the threads and runs until a signal stops it
//! * [`config`] — agent.conf
//! * [`api`] — route table, authentication, license gate, handlers
//! * [`license`] — license client, cache and verifier thread, around the pure core in `opterius-license`
//! * [`doctor`] — diagnoses problems and suggests fixes

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod doctor;
pub mod license;
pub mod program;
