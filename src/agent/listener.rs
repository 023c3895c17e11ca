//! The listening socket.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, listen, socket_with, sockopt};

/// Connections that the kernel holds for us while we are busy; it caps the number at net.core.somaxconn.
const BACKLOG: i32 = 1024;

/// Listens on `address`.
///
/// # Errors
/// A sentence that says why not and what to do.
pub fn listen_on(address: SocketAddr) -> Result<TcpListener, String> {
    open(address).map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::AddrInUse => format!(
                "Another process holds the port; see which with: ss -ltnp sport = :{}. End it, or set another port in agent.conf and in the Panel",
                address.port()
            ),
            ErrorKind::AddrNotAvailable => "This server has no such address; correct listen_addr in agent.conf".to_owned(),
            ErrorKind::PermissionDenied => "Ports below 1024 need root or CAP_NET_BIND_SERVICE; set another port in agent.conf".to_owned(),
            _ => "Check listen_addr and port in agent.conf".to_owned(),
        };
        format!("cannot listen on {address}: {error}. {remedy}")
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, Some(ipproto::TCP))?;
    // A restart must not wait for the connections of the run before it; two listeners are still refused.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}
