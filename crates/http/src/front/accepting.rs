//! How clients come in, and which of them has to go when there are too many.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Instant;

use log::warn;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};

use super::{Front, LISTENER};
use crate::connection::Connection;
use crate::lane::busy;
use crate::limits::{ACCEPT_PAUSE, TURN};

impl Front {
    pub(super) fn accept(&mut self, now: Instant) {
        for _ in 0..TURN {
            let Some(listener) = &self.listener else { return };
            match acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((socket, peer)) => {
                    self.warned_of_accept = false;
                    self.admit(TcpStream::from(socket), address(peer), now);
                }
                Err(error) => match io::Error::from(error).kind() {
                    ErrorKind::WouldBlock => return,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => return self.pause_accepting(error, now),
                },
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: IpAddr, now: Instant) {
        if self.connections.len() >= self.limits.connections && !self.evict_one() {
            // Every connection has a request running. Nothing can be closed, so the newcomer is told.
            let mut bytes = Vec::new();
            self.encoder.encode(&busy(), true, false, self.date, &mut bytes);
            let _ = io::Write::write(&mut &stream, &bytes);
            return;
        }
        let connection = Connection::new(stream, peer, now);
        self.note_deadline(connection.deadline);
        let key = self.connections.insert(connection);
        // Most clients have sent their request by now; what has not is what epoll is for.
        self.drive(key, now);
    }

    /// Closes the connection that can best be spared.
    fn evict_one(&mut self) -> bool {
        let candidates = self.connections.iter().filter_map(|(key, connection)| Some((connection.dispensable()?, key)));
        let Some((_, key)) = candidates.min() else { return false };
        self.evict(key);
        true
    }

    /// No descriptor or no memory for a new connection: make room, say so once, and rest. The clients wait in the backlog.
    fn pause_accepting(&mut self, error: rustix::io::Errno, now: Instant) {
        if !self.warned_of_accept {
            warn!("No new connection can be accepted at the moment: {}", io::Error::from(error));
            self.warned_of_accept = true;
        }
        self.evict_one();
        if let Some(listener) = &self.listener
            && epoll::modify(&self.epoll, listener, EventData::new_u64(LISTENER), EventFlags::empty()).is_ok()
        {
            self.resume_accepting = Some(now + ACCEPT_PAUSE);
        }
    }

    pub(super) fn resume_accepting(&mut self) {
        self.resume_accepting = None;
        if let Some(listener) = &self.listener {
            let _ = epoll::modify(&self.epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN);
        }
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
