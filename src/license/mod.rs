//! The license as the daemon has it, around the pure core in `opterius-license`.
//!
//! [`client`] talks to the license server; [`verifier`] is the thread that decides when, and what follows; [`state`] is what
//! it publishes, [`cache`] what it writes down, and [`report`] what it logs.

pub mod cache;
pub mod client;
pub mod log_lines;
pub mod state;
pub mod verifier;
