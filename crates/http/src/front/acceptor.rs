//! The listener: it gives out clients, rests when there is no descriptor for another, and is closed once.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use log::warn;
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};

use super::poller::Poller;
use crate::limits::ACCEPT_PAUSE;

/// Where clients come in.
pub(super) struct Acceptor {
    /// None once it is closed.
    listener: Option<TcpListener>,
    /// It rests until then.
    rests_until: Option<Instant>,
    /// Whether it has been said that no client can be accepted, since the last one was.
    has_warned: bool,
}

/// What one attempt to accept a client came to.
pub(super) enum Accepted {
    /// A client, from this address.
    Client(TcpStream, IpAddr),
    /// None this time.
    TryAgain,
    /// Nobody waits.
    Nobody,
    /// There is no descriptor or no memory for another client.
    Exhausted(io::Error),
}

impl Acceptor {
    /// It accepts the clients of this listener, which does not block.
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener: Some(listener), rests_until: None, has_warned: false }
    }

    /// Accepts one client.
    pub(super) fn accept(&mut self) -> Accepted {
        let Some(listener) = &self.listener else { return Accepted::Nobody };
        match acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((socket, peer)) => {
                self.has_warned = false;
                Accepted::Client(TcpStream::from(socket), address(peer))
            }
            Err(error) => {
                let error = io::Error::from(error);
                match error.kind() {
                    ErrorKind::WouldBlock => Accepted::Nobody,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => Accepted::TryAgain,
                    _ => Accepted::Exhausted(error),
                }
            }
        }
    }

    /// Says once that no client can be accepted.
    pub(super) fn warn(&mut self, cause: &io::Error) {
        if !self.has_warned {
            warn!("No new connection can be accepted at the moment: {cause}");
            self.has_warned = true;
        }
    }

    /// Rests for a while. The clients wait in the backlog.
    pub(super) fn rest(&mut self, poller: &Poller, now: Instant) {
        if let Some(listener) = &self.listener
            && poller.report_clients(listener, false).is_ok()
        {
            self.rests_until = Some(now + ACCEPT_PAUSE);
        }
    }

    /// When it has rested enough; none while it does not rest.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    /// Goes on if it has rested enough.
    pub(super) fn on_time(&mut self, poller: &Poller, now: Instant) {
        if self.rests_until.take_if(|until| *until <= now).is_some()
            && let Some(listener) = &self.listener
        {
            let _ = poller.report_clients(listener, true);
        }
    }

    /// Closes the listener at once: the next client is refused by the kernel and not left waiting.
    pub(super) fn close(&mut self) {
        self.listener = None;
    }
}

/// The address of a client, which `accept` tells by the way. A socket that is not IP's has none.
fn address(peer: Option<SocketAddrAny>) -> IpAddr {
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_client_is_one_on_an_ipv6_socket_too() {
        let table = [
            ("[::ffff:203.0.113.5]:1", "203.0.113.5"),
            ("203.0.113.5:1", "203.0.113.5"),
            ("[2001:db8::1]:1", "2001:db8::1"),
        ];
        for (peer, expected) in table {
            let peer: SocketAddr = peer.parse().unwrap();
            assert_eq!(address(Some(peer.into())).to_string(), expected);
        }
        assert_eq!(address(None), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
}
