//! The helper as the Agent sees it.

pub mod client;
pub mod protocol;
