//! The Opterius Agent: a synchronous daemon that keeps the license standing of a hosting server, answers its Panel, and
//! lets write operations through only while the license is good.
//!
//! The rooms, and which way they look (ARCHITECTURE.md has the map):
//!
//! * [`license`] — the pure core (model, standing, outcome, cache, signature), then the client and the verifier thread
//! * [`http`] — the front thread: sockets, limits, request heads, responses
//! * [`api`] — the route table, signatures, the gate, the handlers
//! * [`operations`] — what is done to the host
//! * [`process`] — what a daemon needs of its process: watched threads, signals, listener, log, the form of its settings
//! * [`agent`] — configuration, command line, and the wiring of all of the above
//! * `server` — the license server, a program of its own (feature `license-server`)
//! * [`clock`], [`dates`], [`files`], [`look`], [`secret`] and [`text`] — small things that every room may use

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

pub mod agent;
pub mod api;
pub mod clock;
pub mod dates;
pub mod files;
pub mod http;
pub mod license;
pub mod look;
pub mod operations;
pub mod process;
pub mod secret;
#[cfg(feature = "license-server")]
pub mod server;
pub mod text;
