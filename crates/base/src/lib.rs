//! What every package stands on, and what knows none of them.
//!
//! * [`clock`], [`dates`], [`deadline`] — time: where it is read, how people read it, by when something must have ended
//! * [`text`], [`hex`], [`secret`] — text from elsewhere fit to be shown, bytes as text, values that must not be seen
//! * [`files`] — files that are replaced whole, and read within bounds
//! * [`waker`] — a thread that waits on descriptors is woken by another
//! * [`exposition`] — Prometheus's text format

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

pub mod clock;
pub mod dates;
pub mod deadline;
pub mod exposition;
pub mod files;
pub mod hex;
pub mod secret;
pub mod text;
pub mod waker;
