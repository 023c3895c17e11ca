//! System users: made and changed, their homes, their rights for a moment, the end of their processes.

pub mod eviction;
pub mod home;
pub mod rights;
pub mod user;
