//! `agent.conf`: `key=value` lines, parsed into typed values once. This module has the keys and values; [`parsing`] parses
//! the text, [`file`](mod@file) reads the file.
//!
//! To add a key, change three files (the compiler or a test reports what is missing):
//! 1. here: its name in [`ConfigKey::KEYS`], its field in [`Config`] (or in the settings of the component that uses it),
//!    and the line in [`Config::read`] that reads it, with default and bounds. A key that takes effect only after a
//!    restart also needs an entry in `AT_START`; a new kind of value needs a function in [`values`];
//! 2. dist/agent.conf, the example that explains every key;
//! 3. dist/man/agent.conf.5, the manual page, with the same text.

mod certificate_file;
pub mod file;
pub mod parsing;
pub mod values;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::hmac;

use crate::api;
use crate::license::client::LicenseConfig;
use crate::license::client::proxy::ProxyVariables;
use opterius_base::secret::Secret;
use opterius_daemon::config_file::{Entries, Error, Key};
use opterius_daemon::log::LogTarget;
use opterius_host::config::{self as host, HostKey};
use opterius_host::helper::client::HelperMode;
use opterius_host::host::{Acme, Host};
use opterius_license::license_key;
use opterius_license::reason::Guide;

/// The secret in the shipped example. It is well-formed, but publicly known.
pub const EXAMPLE_SECRET: &str = "replace-this-with-the-output-of-openssl-rand-hex-32";
/// The error for [`EXAMPLE_SECRET`].
pub const EXAMPLE_WARNING: &str = "the secret is the publicly known one from the shipped example; the Agent does not start \
                                   with it. Generate one with: openssl rand -hex 32";

/// Where the Agent listens unless agent.conf says otherwise.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7443);

/// A key that the Agent reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKey {
    /// A key for the Agent only, by name.
    Own(&'static str),
    /// A key that the helper reads as well.
    Host(HostKey),
}

impl From<HostKey> for ConfigKey {
    fn from(key: HostKey) -> Self {
        Self::Host(key)
    }
}

const fn own(spelling: &'static str) -> (&'static str, ConfigKey) {
    (spelling, ConfigKey::Own(spelling))
}

impl Key for ConfigKey {
    const SUBJECT: &'static str = "the Agent";
    const VITAL: &'static [&'static str] = &["license_key", "secret", "secret_key"];
    /// In the order of the shipped example.
    const KEYS: &'static [(&'static str, Self)] = &[
        own("secret"),
        ("secret_key", Self::Own("secret")),
        own("license_key"),
        own("listen_addr"),
        own("port"),
        own("allowed_hosts"),
        own("license_server"),
        own("license_ca_file"),
        own("license_public_key"),
        own("proxy"),
        own("server_ip"),
        own("ip_discovery_url"),
        own("license_cache"),
        own("signature_window_seconds"),
        own("request_threads"),
        own("max_connections"),
        own("max_body_bytes"),
        own("log"),
        ("host_root", Self::Host(HostKey::Root)),
        own("operations"),
        ("acme_server", Self::Host(HostKey::AcmeServer)),
        ("acme_ca_file", Self::Host(HostKey::AcmeAuthority)),
    ];
}

/// The complete configuration.
pub struct Config {
    /// The secret that the Panel signs requests with.
    pub secret: Secret,
    /// The settings of the license client and verifier.
    pub license: LicenseConfig,
    /// The address to listen on.
    pub listen_addr: IpAddr,
    /// The port to listen on; with 0 the kernel chooses one, and the log shows it.
    pub port: u16,
    /// Host names that clients can use in addition to `localhost` and IP addresses.
    pub allowed_hosts: Vec<String>,
    /// The largest accepted difference between a request's timestamp and this server's clock.
    pub signature_window: Duration,
    /// Threads of the request pool, half of them for writes.
    pub request_threads: usize,
    /// The most concurrent client connections.
    pub max_connections: usize,
    /// The largest body, in bytes, on routes that accept large ones.
    pub max_body: usize,
    /// Where log lines go.
    pub log: LogTarget,
    /// The root of the host that operations work on.
    pub host_root: PathBuf,
    /// How host operations obtain root privileges.
    pub operations: HelperMode,
    /// The ACME server that issues certificates.
    pub acme: Acme,
}

