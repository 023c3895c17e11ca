//! PgBouncer in transaction mode: a connection of a client gets a connection of the server for each transaction anew.

use super::cluster::Cluster;
use super::directory::Directory;
use super::programs::as_server_user;
use super::supervised::Supervised;
use super::{PATIENCE, ROLE, eventually, reserve_port};
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// A running PgBouncer. Dropping it kills the process.
pub struct PgBouncer {
    _process: Supervised,
    port: u16,
    _reserved: TcpListener,
    _directory: Directory,
}

impl PgBouncer {
    /// Starts it in front of a cluster, with at most this many connections to the server for each database.
    pub fn start(cluster: &Cluster, connections: u32) -> PgBouncer {
        let directory = Directory::new();
        let (reserved, port) = reserve_port();
        let in_directory = |name: &str| directory.path().join(name).display().to_string();
        let (socket, server) = (cluster.socket_directory().display(), cluster.port());
        // Every client is the license server's role, whatever it says.
        let settings = format!(
            "[databases]\n* = host={socket} port={server} user={ROLE}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = {connections}\nmax_client_conn = 1000\nserver_reset_query =\n"
        );
        fs::write(in_directory("pgbouncer.ini"), settings).unwrap();
        let words = as_server_user(&["pgbouncer", &in_directory("pgbouncer.ini")]);
        let process = Supervised::start(&words, &directory.path().join("log"));
        let answers = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() || !process.is_running();
        let log = || fs::read_to_string(in_directory("log")).unwrap_or_default();
        assert!(eventually(PATIENCE, answers) && process.is_running(), "PgBouncer does not start: {}", log());
        PgBouncer { _process: process, port, _reserved: reserved, _directory: directory }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}
