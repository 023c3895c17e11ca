//! What is measured, and how it is shown.

pub mod system_stats;
pub mod units;
