//! The license: what is known of it, what follows from that, and how it is asked for.
//!
//! [`model`], [`outcome`], [`standing`], [`schedule`], [`signature`] and [`cache`]'s format are pure: bytes and the
//! current time come in as arguments. [`client`] talks to the license server, [`verifier`] is the thread that decides
//! when, and publishes what came of it.

pub mod address;
pub mod cache;
pub mod client;
pub mod identity;
pub mod model;
pub mod outcome;
pub mod reason;
pub mod report;
pub mod schedule;
pub mod signature;
pub mod standing;
pub mod state;
pub mod verifier;
