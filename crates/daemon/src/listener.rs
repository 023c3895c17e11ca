//! The listening socket.
//!
//! A port may be taken for a moment after the process that listened on it was killed and reaped. A child that the killed
//! process was just starting has a copy of each of its descriptors until it executes its program: `CLOEXEC` counts from
//! then on, and nothing ends the child with its parent. On a loaded machine that takes milliseconds, which is as long as
//! the next start takes to come here. A start therefore waits for a taken port, but not for long. Under systemd there is
//! nothing to wait for: it ends all processes of a service together, and keeps the socket.
//!
//! What no wait mends is a port of the range that the kernel gives to outgoing connections (`net.ipv4.ip_local_port_range`,
//! 32768 to 60999 unless set otherwise): while nobody listens there, a client that keeps trying to reach the port may be
//! given that very port to connect from. It then reaches itself, and the port is taken for as long as the connection
//! stands and a minute more. The ports that we propose lie below that range.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use log::info;
use opterius_base::deadline::Deadline;
use rustix::event::{Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, bind, ipproto, listen, shutdown, socket_with, sockopt,
};

use crate::notify::Notifier;
use crate::port_holder;

/// Connections that the kernel holds for us while we are busy; it caps the number at net.core.somaxconn.
const BACKLOG: i32 = 1024;

/// How long a start waits for a port that is taken, and how often it looks meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Where the address comes from, for the sentence that says how to mend it.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The configuration file's name, such as `agent.conf`.
    pub file: &'static str,
    /// Who else must be told another port, such as “ and in the Panel”; may be empty.
    pub elsewhere: &'static str,
}

/// Listens on `address`: with the socket that the service manager has kept since the last run, or with a new one, which it
/// is asked to keep. While it keeps it, nobody else gets the port, whatever happens to this process.
///
/// # Errors
/// A sentence that says why not and what to do.
pub fn keep_listening_on(address: SocketAddr, source: Source, notifier: &Notifier) -> Result<TcpListener, String> {
    for (_, passed) in sd_listen_fds::get().unwrap_or_default() {
        let kept = TcpListener::from(passed);
        if kept.local_addr().is_ok_and(|bound| serves(bound, address)) && fcntl_setfd(&kept, FdFlags::CLOEXEC).is_ok() {
            return Ok(kept);
        }
        // Of another configuration. This ends the listening of every copy, so that the new socket finds no other in its
        // way even before the service manager has let go of its own.
        let _ = shutdown(&kept, Shutdown::Both);
        notifier.let_go();
    }
    let listener = listen_on(address, source)?;
    notifier.keep(&listener);
    Ok(listener)
}

/// Whether a socket bound to `bound` is what `wanted` asks for; port 0 is any.
fn serves(bound: SocketAddr, wanted: SocketAddr) -> bool {
    bound.ip() == wanted.ip() && (bound.port() == wanted.port() || wanted.port() == 0)
}

/// The address by which a program of this machine reaches a listener on `address`.
pub fn from_here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Listens on `address`, once whoever is just letting go of it has done so.
///
/// # Errors
/// A sentence that says why not and what to do.
pub fn listen_on(address: SocketAddr, source: Source) -> Result<TcpListener, String> {
    let patience = Deadline::within(PATIENCE);
    open_when_free(address, || {
        let has_time = !patience.is_over();
        if has_time {
            // A signal may end the pause early; then we look early.
            let _ = poll(&mut [], Some(&LOOK_AGAIN));
        }
        has_time
    })
    .map_err(|error| format!("cannot listen on {address}: {error}. {}", remedy(address, &error, source)))
}

/// Opens the listener. While the port is taken it tries again after each `pause`, until that says that it was the last.
fn open_when_free(address: SocketAddr, mut pause: impl FnMut() -> bool) -> io::Result<TcpListener> {
    let mut was_taken = false;
    loop {
        match open(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && pause() => was_taken = true,
            opened => {
                if was_taken && opened.is_ok() {
                    info!("{address} was still taken when this process started, and has been let go");
                }
                return opened;
            }
        }
    }
}

