//! The servers that have to take what we have written: tested first, then told.

pub mod nginx;
pub mod php;
