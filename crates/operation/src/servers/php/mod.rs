//! PHP: on a host with systemd, every account has an FPM master of its own for each PHP version, which runs as the account's
//! user and which systemd starts for the first request and ends when it is idle. Elsewhere, each site has a pool in the
//! shared master of its version.
//!
//! * [`masters`] — the accounts' own masters, over [`units`] (systemd's part), [`settings`] (FPM's part) and [`fastcgi`]
//! * [`extensions`] — what a version loads
//! * [`idle`] — ends idle masters
//! * [`shared`] — the shared masters, over [`pool_file`], which reads pool files of others

pub mod extensions;
pub mod fastcgi;
pub mod idle;
pub mod masters;
pub mod pool_file;
pub mod settings;
pub mod shared;
pub mod units;
pub mod versions;

use std::path::PathBuf;

use opterius_host::host::Host;
use opterius_host::request::values::{Domain, PhpVersion, Username};

/// Whether accounts have masters of their own on this host: systemd holds their sockets.
pub fn has_own_masters(host: &Host) -> bool {
    host.has_systemd()
}

/// The socket to which nginx passes a site's requests for PHP.
pub fn socket(host: &Host, username: &Username, version: &PhpVersion, domain: &Domain) -> PathBuf {
    if has_own_masters(host) {
        masters::socket(host, username.as_str(), version)
    } else {
        shared::socket(host, version, domain)
    }
}
