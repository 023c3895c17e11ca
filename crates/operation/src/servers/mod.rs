//! Servers that load our configuration files. Each configuration is tested before the server reloads.

mod confined;
pub mod database_server;
pub mod mariadb;
pub mod nginx;
pub mod php;
pub mod postgresql;
pub mod powerdns;
pub mod sshd;

/// Largest body of a request to a site, in MiB: nginx's limit, and PHP's for uploads and posts.
pub const MAX_BODY_MIB: u32 = 64;

/// Time limit of a request to a script, in seconds. PHP ends it, and names the script in its log.
pub const MAX_SCRIPT_TIME: u32 = 300;
