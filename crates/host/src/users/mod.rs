//! Users, groups and accounts as the operating system has them.

pub mod account;
pub mod accounts;
pub mod register;
