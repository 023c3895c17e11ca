//! License rules as pure functions: bytes, recorded state and the current time are arguments; the rules do no I/O.
//!
//! * [`license_key`] — the key in its one form
//! * [`inquiry`] — the request; [`identity`], [`address`] — the key fingerprint, host identity and address in it
//! * [`outcome`] — parses an answer; `no_verdict` — names one without a verdict; [`signature`] — verifies that the license
//!   server signed it
//! * [`model`] — the recorded verdict; [`clocks`] — its age; [`standing`] — what it means now; [`warning`] — which limits
//!   are near; [`reason`] — explanations for operators
//! * [`schedule`] — when to check next

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

pub mod address;
pub mod clocks;
pub mod identity;
pub mod inquiry;
pub mod license_key;
pub mod model;
mod no_verdict;
pub mod outcome;
pub mod reason;
pub mod schedule;
pub mod signature;
pub mod standing;
pub mod warning;
