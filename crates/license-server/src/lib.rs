//! The license server: it answers `POST /api/license/verify` and serves the dashboard in which owners view and revoke
//! the activations of their licenses. It shares the Agent's HTTP front end.

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that slices a string wrongly fails, as it should"))]

pub mod actions;
pub mod activation_gc;
pub mod address;
pub mod api;
mod cause;
mod certificate_file;
pub mod command_line;
pub mod commands;
pub mod config;
pub mod dashboard;
mod deferred_check_ins;
pub mod deliver;
pub mod expiry_notices;
pub mod factor_seal;
pub mod installation;
mod installation_creation;
pub mod installation_error;
pub mod installation_locks;
pub mod keys;
mod license_usage;
mod link_delivery;
mod mail;
pub mod metrics;
pub mod model;
pub mod network;
mod ownership;
pub mod pairing;
pub mod passwords;
pub mod random_token;
pub mod recovery_codes;
pub mod refusal_log;
mod refusal_writer;
pub mod refused;
pub mod restoration;
pub mod rules;
pub mod serve;
pub mod shared;
mod smtp;
mod startup;
pub mod statistics;
pub mod store;
pub mod throttle;
pub mod totp;
pub mod vendor_api;
pub mod verification;
pub mod verification_limits;
pub mod webhooks;

use opterius_daemon::Program;

/// The program name that messages and logs use.
pub const PROGRAM: Program = Program { name: "opterius-license-server", subject: "the license server" };
