//! TCP to a name: its addresses in turn, each with its share of the time, and the other family where the first does not lead
//! there.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::license::client::fault::{Fault, Step, seconds, words};
use crate::license::client::resolve::{self, EarlyLookups, Lookups, Unresolved};
use opterius_base::deadline::Deadline;
use opterius_license::address::{self, Family};

/// The time for all addresses of the first family, while the other one can still help.
const SHARE: Duration = Duration::from_secs(4);
/// How many addresses may stay silent beyond that time.
const MAX_SILENT: usize = 4;
/// The least time for one address.
const LEAST: Duration = Duration::from_secs(1);

/// The host to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The host name or address; an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Whether it is a proxy in front of the license server.
    pub is_proxy: bool,
    /// Where it is named, for a remedy: `license_server in agent.conf`.
    pub setting: String,
}

/// What became of a connection.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The endpoint; `None` if it is not known.
    pub endpoint: Option<Endpoint>,
    /// The addresses of the endpoint, in the order in which they count.
    pub addresses: Vec<SocketAddr>,
    /// The address of the last attempt.
    pub tried: Option<SocketAddr>,
}

/// Why one family does not lead to the endpoint.
enum Hindrance {
    /// No address.
    Unresolved(Unresolved),
    /// No address that a connection could be tried to.
    Skipped(Fault),
    /// No address accepted the connection.
    Failed {
        fault: Fault,
        /// The addresses, if some of them did not answer in time.
        silent: Vec<IpAddr>,
    },
}

/// Connects to `endpoint` by the deadline. A lookup of its name may be under way.
///
/// # Errors
/// Why no address accepted a connection, or why there is none.
pub fn connect(
    endpoint: &Endpoint,
    preferred: Family,
    early: &EarlyLookups,
    deadline: Deadline,
    trace: &mut Trace,
) -> Result<TcpStream, Fault> {
    let limit = deadline.left();
    let attempt = Attempt { endpoint, deadline };
    if let Some(addresses) = without_lookup(&endpoint.host) {
        return attempt.each(Ok(addresses), deadline, trace).map_err(|hindrance| explain(endpoint, hindrance, limit));
    }
    let mut lookups = Lookups::new(&endpoint.host, preferred, deadline, early);
    let found = lookups.preferred();
    let share = deadline.sooner(SHARE.min(deadline.left() / 2));
    let first = match attempt.each(found, share, trace) {
        Ok(stream) => return Ok(stream),
        Err(hindrance) => hindrance,
    };
    // Addresses that did not answer get the time that is left, unless the other family helps.
    let reserved = if matches!(first, Hindrance::Failed { .. }) { deadline.left() / 2 } else { Duration::ZERO };
    let found = lookups.other(deadline.sooner(deadline.left().saturating_sub(reserved)));
    let second = match attempt.each(found, deadline, trace) {
        Ok(stream) => return Ok(stream),
        Err(hindrance) => hindrance,
    };
    Err(match (first, second) {
        (Hindrance::Failed { fault, .. }, Hindrance::Failed { .. }) => fault,
        (Hindrance::Failed { fault, silent }, _) => match attempt.each(Ok(silent), deadline, trace) {
            Ok(stream) => return Ok(stream),
            Err(_) => fault,
        },
        (Hindrance::Unresolved(first), Hindrance::Unresolved(second)) => {
            resolve::unresolved(&endpoint.host, &endpoint.setting, first.max(second), limit)
        }
        (Hindrance::Skipped(fault), Hindrance::Unresolved(_) | Hindrance::Skipped(_)) => fault,
        (_, second) => explain(endpoint, second, limit),
    })
}

fn explain(endpoint: &Endpoint, hindrance: Hindrance, limit: Duration) -> Fault {
    match hindrance {
        Hindrance::Unresolved(why) => resolve::unresolved(&endpoint.host, &endpoint.setting, why, limit),
        Hindrance::Skipped(fault) | Hindrance::Failed { fault, .. } => fault,
    }
}

/// The addresses of a host that is one or that is this machine.
pub(super) fn without_lookup(host: &str) -> Option<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    host.parse().ok().map(|address| vec![address])
}

