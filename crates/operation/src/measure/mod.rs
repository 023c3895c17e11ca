//! Measuring what accounts use.

pub mod bandwidth;
pub mod usage;
