//! The part of the configuration that the API answers by.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use ring::hmac;

use opterius_host::helper::client::HelperMode;
use opterius_host::host::Host;
use opterius_license::reason::Guide;

/// The part of the configuration that the API answers by; SIGHUP replaces it.
pub struct ApiConfig {
    /// The secret that the Panel signs with.
    pub secret: hmac::Key,
    /// How far a timestamp may be from our clock.
    pub signature_window: Duration,
    /// Names besides `localhost` and IP addresses that we are called by.
    pub allowed_hosts: Vec<String>,
    /// The largest body of the routes that take large ones, in bytes.
    pub max_body: usize,
    /// The host that operations work on.
    pub host: Host,
    /// How operations gain the rights that they need.
    pub operations: HelperMode,
    /// What this Agent's operator is told to do.
    pub guide: Guide,
}

/// Settings that can be replaced while requests are answered.
pub type SharedConfig = Arc<RwLock<Arc<ApiConfig>>>;
