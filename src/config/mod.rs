//! `agent.conf`: `key=value` lines, read into typed values once, at the edge. This is what it holds; [`parsing`] reads its
//! text, [`file`](mod@file) the file.

pub mod file;
pub mod keys;
pub mod parsing;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::hmac;

use crate::api;
use crate::license::client::Settings;
use opterius_base::secret::Secret;
use opterius_daemon::log::LogTarget;
use opterius_host::helper::client::Means;
use opterius_host::host::{Acme, Host};
use opterius_license::reason::Guide;

/// The secret of the shipped example. The file is right in form, but what everybody knows is no secret.
pub const EXAMPLE_SECRET: &str = "replace-this-with-the-output-of-openssl-rand-hex-32";
/// What is said about it.
pub const EXAMPLE_WARNING: &str = "the secret is the one of the shipped example, which everybody knows; the Agent does not \
                               start with it. Make one with: openssl rand -hex 32";

/// The whole configuration.
pub struct Configuration {
    /// What the Panel signs with.
    pub secret: Secret,
    /// What the license part needs.
    pub license: Settings,
    /// The address to listen on.
    pub listen_addr: IpAddr,
    /// The port to listen on; 0 lets the kernel choose, and the log tells.
    pub port: u16,
    /// Names besides `localhost` and IP addresses that the Agent is called by.
    pub allowed_hosts: Vec<String>,
    /// How far a timestamp may be from our clock.
    pub signature_window: Duration,
    /// Threads of the request pool, half of them for writes.
    pub request_threads: usize,
    /// Client connections at one time.
    pub max_connections: usize,
    /// The largest body, in bytes, on routes that take large ones.
    pub max_body: usize,
    /// Where log lines go.
    pub log: LogTarget,
    /// The root of the host that operations work on.
    pub host_root: PathBuf,
    /// How operations gain the rights that they need.
    pub operations: Means,
    /// Who issues certificates.
    pub acme: Acme,
}

impl Configuration {
    /// What the API answers by, when this was read from `file`.
    pub fn api(&self, file: &Path) -> api::settings::Settings {
        api::settings::Settings {
            secret: hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose().as_bytes()),
            signature_window: self.signature_window,
            allowed_hosts: self.allowed_hosts.clone(),
            max_body: self.max_body,
            host: self.host(file),
            operations: self.operations,
            guide: self.guide(file),
        }
    }

    /// The host that operations work on, when this was read from `file`.
    pub fn host(&self, file: &Path) -> Host {
        Host::new(self.host_root.clone(), self.acme.clone(), file.to_owned())
    }

    /// What an operator is told to do, when this was read from `file`.
    pub fn guide(&self, file: &Path) -> Guide {
        Guide::new(self.license.server.base(), &file.display().to_string())
    }

    /// The settings that take effect at the next start only, and differ from `running`.
    pub fn needs_restart(&self, running: &Self) -> Vec<&'static str> {
        let differs = [
            ("listen_addr", self.listen_addr != running.listen_addr),
            ("port", self.port != running.port),
            ("request_threads", self.request_threads != running.request_threads),
            ("max_connections", self.max_connections != running.max_connections),
            ("log", self.log != running.log),
        ];
        differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

/// A configuration and what is odd about it.
pub struct Loaded {
    /// The configuration.
    pub configuration: Configuration,
    /// Sentences about what was tolerated.
    pub warnings: Vec<String>,
}
