//! System users: creating and changing them, running code with their privileges, killing their processes.

pub mod kill_processes;
pub mod name_service;
pub mod numbers;
pub mod reserved;
pub mod run_as_user;
pub mod user;
