//! The network path to the license server. Each step runs once, for the first check that needs it; steps after a failed
//! one are skipped.

use std::cell::OnceCell;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};

use ring::rand::SystemRandom;

use crate::doctor::firewall::verdict::{self, FirewallVerdict};
use crate::doctor::system::System;
use crate::license::client::{self, Endpoint, LicenseConfig};
use crate::license::license_identity::LicenseIdentity;
use crate::license::state::HostIdentity;
use opterius_license::inquiry::Inquiry;
use opterius_license::outcome::{Failure, ParsedAnswer};

/// The most addresses tried: each takes seconds if a firewall drops the packets.
const TRIED: usize = 2;

/// The steps, evaluated lazily.
pub struct NetworkPath<'a> {
    system: &'a System<'a>,
    config: &'a LicenseConfig,
    identity: &'a HostIdentity,
    endpoint: Result<Endpoint, String>,
    addresses: OnceCell<Addresses>,
    resolved: OnceCell<Option<io::Result<Vec<SocketAddr>>>>,
    firewall_verdict: OnceCell<Option<FirewallVerdict>>,
    connection: OnceCell<Option<Result<Connection, ConnectError>>>,
    parsed_answer: OnceCell<Option<Result<ParsedAnswer, Failure>>>,
}

/// The addresses of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The source address toward the Internet.
    pub source: Option<IpAddr>,
    /// The public address, as seen from the Internet.
    pub seen: Option<IpAddr>,
}

/// An established connection.
#[derive(Debug)]
pub struct Connection {
    /// The remote address.
    pub address: SocketAddr,
    /// The result of the TLS handshake; `None` over plain HTTP, or behind a proxy, where the verification covers it.
    pub tls: Option<io::Result<()>>,
}

/// A failed connection.
#[derive(Debug)]
pub struct ConnectError {
    /// The remote address.
    pub address: SocketAddr,
    /// The operating system's error.
    pub error: io::Error,
}

impl<'a> NetworkPath<'a> {
    /// The path to the license server in `config`.
    pub fn new(system: &'a System<'a>, config: &'a LicenseConfig, identity: &'a HostIdentity) -> Self {
        Self {
            system,
            config,
            identity,
            endpoint: client::first_endpoint(config),
            addresses: OnceCell::new(),
            resolved: OnceCell::new(),
            firewall_verdict: OnceCell::new(),
            connection: OnceCell::new(),
            parsed_answer: OnceCell::new(),
        }
    }

    /// The license settings.
    pub fn config(&self) -> &'a LicenseConfig {
        self.config
    }

    /// The addresses of this server.
    pub fn addresses(&self) -> Addresses {
        *self.addresses.get_or_init(|| {
            let (source, seen) = self.system.probe.addresses(self.config);
            Addresses { source, seen }
        })
    }

    /// The license server or the proxy in front of it, or why the proxy cannot be used.
    pub fn endpoint(&self) -> &Result<Endpoint, String> {
        &self.endpoint
    }

    /// The addresses of the endpoint.
    pub fn resolved(&self) -> Option<&io::Result<Vec<SocketAddr>>> {
        let resolve = |endpoint: &Endpoint| self.system.probe.resolve(&endpoint.host, endpoint.port);
        self.resolved.get_or_init(|| self.endpoint.as_ref().ok().map(resolve)).as_ref()
    }

    /// The local firewall's verdict on a connection to the first address.
    pub fn firewall_verdict(&self) -> Option<&FirewallVerdict> {
        let first = || self.resolved()?.as_ref().ok()?.first();
        self.firewall_verdict.get_or_init(|| first().map(|address| verdict::evaluate(self.system, *address))).as_ref()
    }

    /// The connection to the endpoint.
    pub fn connection(&self) -> Option<&Result<Connection, ConnectError>> {
        self.connection.get_or_init(|| self.connect(self.resolved()?.as_ref().ok()?)).as_ref()
    }

    /// `None` without an address to connect to.
    fn connect(&self, addresses: &[SocketAddr]) -> Option<Result<Connection, ConnectError>> {
        let mut failed = None;
        for address in addresses.iter().copied().take(TRIED) {
            match self.system.probe.connect(address) {
                Ok(stream) => return Some(Ok(Connection { address, tls: self.handshake(stream) })),
                Err(error) => failed = Some(Err(ConnectError { address, error })),
            }
        }
        failed
    }

    fn handshake(&self, stream: TcpStream) -> Option<io::Result<()>> {
        let is_proxy = self.endpoint.as_ref().is_ok_and(|endpoint| endpoint.is_proxy);
        let begins_here = !self.config.server.is_plain() && !is_proxy;
        begins_here.then(|| self.system.probe.handshake(self.config, stream))
    }

    /// The license server's answer, or why there is none; `None` without a license key or a connection.
    pub fn parsed_answer(&self) -> Option<&Result<ParsedAnswer, Failure>> {
        let read = || {
            let identity = LicenseIdentity::configured(self.config, self.identity)?;
            self.is_open().then(|| self.ask(&identity))
        };
        self.parsed_answer.get_or_init(read).as_ref()
    }

    fn is_open(&self) -> bool {
        let connection = self.connection().and_then(|connection| connection.as_ref().ok());
        connection.is_some_and(|connection| connection.tls.as_ref().is_none_or(Result::is_ok))
    }

    /// Sends the same request as the daemon, and stores nothing.
    fn ask(&self, identity: &LicenseIdentity<'_>) -> Result<ParsedAnswer, Failure> {
        let server_ip = self.config.server_ip.or(self.addresses().seen);
        let send = |inquiry: &Inquiry<'_>| self.system.probe.verify(self.config, inquiry);
        identity.ask(server_ip, &SystemRandom::new(), self.system.clock.wall(), send).map(|(_, parsed)| parsed)
    }
}
