//! The Opterius Agent: a synchronous daemon that keeps the license standing of a hosting server, answers its Panel, and
//! lets write operations through only while the license is good.
//!
//! * [`cli`] — the command line, and what it asks the running daemon
//! * [`daemon`] — the wiring: starts the threads, and lives until a signal ends it
//! * [`config`] — agent.conf
//! * [`api`] — the route table, signatures, the gate, the handlers
//! * [`license`] — the client, the cache, and the verifier thread around the pure core in `opterius-license`
//! * [`doctor`] — what is wrong, and what mends it

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod doctor;
pub mod license;
pub mod program;
