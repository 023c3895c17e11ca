//! The system itself.

pub mod services;
pub mod timezone;
