//! DNS zones of accounts.

pub mod change;
pub mod owner;
pub mod records;
