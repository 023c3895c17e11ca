//! System users: made and changed, their rights for a moment, the end of their processes.

pub mod kill_processes;
pub mod run_as_user;
pub mod user;