/// Whether a setting differs between a configuration and the running one.
type Differs = fn(&Config, &Config) -> bool;

/// The keys that take effect only after a restart.
const AT_START: [(&str, Differs); 5] = [
    ("listen_addr", |new, running| new.listen_addr != running.listen_addr),
    ("port", |new, running| new.port != running.port),
    ("request_threads", |new, running| new.request_threads != running.request_threads),
    ("max_connections", |new, running| new.max_connections != running.max_connections),
    ("log", |new, running| new.log != running.log),
];

impl Config {
    /// Reads every key. `built_in_keys` are public keys that a vendor built in; they exclude configured ones.
    ///
    /// # Errors
    /// One sentence with file, line, key and fix.
    pub fn read(entries: &Entries<'_, ConfigKey>, built_in_keys: Option<&str>) -> Result<Self, Error> {
        use ConfigKey::Own;
        let host_root = host::root(entries)?;
        let key = values::license_key(entries, Own("license_key"));
        let (authorities, ca_file) = values::authorities(entries, Own("license_ca_file"))?;
        let (key, key_fault) = key.map_or_else(|fault| (None, Some(fault)), |key| (key, None));
        Ok(Self {
            secret: values::secret(entries, Own("secret"))?,
            license: LicenseConfig {
                key,
                key_fault,
                servers: values::servers(entries, Own("license_server"))?,
                authorities,
                ca_file,
                trusted: values::trusted_keys(entries, Own("license_public_key"), built_in_keys)?,
                proxy: values::proxy(entries, Own("proxy"))?,
                server_ip: values::server_ip(entries, Own("server_ip"))?,
                ip_discovery_url: values::ip_discovery_url(entries, Own("ip_discovery_url"))?,
                cache: values::license_cache(entries, Own("license_cache"))?,
                host_root: host_root.clone(),
            },
            listen_addr: values::listen_addr(entries, Own("listen_addr"), DEFAULT_ADDRESS.ip())?,
            port: entries.integer(Own("port"), DEFAULT_ADDRESS.port(), 0, 65535)?,
            allowed_hosts: entries.host_names(Own("allowed_hosts"))?,
            signature_window: Duration::from_secs(entries.integer(Own("signature_window_seconds"), 300, 1, 3600)?),
            request_threads: entries.integer(Own("request_threads"), 4, 2, 64)?,
            max_connections: entries.integer(Own("max_connections"), 512, 16, 65536)?,
            max_body: entries.integer(Own("max_body_bytes"), 1024 * 1024, 65536, 2 * 1024 * 1024)?,
            log: entries.log_target(Own("log"))?,
            host_root,
            operations: values::operations(entries, Own("operations"))?,
            acme: values::acme(entries)?,
        })
    }

    /// The API's settings, if this configuration was read from `file`.
    pub fn api(&self, file: &Path) -> api::config::ApiConfig {
        api::config::ApiConfig {
            secret: hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose().as_bytes()),
            signature_window: self.signature_window,
            allowed_hosts: self.allowed_hosts.clone(),
            max_body: self.max_body,
            host: self.host(file),
            operations: self.operations,
            guide: self.guide(file),
        }
    }

    /// The host that operations work on, if this configuration was read from `file`.
    pub fn host(&self, file: &Path) -> Host {
        Host::new(self.host_root.clone(), self.acme.clone(), file.to_owned())
    }

    /// The help texts for operators, if this configuration was read from `file`.
    pub fn guide(&self, file: &Path) -> Guide {
        let Config { license: config, .. } = self;
        let server = config.servers.first();
        let proxy = ProxyVariables::own().choose(config.proxy.as_ref(), server).ok().flatten();
        Guide {
            server: server.base().to_owned(),
            file: file.display().to_string(),
            port: proxy.as_ref().map_or(server.port(), |proxy| proxy.port),
            proxy: proxy.map(|proxy| proxy.host),
            key_doubt: config.key.as_ref().and_then(|key| license_key::doubt(key.expose())),
        }
    }

    /// The keys that differ from `running` and take effect only after a restart.
    pub fn needs_restart(&self, running: &Self) -> Vec<&'static str> {
        AT_START.iter().filter_map(|(key, differs)| differs(self, running).then_some(*key)).collect()
    }
}

/// A valid configuration and its warnings.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings, one sentence each.
    pub warnings: Vec<String>,
}
