//! The API's part of the configuration.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use ring::hmac;

use opterius_host::helper::client::HelperMode;
use opterius_host::host::Host;
use opterius_license::reason::Guide;

/// The API's part of the configuration; SIGHUP replaces it.
pub struct ApiConfig {
    /// The secret that the Panel signs with.
    pub secret: hmac::Key,
    /// The largest accepted difference between a request's timestamp and this server's clock.
    pub signature_window: Duration,
    /// Host names that clients can use in addition to `localhost` and IP addresses.
    pub allowed_hosts: Vec<String>,
    /// The largest body on routes that accept large ones, in bytes.
    pub max_body: usize,
    /// The host that operations work on.
    pub host: Host,
    /// How host operations obtain root privileges.
    pub operations: HelperMode,
    /// Help texts for the operator.
    pub guide: Guide,
}

/// Settings that can be replaced while the API serves requests.
pub type SharedConfig = Arc<RwLock<Arc<ApiConfig>>>;
