//! What accounts use.

pub mod bandwidth;
pub mod usage;
