//! The web server's sites, managed and unmanaged, and their certificates.

pub mod apply;
pub mod certificate;
pub mod change_settings;
pub mod custom_directives;
pub mod default_server;
pub mod foreign_pools;
pub mod hook;
pub mod hotlinks;
pub mod logs;
pub mod missing;
pub mod names;
pub mod own_names;
pub mod php_values;
pub mod pools;
pub mod protected_directories;
pub mod published_sites;
pub mod quoting;
pub mod redirects;
pub mod site;
mod site_body;
pub mod site_file;
pub mod site_settings;
pub mod site_view;
pub mod unmanaged_sites;
