//! The integration tests: the real daemon as a child process, over real sockets. One binary, one module per subject.
#![allow(
    clippy::disallowed_methods,
    reason = "a test measures real deadlines; only the daemon takes time as a parameter"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on must say so at once"
)]
#![allow(missing_docs, unreachable_pub, reason = "nothing here is anyone's interface")]

mod cache;
mod command_line;
mod completions;
mod crowds;
mod dashboard;
mod doctor;
mod documents;
mod fleet;
mod fuzz_corpora;
mod hazards;
mod journal;
mod license;
mod license_server;
mod metrics;
mod operations;
mod postgresql;
mod prometheus;
mod service;
mod signals;
mod structure;
mod support;
mod threads;
mod view;
