//! Operations on a hosting server: what may be asked, how the helper is asked, and what can be read of the host without
//! privileges. Nothing here runs as root; the helper, which does, is the package `opterius-operation`.
//!
//! * [`request`] — what may be asked, one file for each operation; [`problem`] — what is said when it is not done
//! * [`helper`] — what goes between the Agent and the helper, and the Agent's end of it
//! * [`config`] — what agent.conf says of the host
//! * [`host`], [`layout`] — the host, and every path on it that is ours
//! * [`users`], [`sites`] — the register of users, and what is published of sites
//! * [`measure`] — how the machine is; [`tool`] — programs that are run

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

pub mod config;
pub mod helper;
pub mod host;
pub mod layout;
pub mod measure;
pub mod problem;
pub mod request;
pub mod sites;
pub mod tool;
pub mod users;
