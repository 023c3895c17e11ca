//! The client of the license server: one HTTPS request, bounded in time and size, without redirects.
//!
//! [`route`] opens the connection in steps that doctor repeats: [`proxy`], [`resolve`], [`connect`], [`tunnel`], [`tls`].
//! [`answer`] sends the request over it ([`http`] frames it). Each step has a table of its failures, as [`fault`]s.

pub mod answer;
pub mod connect;
pub mod fault;
pub mod http;
mod no_proxy;
pub mod proxy;
pub mod resolve;
pub mod route;
mod server_list;
pub mod tls;
pub mod tls_fault;
pub mod tunnel;
mod url;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use self::connect::Trace;
use self::fault::Fault;
use self::proxy::{Proxy, ProxyVariables};
use self::resolve::EarlyLookups;
use self::route::{Means, Opened};
pub use self::server_list::{MAX_SERVERS, ServerList};
pub use self::url::{ServerUrl, is_of_one_host};
use opterius_base::deadline::Deadline;
use opterius_base::secret::Secret;
use opterius_license::address;
use opterius_license::inquiry::Inquiry;
use opterius_license::outcome::{Answer, Failure, FailureClass};
use opterius_license::signature;

/// The limit for a whole verification: name resolution, connection, TLS, request and answer, of all license servers together.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// The same for discovering the public address.
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest response accepted from the discovery service, in bytes.
const MAX_ADDRESS: u64 = 64;

/// The configuration of the license client and verifier.
#[derive(Clone)]
pub struct LicenseConfig {
    /// The license key, in its canonical form.
    pub key: Option<Secret>,
    /// Why the text in place of the license key cannot be one, with its place in agent.conf; then there is no key.
    pub key_fault: Option<String>,
    /// The license servers.
    pub servers: ServerList,
    /// Root certificates trusted in addition to Mozilla's.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The file that they were read from.
    pub ca_file: Option<PathBuf>,
    /// The keys that can sign an answer; none means that no signature is required.
    pub trusted: signature::TrustedKeys,
    /// The proxy.
    pub proxy: Option<Proxy>,
    /// The public address to report; `None` means that the Agent discovers it.
    pub server_ip: Option<IpAddr>,
    /// The service that returns this host's public address.
    pub ip_discovery_url: Option<String>,
    /// The path of the cache file.
    pub cache: PathBuf,
    /// The root of the host whose accounts the license limits.
    pub host_root: PathBuf,
}

/// The license servers, or a test double.
pub trait LicenseServer: Send {
    /// Prepares for a check that may ask these servers after another one.
    fn prepare(&mut self, config: &LicenseConfig, others: &[&ServerUrl]) {
        let _ = (config, others);
    }

    /// Sends the inquiry to `server` and returns the unparsed answer, within `limit`.
    ///
    /// # Errors
    /// Why no answer arrived.
    fn ask(
        &mut self,
        config: &LicenseConfig,
        server: &ServerUrl,
        limit: Duration,
        inquiry: &Inquiry<'_>,
    ) -> Result<Answer, Failure>;

    /// Discovers the public address of this host.
    fn discover(&mut self, config: &LicenseConfig) -> Option<IpAddr>;
}

/// The license servers over the network.
pub struct Network {
    variables: ProxyVariables,
    early: EarlyLookups,
}

impl Network {
    /// The network as seen with these variables of the environment.
    pub fn new(variables: ProxyVariables) -> Self {
        Self { variables, early: EarlyLookups::default() }
    }

    /// Opens a connection to `target`, which ends after `limit`, and sends no request.
    ///
    /// # Errors
    /// The step that failed.
    pub fn open(
        &self,
        config: &LicenseConfig,
        target: &ServerUrl,
        limit: Duration,
        trace: &mut Trace,
    ) -> Result<Opened, Fault> {
        route::open(&self.means(config), target, Deadline::within(limit), trace)
    }

    fn means<'a>(&'a self, config: &'a LicenseConfig) -> Means<'a> {
        let LicenseConfig { proxy, authorities, .. } = config;
        Means { proxy: proxy.as_ref(), variables: &self.variables, authorities, early: &self.early }
    }
}

impl LicenseServer for Network {
    fn prepare(&mut self, config: &LicenseConfig, others: &[&ServerUrl]) {
        self.early.clear();
        for server in others {
            route::look_up(&self.means(config), server);
        }
    }

    fn ask(
        &mut self,
        config: &LicenseConfig,
        server: &ServerUrl,
        limit: Duration,
        inquiry: &Inquiry<'_>,
    ) -> Result<Answer, Failure> {
        let body = serde_json::to_vec(inquiry)
            .map_err(|_| Failure::new(FailureClass::Network, "the request cannot be written as JSON"))?;
        let opened = self.open(config, server, limit, &mut Trace::default())?;
        Ok(answer::ask(server, opened, &body, limit)?)
    }

    fn discover(&mut self, config: &LicenseConfig) -> Option<IpAddr> {
        let url = config.ip_discovery_url.as_deref().filter(|_| !config.servers.is_loopback())?;
        let target = ServerUrl::parse(url).ok()?;
        let opened = self.open(config, &target, DISCOVERY_TIMEOUT, &mut Trace::default()).ok()?;
        let mut response = http::over(opened.stream).0.get(url).call().ok()?;
        if response.status().as_u16() != 200 {
            return None;
        }
        let text = response.body_mut().with_config().limit(MAX_ADDRESS).read_to_string().ok()?;
        text.trim().parse().ok().filter(|address| address::is_public(*address))
    }
}
