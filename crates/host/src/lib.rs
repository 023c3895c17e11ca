//! Operations on a hosting server: their requests, the interface to the helper, and everything that can be read without
//! privileges. Nothing here runs as root; the helper, which does, is the package `opterius-operation`.
//!
//! * [`request`] — the requests, one file per operation; [`problem`] — their errors
//! * [`helper`] — the protocol between the Agent and the helper, and its client
//! * [`config`] — the keys of agent.conf for the host
//! * [`certbot`] — whether certificates can be issued
//! * [`host`], [`layout`] — the host, and our paths on it
//! * [`sftp`] — how sshd confines accounts without a shell
//! * [`users`], [`sites`] — users and groups, and published records of sites; [`nginx`] — its configuration on disk
//! * [`measure`] — system statistics; [`tool`] — running programs
//! * [`processes`], [`mounts`], [`lines`] — /proc, and files of lines, whose content others choose

#![cfg_attr(test, allow(clippy::string_slice, reason = "in a test, a wrong slice is a failure like any other"))]

pub mod certbot;
pub mod config;
pub mod helper;
pub mod host;
pub mod layout;
pub mod lines;
pub mod measure;
pub mod mounts;
pub mod nginx;
pub mod problem;
pub mod processes;
pub mod request;
pub mod sftp;
pub mod sites;
pub mod tool;
pub mod users;
