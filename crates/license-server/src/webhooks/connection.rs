//! The connection to a receiver: its addresses, each checked, TCP to one of them, and TLS.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use webpki_roots::TLS_SERVER_ROOTS;

use super::receiver_address::Receivers;
use super::target::{Target, refusal};
use opterius_base::deadline::Deadline;
use opterius_base::stream::{Stream, Timed};
use opterius_base::text::cause;

/// The most addresses that are tried.
const MAX_ADDRESSES: usize = 4;

/// The least time for one address.
const LEAST: Duration = Duration::from_secs(1);

/// Opens connections to receivers.
#[derive(Clone)]
pub struct Connector {
    receivers: Receivers,
    tls: Arc<ClientConfig>,
    /// The names that the C library is still asking for: it has no time limit, so each is asked for once at a time.
    lookups: Arc<Mutex<HashSet<String>>>,
}

impl Connector {
    /// Trusts Mozilla's authorities and these, and connects to these receivers only.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(receivers: Receivers, authorities: &[CertificateDer<'static>]) -> Result<Self, String> {
        let mut trusted = RootCertStore::from_iter(TLS_SERVER_ROOTS.iter().cloned());
        trusted.add_parsable_certificates(authorities.iter().cloned());
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Ok(Self { receivers, tls: Arc::new(tls), lookups: Arc::default() })
    }

    /// The receivers that it connects to.
    pub fn receivers(&self) -> Receivers {
        self.receivers
    }

    /// Connects to `target` by the deadline, which bounds everything on the connection as well.
    ///
    /// # Errors
    /// Why there is no connection, in words.
    pub fn open(&self, target: &Target, deadline: Deadline) -> Result<Box<dyn Stream>, String> {
        let found = self.look_up(&target.host, deadline)?;
        // The connection goes to an address that was checked, never to a name that is resolved again.
        let (allowed, others): (Vec<IpAddr>, Vec<IpAddr>) =
            found.into_iter().partition(|address| self.receivers.include(*address));
        if let (true, Some(address)) = (allowed.is_empty(), others.first()) {
            return Err(format!("{} is not delivered to: {}", target.host, refusal(&address.to_string())));
        }
        let tcp = connect(&allowed, target.port, deadline)?;
        let stream = Timed::new(tcp, deadline);
        if target.is_plain { Ok(Box::new(stream)) } else { self.secure(target, stream) }
    }

    fn secure(&self, target: &Target, stream: Timed) -> Result<Box<dyn Stream>, String> {
        let name = target.host.trim_end_matches('.').to_owned();
        let handshake = || {
            let name = ServerName::try_from(name).map_err(io::Error::other)?;
            let connection = ClientConnection::new(Arc::clone(&self.tls), name).map_err(io::Error::other)?;
            let mut secured = StreamOwned::new(connection, stream);
            while secured.conn.is_handshaking() {
                secured.conn.complete_io(&mut secured.sock)?;
            }
            Ok(secured)
        };
        match handshake() {
            Ok(secured) => Ok(Box::new(secured)),
            Err(error) => Err(format!("TLS with {}: {}", target.host, words(&error))),
        }
    }

    /// The addresses of a host, on a thread of its own, which may outlive the deadline.
    fn look_up(&self, host: &str, deadline: Deadline) -> Result<Vec<IpAddr>, String> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let silent = || format!("resolving {host}: the resolver does not answer");
        if !self.lookups().insert(host.to_owned()) {
            return Err(silent());
        }
        let (sender, receiver) = bounded(1);
        let (connector, name) = (self.clone(), host.to_owned());
        let lookup = move || {
            let found = (name.as_str(), 0).to_socket_addrs();
            connector.lookups().remove(&name);
            // After the deadline the receiver is gone.
            let _ = sender.send(found.map(|found| found.map(|found| found.ip()).collect::<Vec<IpAddr>>()));
        };
        if let Err(error) = thread::Builder::new().name("resolver".to_owned()).spawn(lookup) {
            self.lookups().remove(host);
            return Err(format!("resolving {host}: {}", cause(&error)));
        }
        let found = receiver.recv_timeout(deadline.left()).map_err(|_| silent())?;
        match found {
            Ok(found) if found.is_empty() => Err(format!("resolving {host}: the name has no address")),
            Ok(found) => Ok(found),
            Err(error) => Err(format!("resolving {host}: {}", cause(&error))),
        }
    }

    fn lookups(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries the addresses in turn, each with its share of the time.
fn connect(addresses: &[IpAddr], port: u16, deadline: Deadline) -> Result<TcpStream, String> {
    let count = addresses.len().min(MAX_ADDRESSES);
    let mut failure = "there is no address to connect to".to_owned();
    for (index, address) in addresses.iter().take(count).enumerate() {
        let rest = u32::try_from(count.saturating_sub(index)).unwrap_or(1);
        let time = (deadline.left() / rest).max(LEAST).min(deadline.left());
        if time.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(&SocketAddr::new(*address, port), time) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = format!("connecting to {address} port {port}: {}", words(&error)),
        }
    }
    Err(failure)
}

/// An error in words; what happens by the deadline is no answer.
pub(super) fn words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "no answer in time".to_owned(),
        ErrorKind::UnexpectedEof => "the receiver closed the connection".to_owned(),
        _ => cause(error),
    }
}
