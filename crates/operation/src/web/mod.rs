//! The web server's sites, managed and unmanaged, and their certificates.

pub mod apply;
pub mod certificate;
pub mod default_server;
pub mod foreign_pools;
pub mod hook;
pub mod logs;
pub mod missing;
pub mod names;
pub mod own_names;
pub mod pools;
pub mod published_sites;
pub mod site;
pub mod site_file;
pub mod unmanaged_sites;
