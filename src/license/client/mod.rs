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
use self::route::{Means, Opened};
pub use self::url::{ServerUrl, is_of_one_host};
use opterius_base::deadline::Deadline;
use opterius_base::secret::Secret;
use opterius_license::address;
use opterius_license::inquiry::Inquiry;
use opterius_license::outcome::{Answer, Failure, FailureClass};
use opterius_license::signature;

/// The limit for a whole verification: name resolution, connection, TLS, request and answer.
const TIMEOUT: Duration = Duration::from_secs(10);
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
    /// The license server.
    pub server: ServerUrl,
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

/// The license server, or a test double.
pub trait LicenseServer: Send {
    /// Sends the inquiry and returns the unparsed answer.
    ///
    /// # Errors
    /// Why no answer arrived.
    fn ask(&mut self, config: &LicenseConfig, inquiry: &Inquiry<'_>) -> Result<Answer, Failure>;

    /// Discovers the public address of this host.
    fn discover(&mut self, config: &LicenseConfig) -> Option<IpAddr>;
}

/// The license server over the network.
pub struct Network {
    variables: ProxyVariables,
}

impl Network {
    /// The network as seen with these variables of the environment.
    pub fn new(variables: ProxyVariables) -> Self {
        Self { variables }
    }

    /// Opens a connection to the license server and sends no request.
    ///
    /// # Errors
    /// The step that failed.
    pub fn open(&self, config: &LicenseConfig, trace: &mut Trace) -> Result<Opened, Fault> {
        self.reach(config, &config.server, TIMEOUT, trace)
    }

    fn reach(
        &self,
        config: &LicenseConfig,
        target: &ServerUrl,
        limit: Duration,
        trace: &mut Trace,
    ) -> Result<Opened, Fault> {
        let means =
            Means { proxy: config.proxy.as_ref(), variables: &self.variables, authorities: &config.authorities };
        route::open(&means, target, Deadline::within(limit), trace)
    }
}

impl LicenseServer for Network {
    fn ask(&mut self, config: &LicenseConfig, inquiry: &Inquiry<'_>) -> Result<Answer, Failure> {
        let body = serde_json::to_vec(inquiry)
            .map_err(|_| Failure::new(FailureClass::Network, "the request cannot be written as JSON"))?;
        let opened = self.open(config, &mut Trace::default())?;
        Ok(answer::ask(&config.server, opened, &body, TIMEOUT)?)
    }

    fn discover(&mut self, config: &LicenseConfig) -> Option<IpAddr> {
        let url = config.ip_discovery_url.as_deref().filter(|_| !config.server.is_loopback())?;
        let target = ServerUrl::parse(url).ok()?;
        let opened = self.reach(config, &target, DISCOVERY_TIMEOUT, &mut Trace::default()).ok()?;
        let mut response = http::over(opened.stream).0.get(url).call().ok()?;
        if response.status().as_u16() != 200 {
            return None;
        }
        let text = response.body_mut().with_config().limit(MAX_ADDRESS).read_to_string().ok()?;
        text.trim().parse().ok().filter(|address| address::is_public(*address))
    }
}
