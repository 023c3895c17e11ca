//! System users: made and changed, their rights for a moment, the end of their processes.

pub mod eviction;
pub mod rights;
pub mod user;