/// What bounds every attempt.
struct Attempt<'a> {
    endpoint: &'a Endpoint,
    deadline: Deadline,
}

impl Attempt<'_> {
    /// Tries the addresses of one family in turn, until about `share`.
    fn each(
        &self,
        found: Result<Vec<IpAddr>, Unresolved>,
        share: Deadline,
        trace: &mut Trace,
    ) -> Result<TcpStream, Hindrance> {
        let endpoint = self.endpoint;
        let mut addresses = found.map_err(Hindrance::Unresolved)?;
        let places = addresses.iter().map(|address| SocketAddr::new(*address, endpoint.port));
        trace.addresses.extend(places.filter(|place| !trace.addresses.contains(place)).collect::<Vec<_>>());
        let (mut skipped, mut failed, mut silent) = (None, None, Vec::new());
        addresses.retain(|address| {
            if address.is_unspecified() {
                skipped.get_or_insert_with(|| resolve::sinkhole(&endpoint.host, *address));
            }
            !address.is_unspecified()
        });
        for (rest, address) in (1..=u32::try_from(addresses.len()).unwrap_or(1)).rev().zip(addresses) {
            let time = (share.left() / rest).max(LEAST).min(self.deadline.left());
            // A refusal costs no time; silence does, and some of it is for the other family.
            if time.is_zero() || (share.left().is_zero() && silent.len() >= MAX_SILENT) {
                break;
            }
            let place = SocketAddr::new(address, endpoint.port);
            trace.tried = Some(place);
            match TcpStream::connect_timeout(&place, time) {
                Ok(stream) => return Ok(stream),
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    silent.push(address);
                    let cause = format!("no answer within {} s", seconds(time));
                    failed.get_or_insert_with(|| unconnected(endpoint, address, ErrorKind::TimedOut, &cause));
                }
                Err(error) if is_unrouted(&error, address) => {
                    let cause = "this server has no route to that address";
                    skipped.get_or_insert_with(|| unconnected(endpoint, address, ErrorKind::NetworkUnreachable, cause));
                }
                Err(error) => {
                    failed.get_or_insert_with(|| unconnected(endpoint, address, error.kind(), &words(&error)));
                }
            }
        }
        Err(match (failed, skipped) {
            (Some(fault), _) => Hindrance::Failed { fault, silent },
            (None, Some(fault)) => Hindrance::Skipped(fault),
            (None, None) => Hindrance::Unresolved(Unresolved::NoAddress),
        })
    }
}

/// Whether the routing table of this server, not an answer from the network, refused the connection. A rule can concern
/// TCP alone, so only a connection that failed is asked about.
fn is_unrouted(error: &io::Error, address: IpAddr) -> bool {
    error.kind() != ErrorKind::ConnectionRefused && address::source_toward(address).is_none()
}

/// The sentence and the remedy for an address that does not accept the connection.
fn unconnected(endpoint: &Endpoint, address: IpAddr, kind: ErrorKind, cause: &str) -> Fault {
    let Endpoint { host, port, is_proxy, setting: _ } = endpoint;
    let what = if *is_proxy { "the proxy " } else { "" };
    // A name leads to a proxy on this machine on purpose.
    if address.is_loopback() && !is_proxy && without_lookup(host).is_none() {
        return resolve::sinkhole(host, address);
    }
    let remedy = match kind {
        ErrorKind::ConnectionRefused if *is_proxy => {
            format!("start the proxy there, or fix {}", endpoint.setting)
        }
        ErrorKind::ConnectionRefused => {
            "no program listens there, or a firewall on the path rejects the connection: check host and port in \
             license_server of agent.conf, or contact the license server's operator"
                .to_owned()
        }
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::AddrNotAvailable => {
            format!("check the routes to that address: ip route get {address}; ip route; ip -6 route; ip rule")
        }
        ErrorKind::PermissionDenied => {
            format!("allow outbound TCP port {port} in the firewall of this server, and in the external one")
        }
        _ => format!(
            "a firewall drops the packets, or that machine is down. Allow outbound TCP port {port} in the external \
             firewall: the security group or network firewall in the control panel of your cloud or hosting provider"
        ),
    };
    Fault::new(Step::Connect, format!("connecting to {what}{address} port {port}: {cause}"), remedy)
}
