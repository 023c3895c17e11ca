//! Properties that must hold for every input: one function for each fuzz target.
//!
//! The functions do not depend on libFuzzer. The product's tests include this file as a module and call them with every
//! input of the corpora, so that past findings stay fixed without running a fuzzer.

pub mod agent_conf;
pub mod api_call;
pub mod archive_stream;
pub mod authentication;
pub mod cache_file;
pub mod connection;
pub mod crontab_lines;
pub mod custom_nginx;
pub mod foreign_site;
mod input;
pub mod license_answer;
pub mod multipart;
mod nginx;
pub mod operation_order;
pub mod operation_request;
pub mod process_files;
pub mod renewal_config;
pub mod request_head;
pub mod signed_answer;
pub mod site_file;
pub mod site_record;
pub mod user_files;
pub mod verify_body;

/// Checks a property for an input, and panics if it does not hold.
pub type Check = fn(&[u8]);

/// All targets: name, which is also the name of the corpus, and function.
pub const TARGETS: &[(&str, Check)] = &[
    ("agent_conf", agent_conf::check),
    ("api_call", api_call::check),
    ("archive_stream", archive_stream::check),
    ("authentication", authentication::check),
    ("cache_file", cache_file::check),
    ("connection", connection::check),
    ("crontab_lines", crontab_lines::check),
    ("custom_nginx", custom_nginx::check),
    ("foreign_site", foreign_site::check),
    ("license_answer", license_answer::check),
    ("multipart", multipart::check),
    ("operation_order", operation_order::check),
    ("operation_request", operation_request::check),
    ("process_files", process_files::check),
    ("renewal_config", renewal_config::check),
    ("request_head", request_head::check),
    ("signed_answer", signed_answer::check),
    ("site_file", site_file::check),
    ("site_record", site_record::check),
    ("user_files", user_files::check),
    ("verify_body", verify_body::check),
];