fn remedy(address: SocketAddr, error: &io::Error, source: Source) -> String {
    let Source { file, elsewhere } = source;
    match error.kind() {
        ErrorKind::AddrInUse => {
            let port = address.port();
            let held = match port_holder::find(address) {
                Some(holder) => format!("It is held by {holder}"),
                None if port_holder::is_there(address) => {
                    format!("Another process holds the port; see which with: ss -ltnp sport = :{port}")
                }
                None => format!(
                    "Nobody listens there, but a connection has the port; see it with: ss -tanp sport = :{port}"
                ),
            };
            format!("{held}. End it, or set another port in {file}{elsewhere}")
        }
        ErrorKind::AddrNotAvailable => format!("This server has no such address; correct listen_addr in {file}"),
        ErrorKind::PermissionDenied => {
            format!("Ports below 1024 need root or CAP_NET_BIND_SERVICE; set another port in {file}")
        }
        _ => format!("Check listen_addr and port in {file}"),
    }
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

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use rustix::net::connect;

    use super::*;

    #[test]
    fn who_holds_a_port_is_named_with_what_to_do() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        let source = Source { file: "a.conf", elsewhere: " and in the Panel" };
        for address in [address, SocketAddr::from(([0, 0, 0, 0], address.port()))] {
            let sentence = listen_on(address, source).unwrap_err();
            let name = std::fs::read_to_string("/proc/self/comm").unwrap();
            let holder = format!("It is held by {} (process {}). End it,", name.trim(), std::process::id());
            assert!(sentence.contains(&holder), "{sentence}");
            assert!(sentence.ends_with(" or set another port in a.conf and in the Panel"), "{sentence}");
        }
    }

    #[test]
    fn a_port_that_is_let_go_while_we_wait_is_ours() {
        let mut holder = Some(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = holder.as_ref().unwrap().local_addr().unwrap();
        let mut pauses = 0;
        let listener = open_when_free(address, || {
            pauses += 1;
            if pauses == 3 {
                holder = None;
            }
            true
        });
        assert_eq!(listener.unwrap().local_addr().unwrap(), address);
        assert_eq!(pauses, 3);
    }

    #[test]
    fn a_port_that_is_not_let_go_is_given_up() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut pauses = 0;
        let listener = open_when_free(holder.local_addr().unwrap(), || {
            pauses += 1;
            pauses < 5
        });
        assert_eq!(listener.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(pauses, 5);
    }

    #[test]
    fn only_a_taken_port_is_waited_for() {
        // TEST-NET-1 of RFC 5737 is nobody's.
        let address = SocketAddr::from(([192, 0, 2, 1], 0));
        let listener = open_when_free(address, || panic!("waits for an address that will not come"));
        assert_eq!(listener.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn a_connection_that_has_the_port_is_told_from_a_listener() {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let client = TcpStream::from(socket);
        let address = client.local_addr().unwrap();
        // As it happens to a client that is given the port which it wants to reach.
        connect(&client, &address).unwrap();
        let sentence = listen_on(address, Source { file: "a.conf", elsewhere: "" }).unwrap_err();
        assert!(
            sentence.contains("Nobody listens there, but a connection has the port; see it with: ss -tanp"),
            "{sentence}"
        );
    }

    #[test]
    fn a_kept_socket_serves_the_address_that_it_is_bound_to() {
        let table = [
            ("127.0.0.1:7443", "127.0.0.1:7443", true),
            ("127.0.0.1:40000", "127.0.0.1:0", true),
            ("127.0.0.1:7443", "127.0.0.1:7444", false),
            ("127.0.0.1:7443", "0.0.0.0:7443", false),
            ("0.0.0.0:7443", "127.0.0.1:7443", false),
            ("[::1]:7443", "[::1]:7443", true),
            ("[::]:7443", "0.0.0.0:7443", false),
        ];
        for (bound, wanted, expected) in table {
            assert_eq!(serves(bound.parse().unwrap(), wanted.parse().unwrap()), expected, "{bound} {wanted}");
        }
    }

    #[test]
    fn an_address_of_another_server_is_named_as_one() {
        // TEST-NET-1 of RFC 5737 is nobody's.
        let address = SocketAddr::from(([192, 0, 2, 1], 0));
        let sentence = listen_on(address, Source { file: "a.conf", elsewhere: "" }).unwrap_err();
        assert!(sentence.ends_with("This server has no such address; correct listen_addr in a.conf"), "{sentence}");
    }
}
