//! PostgreSQL, through its own client as its user `postgres` over its socket, so that no password is kept anywhere.
//!
//! A database belongs to a role `NAME:owner`, which cannot log in. Its users are members of that role and act as it there, so
//! that what one of them makes is there for all, and stays when the user is deleted.

mod client;
mod description;
mod dump;
mod login;
mod obstacles;
mod restoration;
mod roles;
mod server;
mod session;

pub use client::{Postgresql, is_installed};
