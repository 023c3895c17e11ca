//! System statistics and their units.

pub mod system_stats;
pub mod units;
