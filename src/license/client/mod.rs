//! The client of the license server: one HTTPS request, bounded in time and size, without redirects.

mod url;

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use ureq::Agent;
use ureq::config::{Config, IpFamily};
use ureq::http::{HeaderMap, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

pub use self::url::ServerUrl;
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;
use opterius_http::response::parse_date;
use opterius_license::address::{self, Family};
use opterius_license::inquiry::Inquiry;
use opterius_license::outcome::{Answer, Failure, FailureClass, MAX_BODY};
use opterius_license::signature;

/// The limit for a whole verification: name resolution, connection, TLS, request and answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The same for discovering the public address.
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(3);
/// The most addresses tried per name; ureq has room for 16.
const MAX_ADDRESSES: usize = 8;
/// The longest response accepted from the discovery service, in bytes.
const MAX_ADDRESS: u64 = 64;

/// The configuration of the license client and verifier.
#[derive(Clone)]
pub struct LicenseConfig {
    /// The license key.
    pub key: Option<Secret>,
    /// The license server.
    pub server: ServerUrl,
    /// Root certificates trusted in addition to Mozilla's.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The keys that can sign an answer; none means that no signature is required.
    pub trusted: signature::TrustedKeys,
    /// The URL of the proxy.
    pub proxy: Option<String>,
    /// The public address to report; `None` means that the Agent discovers it.
    pub server_ip: Option<IpAddr>,
    /// The service that returns this host's public address.
    pub ip_discovery_url: Option<String>,
    /// The path of the cache file.
    pub cache: PathBuf,
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
#[derive(Clone, Copy, Debug, Default)]
pub struct Network;

impl LicenseServer for Network {
    fn ask(&mut self, config: &LicenseConfig, inquiry: &Inquiry<'_>) -> Result<Answer, Failure> {
        let body = serde_json::to_vec(inquiry).map_err(|error| network(error.to_string()))?;
        let agent = agent(config, &config.server, TIMEOUT).map_err(network)?;
        let explain = |error| explain(error, config.server.host());
        let mut response = agent
            .post(config.server.verification())
            .header("Content-Type", "application/json")
            .send(&body[..])
            .map_err(explain)?;
        let limit = u64::try_from(MAX_BODY).unwrap_or(u64::MAX).saturating_add(1);
        let body = response.body_mut().with_config().limit(limit).read_to_vec();
        let body = match body {
            // One byte more than an answer can have: `outcome::read` reports it.
            Err(ureq::Error::BodyExceedsLimit(_)) => vec![b' '; MAX_BODY.saturating_add(1)],
            body => body.map_err(explain)?,
        };
        Ok(answer(response.status().as_u16(), response.headers(), body))
    }

    fn discover(&mut self, config: &LicenseConfig) -> Option<IpAddr> {
        let url = config.ip_discovery_url.as_deref().filter(|_| !config.server.is_loopback())?;
        let target = ServerUrl::parse(url).ok()?;
        let agent = agent(config, &target, DISCOVERY_TIMEOUT).ok()?;
        let mut response = agent.get(url).call().ok()?;
        if response.status().as_u16() != 200 {
            return None;
        }
        let text = response.body_mut().with_config().limit(MAX_ADDRESS).read_to_string().ok()?;
        text.trim().parse().ok().filter(|address| address::is_public(*address))
    }
}

/// An HTTP client for one request to `target`. Checks are hours apart, so a pooled client would only hold memory.
fn agent(config: &LicenseConfig, target: &ServerUrl, timeout: Duration) -> Result<Agent, String> {
    let roots: Vec<Certificate<'static>> = roots(config).map(|root| Certificate::from_der(root).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .build();
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .timeout_global(Some(timeout))
        .ip_family(ip_family(target.host()))
        .proxy(proxy(config, target)?)
        .user_agent(concat!("opterius-agent/", env!("CARGO_PKG_VERSION")))
        .accept("application/json")
        .tls_config(tls)
        .build();
    Ok(Agent::with_parts(config, DefaultConnector::default(), ThreadedResolver))
}

/// The trusted root certificates.
fn roots(config: &LicenseConfig) -> impl Iterator<Item = &CertificateDer<'static>> {
    TLS_SERVER_ROOT_CERTS.iter().chain(&config.authorities)
}

/// Performs a TLS handshake with the license server on this connection and sends nothing else.
///
/// # Errors
/// Why the handshake failed; it wraps a [`rustls::Error`] if the server is at fault.
pub fn handshake(config: &LicenseConfig, mut stream: TcpStream) -> io::Result<()> {
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(roots(config).cloned());
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let name = ServerName::try_from(config.server.host().to_owned()).map_err(io::Error::other)?;
    let mut connection = ClientConnection::new(Arc::new(tls), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(())
}

/// The endpoint to connect to: the license server, or the proxy in front of it.
///
/// # Errors
/// Why the configured proxy cannot be used.
pub fn first_endpoint(config: &LicenseConfig) -> Result<Endpoint, String> {
    let proxy = proxy(config, &config.server)?;
    Ok(match proxy.filter(|proxy| config.server.verification().parse().is_ok_and(|uri| !proxy.is_no_proxy(&uri))) {
        Some(proxy) => Endpoint { host: proxy.host().to_owned(), port: proxy.port(), is_proxy: true },
        None => Endpoint { host: config.server.host().to_owned(), port: config.server.port(), is_proxy: false },
    })
}

/// The remote end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The host name or address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Whether it is a proxy in front of the license server.
    pub is_proxy: bool,
}

/// Resolves names on a thread of its own, to bound the time. ureq's resolver does the same but panics if it cannot start a
/// thread, and a shortage of threads must not end the Agent.
#[derive(Debug)]
struct ThreadedResolver;

impl Resolver for ThreadedResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let parts = uri.scheme().zip(uri.authority());
        let name = parts.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let name = name.ok_or(ureq::Error::HostNotFound)?;
        let found = match resolve(&name, config.ip_family(), *timeout.after) {
            Err(error) if error.kind() == ErrorKind::TimedOut => Err(ureq::Error::Timeout(timeout.reason)),
            found => Ok(found?),
        }?;
        let mut addresses = self.empty();
        found.into_iter().for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// The addresses of a name with a port, such as `opterius.com:443`; empty if it has none of this family.
///
/// # Errors
/// The resolver's error, or [`ErrorKind::TimedOut`] after `limit`.
pub fn resolve(name: &str, family: IpFamily, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    let (sender, receiver) = bounded(1);
    let name = name.to_owned();
    let lookup = move || {
        // After the timeout the receiver is gone.
        let _ = sender.send(name.to_socket_addrs());
    };
    thread::Builder::new().name("resolver".to_owned()).spawn(lookup)?;
    let found = receiver.recv_timeout(limit).map_err(|_| io::Error::from(ErrorKind::TimedOut))??;
    let wanted = |address: &SocketAddr| match family {
        IpFamily::Any => true,
        IpFamily::Ipv4Only => address.is_ipv4(),
        IpFamily::Ipv6Only => address.is_ipv6(),
    };
    Ok(found.filter(wanted).take(MAX_ADDRESSES).collect())
}

/// A host as written before a port: an IPv6 address gets brackets.
pub fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// IPv4 if it has a default route (`address` explains why); any family for `localhost` and literal addresses.
pub fn ip_family(host: &str) -> IpFamily {
    if host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok() {
        return IpFamily::Any;
    }
    match default_route() {
        Family::V4 => IpFamily::Ipv4Only,
        Family::V6 => IpFamily::Ipv6Only,
        Family::Unrouted => IpFamily::Any,
    }
}

/// The family of this host's default route.
pub fn default_route() -> Family {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    address::family(&read("/proc/net/route"), &read("/proc/net/ipv6_route"))
}

/// The configured proxy, or the environment's, except for a license server on this machine. Plain HTTP never uses a proxy.
fn proxy(config: &LicenseConfig, target: &ServerUrl) -> Result<Option<ureq::Proxy>, String> {
    match &config.proxy {
        _ if target.is_plain() => Ok(None),
        Some(url) => ureq::Proxy::new(url).map(Some).map_err(|error| format!("the proxy cannot be used: {error}")),
        None if target.is_loopback() => Ok(None),
        None => Ok(ureq::Proxy::try_from_env()),
    }
}

fn answer(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Answer {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let date = text("date").and_then(parse_date);
    let retry_after = text("retry-after").and_then(|value| retry_after(value, date));
    let signatures = headers.get_all(signature::HEADER).iter().filter_map(|value| value.to_str().ok());
    let kept = |name: &str| text(name).map(str::to_owned);
    Answer {
        status,
        date,
        retry_after,
        signature: signatures.collect::<Vec<_>>().join(", "),
        location: kept("location"),
        content_type: kept("content-type"),
        body,
    }
}

/// RFC 9110 §10.2.3: seconds, or a date, which is compared with the answer's own `Date`.
fn retry_after(value: &str, date: Option<Timestamp>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(parse_date(value)?.since(date?))
}

fn network(cause: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Network, cause)
}

/// `openssl req -x509` creates a CA certificate, which a server cannot use as its own (RFC 5280 §4.2.1.9).
fn tls_failure(host: &str, error: &str) -> String {
    if error.contains("CaUsedAsEndEntity") {
        format!(
            "TLS with {host} failed: its certificate is a CA certificate. Use it to sign a certificate for the server"
        )
    } else {
        format!("TLS with {host} failed: {error}")
    }
}

/// The cause, in terms that tell an operator where to look.
fn explain(error: ureq::Error, host: &str) -> Failure {
    use ureq::Timeout;
    match error {
        ureq::Error::HostNotFound => network(format!("{host} has no address in the address family in use")),
        ureq::Error::Timeout(Timeout::Resolve) => network(format!("resolving {host} timed out")),
        ureq::Error::Timeout(_) => network(format!("{host} did not answer within {} s", TIMEOUT.as_secs())),
        ureq::Error::Rustls(error) => network(tls_failure(host, &error.to_string())),
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            network(tls_failure(host, &error.to_string()))
        }
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            network(format!("{host} closed the connection without answering"))
        }
        ureq::Error::Io(error) => network(format!("{host}: {error}")),
        ureq::Error::Protocol(error) => {
            Failure::new(FailureClass::Malformed, format!("{host} sent a response that is not HTTP: {error}"))
        }
        error => network(format!("{host}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = parse_date("Sun, 01 Mar 2026 00:00:00 GMT");
        assert_eq!(retry_after("120", None), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 01 Mar 2026 00:02:00 GMT", date), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sat, 28 Feb 2026 00:00:00 GMT", date), Some(Duration::ZERO));
        for (value, date) in [("Sun, 01 Mar 2026 00:02:00 GMT", None), ("-1", date), ("soon", date), ("1e3", date)] {
            assert_eq!(retry_after(value, date), None, "{value}");
        }
    }
}
