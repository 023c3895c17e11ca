//! The Agent's interface to the helper.

pub mod client;
pub mod passing;
pub mod protocol;
