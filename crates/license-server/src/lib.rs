//! The license server: what stands behind `POST /api/license/verify`, and the dashboard in which owners see and free
//! their servers. It shares the Agent's HTTP front and nothing of its purpose.

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

pub mod actions;
pub mod activation_gc;
pub mod address;
pub mod api;
mod cause;
pub mod command_line;
pub mod commands;
pub mod config;
pub mod dashboard;
pub mod installation;
pub mod keys;
pub mod metrics;
pub mod model;
mod ownership;
pub mod passwords;
pub mod rules;
pub mod serve;
pub mod shared;
pub mod store;
pub mod throttle;
pub mod verification;

use opterius_daemon::Program;

/// How the license server calls itself.
pub const PROGRAM: Program = Program { name: "opterius-license-server", subject: "the license server" };
