//! What can be done.

pub mod access;
pub mod adopt;
pub mod create;
pub mod delete;
pub mod dns_create_zone;
pub mod logs_tail;
pub mod metrics_top_processes;
pub mod php_list_versions;
pub mod services;
pub mod stats_account;
pub mod time;
