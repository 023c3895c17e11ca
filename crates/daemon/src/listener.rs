//! The listening socket.
//!
//! A port can stay in use for a moment after the process that listened on it was killed and reaped. A child process that
//! was just being started has copies of all descriptors until it executes its program, because `CLOEXEC` only takes effect
//! then, and it does not die with its parent. On a loaded machine that takes milliseconds, about as long as the next start
//! needs to reach this code. A start therefore waits briefly for a port in use. Under systemd there is nothing to wait for:
//! it kills all processes of a service together, and keeps the socket.
//!
//! Waiting does not help if the port lies in the range for outgoing connections (`net.ipv4.ip_local_port_range`, 32768 to
//! 60999 by default): while no process listens, a client that keeps trying to connect to the port can be assigned that same
//! port as its source port. It then connects to itself, and the port stays in use for as long as the connection lasts plus
//! a minute. The default ports lie below that range.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use log::info;
use opterius_base::deadline::Deadline;
use opterius_base::text::cause;
use rustix::event::{Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, bind, ipproto, listen, shutdown, socket_with, sockopt,
};

use crate::notify::Notifier;
use crate::port_holder;

/// Connections that the kernel queues until they are accepted, capped at net.core.somaxconn.
const BACKLOG: i32 = 1024;

/// How long a start waits for a port in use, and how often it retries.
const PORT_WAIT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Where the address is configured, for error messages that say how to change it.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The configuration file's name, such as `agent.conf`.
    pub file: &'static str,
    /// Where else a new port must be set, such as “ and in the Panel”; can be empty.
    pub elsewhere: &'static str,
}

/// Listens on `address`, with the socket that systemd stored during the last run, or with a new one, which is then stored.
/// While systemd stores it, no other process can take the port, whatever happens to this process.
///
/// # Errors
/// A sentence with the reason and the fix.
pub fn keep_listening_on(address: SocketAddr, source: Source, notifier: &Notifier) -> Result<TcpListener, String> {
    for (_, passed) in sd_listen_fds::get().unwrap_or_default() {
        let stored = TcpListener::from(passed);
        if stored.local_addr().is_ok_and(|bound| matches(bound, address))
            && fcntl_setfd(&stored, FdFlags::CLOEXEC).is_ok()
        {
            return Ok(stored);
        }
        // The socket belongs to an earlier configuration. The shutdown stops all copies of it from listening, so that the
        // new socket can be bound even before systemd has closed its copy.
        let _ = shutdown(&stored, Shutdown::Both);
        notifier.discard_listener();
    }
    let listener = listen_on(address, source)?;
    notifier.store_listener(&listener);
    Ok(listener)
}

/// Whether a socket bound to `bound` can serve `wanted`; port 0 matches any port.
fn matches(bound: SocketAddr, wanted: SocketAddr) -> bool {
    bound.ip() == wanted.ip() && (bound.port() == wanted.port() || wanted.port() == 0)
}

/// The address at which programs on this machine reach a listener on `address`.
pub fn from_here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Listens on `address`, after a short wait if the port is in use.
///
/// # Errors
/// A sentence with the reason and the fix.
pub fn listen_on(address: SocketAddr, source: Source) -> Result<TcpListener, String> {
    let deadline = Deadline::within(PORT_WAIT);
    open_when_free(address, || {
        let has_time = !deadline.is_over();
        if has_time {
            // A signal can end the pause early; the only effect is an early retry.
            let _ = poll(&mut [], Some(&RETRY_INTERVAL));
        }
        has_time
    })
    .map_err(|error| format!("cannot listen on {address}: {}. {}", cause(&error), remedy(address, &error, source)))
}

/// Opens the listener. While the port is in use, it retries after each `pause`, until that returns false.
fn open_when_free(address: SocketAddr, mut pause: impl FnMut() -> bool) -> io::Result<TcpListener> {
    let mut was_in_use = false;
    loop {
        match open(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && pause() => was_in_use = true,
            opened => {
                if was_in_use && opened.is_ok() {
                    info!("{address} was still in use when this process started, and is free now");
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
            let holder = match port_holder::find(address) {
                Some(holder) => format!("It is in use by {holder}"),
                None if port_holder::has_listener(address) => {
                    format!("Another process is using the port; to find it, run: ss -ltnp sport = :{port}")
                }
                None => format!(
                    "No process listens on it, but a connection is using the port; to find it, run: ss -tanp sport = :{port}"
                ),
            };
            format!("{holder}. Stop it, or set another port in {file}{elsewhere}")
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
    // A restart must not wait for old connections in TIME_WAIT. Two listeners on one port are still refused.
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
    fn the_error_names_the_process_that_uses_the_port() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        let source = Source { file: "a.conf", elsewhere: " and in the Panel" };
        for address in [address, SocketAddr::from(([0, 0, 0, 0], address.port()))] {
            let sentence = listen_on(address, source).unwrap_err();
            let name = std::fs::read_to_string("/proc/self/comm").unwrap();
            let holder = format!("It is in use by {} (process {}). Stop it,", name.trim(), std::process::id());
            assert!(sentence.contains(&holder), "{sentence}");
            assert!(sentence.ends_with(" or set another port in a.conf and in the Panel"), "{sentence}");
        }
    }

    #[test]
    fn a_port_that_becomes_free_during_the_wait_is_taken() {
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
    fn the_wait_for_a_port_is_limited() {
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
    fn only_a_port_in_use_is_waited_for() {
        // TEST-NET-1 of RFC 5737 belongs to no machine.
        let address = SocketAddr::from(([192, 0, 2, 1], 0));
        let listener = open_when_free(address, || panic!("waited for an address that this machine does not have"));
        assert_eq!(listener.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn a_connection_on_the_port_is_distinguished_from_a_listener() {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let client = TcpStream::from(socket);
        let address = client.local_addr().unwrap();
        // As it happens to a client whose source port is the port that it connects to.
        connect(&client, &address).unwrap();
        let sentence = listen_on(address, Source { file: "a.conf", elsewhere: "" }).unwrap_err();
        assert!(
            sentence
                .contains("No process listens on it, but a connection is using the port; to find it, run: ss -tanp"),
            "{sentence}"
        );
    }

    #[test]
    fn a_stored_socket_matches_the_address_that_it_is_bound_to() {
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
            assert_eq!(matches(bound.parse().unwrap(), wanted.parse().unwrap()), expected, "{bound} {wanted}");
        }
    }

    #[test]
    fn an_address_of_another_machine_is_explained() {
        // TEST-NET-1 of RFC 5737 belongs to no machine.
        let address = SocketAddr::from(([192, 0, 2, 1], 0));
        let sentence = listen_on(address, Source { file: "a.conf", elsewhere: "" }).unwrap_err();
        assert!(!sentence.contains("os error"), "{sentence}");
        assert!(sentence.ends_with("This server has no such address; correct listen_addr in a.conf"), "{sentence}");
    }
}
