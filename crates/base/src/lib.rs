//! Shared basics of all packages. This package depends on none of the others.
//!
//! * [`clock`], [`dates`], [`deadline`] — reading clocks, formatting dates, deadlines of operations
//! * [`text`], [`secret`] — making untrusted text safe to display, values that must not be shown
//! * [`hex`], [`percent`] — hexadecimal, percent-encoding
//! * [`files`] — bounded reads and atomic replacement of files
//! * [`stream`] — connections with a deadline
//! * [`waker`] — waking a thread that waits on file descriptors
//! * [`exposition`] — the Prometheus text format

#![cfg_attr(test, allow(clippy::string_slice, reason = "in a test, a wrong slice is a failure like any other"))]

pub mod clock;
pub mod dates;
pub mod deadline;
pub mod exposition;
pub mod files;
pub mod hex;
pub mod percent;
pub mod secret;
pub mod stream;
pub mod text;
pub mod waker;
