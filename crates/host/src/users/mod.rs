//! The operating system's users and groups, and the accounts among them.

pub mod account;
pub mod accounts;
pub mod administrators;
pub mod register;
pub mod subordinate_ids;
