//! The license as pure functions: bytes, what is known, and the current time come in as arguments, and nothing is read or
//! written here.
//!
//! * [`outcome`] — what the bytes of an answer mean; [`signature`] — whether the license server has said them
//! * [`model`] — what is known of a license; [`standing`] — what follows from it now; [`reason`] — in words
//! * [`schedule`] — when to ask next
//! * [`inquiry`] — what is asked; [`identity`], [`address`] — who asks, and from where

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

pub mod address;
pub mod identity;
pub mod inquiry;
pub mod model;
pub mod outcome;
pub mod reason;
pub mod schedule;
pub mod signature;
pub mod standing;
