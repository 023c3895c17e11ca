//! A laboratory for PostgreSQL: Debian's server in temporary directories, standbys, PgBouncer, and a TCP proxy that loses what
//! a test wants to be lost.
//!
//! It uses nothing else of the tests, because unit tests and benchmarks use it too. Everything ends when it is dropped, and
//! also when the process of the tests is killed: see [`supervised`].
#![allow(dead_code, unused_imports, reason = "not every program of tests uses all of it")]

mod cluster;
mod directory;
mod messages;
mod pgbouncer;
mod programs;
mod proxy;
mod psql;
mod shared;
mod standby;
mod supervised;
mod template;

pub use cluster::Cluster;
pub use pgbouncer::PgBouncer;
pub use proxy::{Lost, Proxy};
pub use shared::ScratchDatabase;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The role and the database of the license server. The role may create databases.
pub const ROLE: &str = "opterius";

/// The role's password, which TCP connections need.
pub const PASSWORD: &str = "laboratory";

/// Time limit, on a loaded machine, for what takes less than a second.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until `condition` holds, for at most `within`. Returns whether it held.
fn eventually(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A socket that reserves a port of 127.0.0.1 as long as it exists: a server with `SO_REUSEADDR` can listen on it.
fn reserve_port() -> (TcpListener, u16) {
    let socket: OwnedFd =
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    sockopt::set_socket_reuseaddr(&socket, true).unwrap();
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    let socket = TcpListener::from(socket);
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}
