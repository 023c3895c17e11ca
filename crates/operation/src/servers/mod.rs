//! Servers that load our configuration files. Each configuration is tested before the server reloads.

pub mod nginx;
pub mod php;
