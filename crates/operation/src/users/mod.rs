//! System users: creating and changing them, running code with their privileges, ending their processes.

pub mod end_processes;
pub mod end_sessions;
pub mod name_service;
pub mod numbers;
pub mod reserved;
pub mod run_as_user;
pub mod shadow_lock;
pub mod shell;
pub mod user;
