//! What must hold for every input, whoever made it: one function for each fuzz target.
//!
//! The functions know nothing of libFuzzer. The product's tests include this file as a module and call them with every
//! input of the corpora, so no fuzzer is needed to see that what was found once stays fixed.

pub mod agent_conf;
pub mod authentication;
pub mod cache_file;
pub mod connection;
pub mod foreign_site;
mod input;
pub mod license_answer;
mod nginx;
pub mod operation_order;
pub mod operation_request;
pub mod request_head;
pub mod signed_answer;
pub mod site_file;
pub mod verify_body;

/// What holds a rule against an input, and panics where it is broken.
pub type Check = fn(&[u8]);

/// Every target: its name, which its corpus has as well, and its function.
pub const TARGETS: &[(&str, Check)] = &[
    ("agent_conf", agent_conf::check),
    ("authentication", authentication::check),
    ("cache_file", cache_file::check),
    ("connection", connection::check),
    ("foreign_site", foreign_site::check),
    ("license_answer", license_answer::check),
    ("operation_order", operation_order::check),
    ("operation_request", operation_request::check),
    ("request_head", request_head::check),
    ("signed_answer", signed_answer::check),
    ("site_file", site_file::check),
    ("verify_body", verify_body::check),
];
