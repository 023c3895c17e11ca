//! The listener: accepts clients, pauses when the process runs out of file descriptors, and closes on shutdown.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use log::warn;
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};

use super::poller::Poller;
use crate::limits::ACCEPT_PAUSE;

/// The listener and its state.
pub(super) struct Acceptor {
    /// None once closed.
    listener: Option<TcpListener>,
    /// When a pause ends; none while accepting.
    paused_until: Option<Instant>,
    /// Whether a failure has been logged since the last accepted client.
    has_warned: bool,
}

/// The result of one attempt to accept a client.
pub(super) enum Accepted {
    /// A client and its address.
    Client(TcpStream, IpAddr),
    /// A transient failure; the next attempt may succeed.
    TryAgain,
    /// No client is waiting.
    WouldBlock,
    /// The process has no file descriptor or memory for another client.
    Exhausted(io::Error),
}

impl Acceptor {
    /// Wraps a non-blocking listener.
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener: Some(listener), paused_until: None, has_warned: false }
    }

    /// Accepts one client.
    pub(super) fn accept(&mut self) -> Accepted {
        let Some(listener) = &self.listener else { return Accepted::WouldBlock };
        match acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((socket, peer)) => {
                self.has_warned = false;
                Accepted::Client(TcpStream::from(socket), address(peer))
            }
            Err(error) => {
                let error = io::Error::from(error);
                match error.kind() {
                    ErrorKind::WouldBlock => Accepted::WouldBlock,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => Accepted::TryAgain,
                    _ => Accepted::Exhausted(error),
                }
            }
        }
    }

    /// Logs that no client can be accepted, once until a client is accepted again.
    pub(super) fn warn(&mut self, cause: &io::Error) {
        if !self.has_warned {
            warn!("New connections cannot be accepted at the moment: {cause}");
            self.has_warned = true;
        }
    }

    /// Pauses accepting. Clients wait in the backlog.
    pub(super) fn pause(&mut self, poller: &Poller, now: Instant) {
        if let Some(listener) = &self.listener
            && poller.report_clients(listener, false).is_ok()
        {
            self.paused_until = Some(now + ACCEPT_PAUSE);
        }
    }

    /// When the pause ends; none while accepting.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Resumes accepting if the pause is over.
    pub(super) fn on_time(&mut self, poller: &Poller, now: Instant) {
        if self.paused_until.take_if(|until| *until <= now).is_some()
            && let Some(listener) = &self.listener
        {
            let _ = poller.report_clients(listener, true);
        }
    }

    /// Closes the listener, so that the kernel refuses the next client at once instead of letting it wait.
    pub(super) fn close(&mut self) {
        self.listener = None;
    }
}

/// The client's address from `accept`; unspecified if it is not a TCP socket.
fn address(peer: Option<SocketAddrAny>) -> IpAddr {
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_client_on_an_ipv6_socket_has_its_ipv4_address() {
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
