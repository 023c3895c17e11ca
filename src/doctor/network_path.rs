//! The way to the license server. Each step of it is taken once, by the first check that asks for it; what lies behind a
//! step that fails is not tried, for it would only fail again.

use std::cell::OnceCell;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};

use ring::rand::SystemRandom;

use crate::doctor::firewall::verdict::{self, FirewallVerdict};
use crate::doctor::system::System;
use crate::license::client::{self, Endpoint, LicenseConfig};
use crate::license::state::HostIdentity;
use opterius_base::secret::Secret;
use opterius_license::identity::{key_fingerprint, nonce};
use opterius_license::inquiry::Inquiry;
use opterius_license::outcome::{self, Failure, ParsedAnswer, Question};

/// The most addresses that are tried: each takes some seconds where packets vanish.
const TRIED: usize = 2;

/// The steps, none of them taken yet.
pub struct NetworkPath<'a> {
    system: &'a System<'a>,
    settings: &'a LicenseConfig,
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
    /// The one that it has towards the Internet.
    pub source: Option<IpAddr>,
    /// The one that it is seen as from there.
    pub seen: Option<IpAddr>,
}

/// A connection that was made.
#[derive(Debug)]
pub struct Connection {
    /// Where it led.
    pub address: SocketAddr,
    /// Whether each side trusts the other; none where TLS begins behind a proxy, whose answer tells of it, or not at all.
    pub tls: Option<io::Result<()>>,
}

/// A connection that was not made.
#[derive(Debug)]
pub struct ConnectError {
    /// Where it should have led.
    pub address: SocketAddr,
    /// What the operating system said.
    pub error: io::Error,
}

impl<'a> NetworkPath<'a> {
    /// The way from here to the license server of these settings.
    pub fn new(system: &'a System<'a>, settings: &'a LicenseConfig, identity: &'a HostIdentity) -> Self {
        Self {
            system,
            settings,
            identity,
            endpoint: client::first_endpoint(settings),
            addresses: OnceCell::new(),
            resolved: OnceCell::new(),
            firewall_verdict: OnceCell::new(),
            connection: OnceCell::new(),
            parsed_answer: OnceCell::new(),
        }
    }

    /// Where it leads.
    pub fn settings(&self) -> &'a LicenseConfig {
        self.settings
    }

    /// The addresses of this end.
    pub fn addresses(&self) -> Addresses {
        *self.addresses.get_or_init(|| {
            let (source, seen) = self.system.probe.addresses(self.settings);
            Addresses { source, seen }
        })
    }

    /// The license server or the proxy before it, or a sentence why the proxy cannot be used.
    pub fn endpoint(&self) -> &Result<Endpoint, String> {
        &self.endpoint
    }

    /// The addresses of the first hop.
    pub fn resolved(&self) -> Option<&io::Result<Vec<SocketAddr>>> {
        let resolve = |endpoint: &Endpoint| self.system.probe.resolve(&endpoint.host, endpoint.port);
        self.resolved.get_or_init(|| self.endpoint.as_ref().ok().map(resolve)).as_ref()
    }

    /// What the local firewall does with a connection to the first of them.
    pub fn firewall_verdict(&self) -> Option<&FirewallVerdict> {
        let first = || self.resolved()?.as_ref().ok()?.first();
        self.firewall_verdict.get_or_init(|| first().map(|address| verdict::evaluate(self.system, *address))).as_ref()
    }

    /// The connection to the first hop.
    pub fn connection(&self) -> Option<&Result<Connection, ConnectError>> {
        self.connection.get_or_init(|| self.connect(self.resolved()?.as_ref().ok()?)).as_ref()
    }

    /// None where there is no address to connect to.
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
        let begins_here = !self.settings.server.is_plain() && !is_proxy;
        begins_here.then(|| self.system.probe.handshake(self.settings, stream))
    }

    /// What is read from the license server's answer, or why there is none. Nobody asks without a license key.
    pub fn parsed_answer(&self) -> Option<&Result<ParsedAnswer, Failure>> {
        let read = || {
            let key = self.settings.key.as_ref()?;
            self.is_open().then(|| self.ask(key))
        };
        self.parsed_answer.get_or_init(read).as_ref()
    }

    fn is_open(&self) -> bool {
        let connection = self.connection().and_then(|connection| connection.as_ref().ok());
        connection.is_some_and(|connection| connection.tls.as_ref().is_none_or(Result::is_ok))
    }

    /// Asks as the daemon does, and keeps nothing of it.
    fn ask(&self, key: &Secret) -> Result<ParsedAnswer, Failure> {
        let identity = self.identity;
        let nonce = nonce(&SystemRandom::new()).unwrap_or_default();
        let inquiry = Inquiry {
            key: key.expose(),
            server_ip: self.settings.server_ip.or(self.addresses().seen),
            agent_version: env!("CARGO_PKG_VERSION"),
            os: &identity.os,
            hostname: &identity.hostname,
            server_id: &identity.server_id,
            nonce: &nonce,
        };
        let answer = self.system.probe.verify(self.settings, &inquiry)?;
        let question = Question {
            key,
            key_sha256: &key_fingerprint(key),
            server_id: &identity.server_id,
            nonce: Some(&nonce),
            trusted: &self.settings.trusted,
        };
        Ok(outcome::read(&answer, &question))
    }
}
