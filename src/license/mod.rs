//! License verification in the daemon, around the pure core in `opterius-license`.
//!
//! The [`verifier`] thread schedules checks, runs them through [`attempts`] and [`client`], publishes the result as [`state`], stores it in
//! [`cache`] and logs it with [`log_lines`].

pub mod attempts;
pub mod cache;
pub mod client;
pub mod license_identity;
pub mod log_lines;
pub mod state;
pub mod verifier;
