//! What the checks look at and whom they ask, so that a test can give them another world.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::statvfs;
use rustix::process::geteuid;

use crate::cli::inquiry;
use crate::license::client::{self, LicenseConfig, LicenseServer, Network};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_daemon::port_holder::{self, Holder};
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::tool::{Output, Tool};
use opterius_license::address;
use opterius_license::inquiry::Inquiry;
use opterius_license::outcome::{Answer, Failure};

/// What one program may take.
const TOOL: Duration = Duration::from_secs(4);
/// What all programs together may take: beside them the network has some 20 seconds.
const TOOLS: Duration = Duration::from_secs(8);
/// What the daemon may take for an answer from its memory.
const DAEMON: Duration = Duration::from_secs(3);
/// What a name, a connection, and a TLS handshake may take each.
const NETWORK: Duration = Duration::from_secs(3);

/// What the checks look at.
pub struct System<'a> {
    /// The root of the files that are looked at.
    pub root: PathBuf,
    /// The configuration file.
    pub config: PathBuf,
    /// Whether we may see everything.
    pub is_root: bool,
    /// Where time comes from.
    pub clock: &'a dyn Clock,
    /// Whom to ask.
    pub probe: &'a dyn Probe,
}

impl System<'_> {
    /// Where a path of the machine is, for example `/etc/hosts`.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// The text of a file of the machine; empty where there is none.
    pub fn read(&self, absolute: &str) -> String {
        fs::read_to_string(self.path(absolute)).unwrap_or_default()
    }

    /// Whether systemd runs the services of this machine.
    pub fn has_systemd(&self) -> bool {
        self.path("/run/systemd/system").is_dir()
    }

    /// What a program printed that is installed, ran, and ended well.
    pub fn printed(&self, program: &str, arguments: &[&str]) -> Option<String> {
        self.probe.tool(program, arguments).ok().filter(Output::is_success).map(|output| output.stdout)
    }
}

/// Room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Which file system it is.
    pub device: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// What of it may still be used.
    pub free_bytes: u64,
    /// Files it has room for; 0 where it does not count them.
    pub inodes: u64,
    /// How many more.
    pub free_inodes: u64,
}

/// Whom the checks ask.
pub trait Probe {
    /// Runs a program of the machine.
    ///
    /// # Errors
    /// It is not installed, cannot be started, or took too long.
    fn tool(&self, name: &str, arguments: &[&str]) -> Result<Output, Problem>;

    /// Whether a program is installed.
    fn has(&self, name: &str) -> bool;

    /// Status and body of the daemon's answer to a `GET`.
    ///
    /// # Errors
    /// Why there is none.
    fn daemon(&self, address: SocketAddr, path: &str) -> Result<(u16, String), String>;

    /// The process that listens on this address, as far as it can be seen.
    fn holder(&self, address: SocketAddr) -> Option<Holder>;

    /// The addresses of a name.
    ///
    /// # Errors
    /// What the resolver said.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    /// A connection to this address.
    ///
    /// # Errors
    /// What the operating system said.
    fn connect(&self, address: SocketAddr) -> io::Result<TcpStream>;

    /// Speaks TLS on a connection until each side trusts the other.
    ///
    /// # Errors
    /// What was wrong; a [`rustls::Error`] is inside where it was the other side.
    fn handshake(&self, settings: &LicenseConfig, stream: TcpStream) -> io::Result<()>;

    /// Asks the license server.
    ///
    /// # Errors
    /// Why there is no answer.
    fn verify(&self, settings: &LicenseConfig, inquiry: &Inquiry<'_>) -> Result<Answer, Failure>;

    /// The source address towards the Internet, and the one that we are seen as from there.
    fn addresses(&self, settings: &LicenseConfig) -> (Option<IpAddr>, Option<IpAddr>);

    /// The room on the file system that holds `path`.
    ///
    /// # Errors
    /// What the operating system said.
    fn space(&self, path: &Path) -> io::Result<Space>;
}

/// The real ones.
pub struct Machine {
    deadline: Deadline,
}

impl Machine {
    /// With all the time that the programs have.
    pub fn new() -> Self {
        Self { deadline: Deadline::within(TOOLS) }
    }

    /// What the checks of this process look at.
    pub fn system<'a>(&'a self, config: &Path) -> System<'a> {
        System {
            root: PathBuf::from("/"),
            config: config.to_owned(),
            is_root: geteuid().is_root(),
            clock: &SystemClock,
            probe: self,
        }
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Probe for Machine {
    fn tool(&self, name: &str, arguments: &[&str]) -> Result<Output, Problem> {
        Tool::named(name)?.args(arguments).run(self.deadline.sooner(TOOL))
    }

    fn has(&self, name: &str) -> bool {
        Host::tool(name).is_some()
    }

    fn daemon(&self, address: SocketAddr, path: &str) -> Result<(u16, String), String> {
        inquiry::get(address, path, DAEMON).map_err(|error| error.to_string())
    }

    fn holder(&self, address: SocketAddr) -> Option<Holder> {
        port_holder::find(address)
    }

    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        client::resolve(&format!("{}:{port}", client::bracketed(host)), client::ip_family(host), NETWORK)
    }

    fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&address, NETWORK)?;
        stream.set_read_timeout(Some(NETWORK))?;
        stream.set_write_timeout(Some(NETWORK))?;
        Ok(stream)
    }

    fn handshake(&self, settings: &LicenseConfig, stream: TcpStream) -> io::Result<()> {
        client::handshake(settings, stream)
    }

    fn verify(&self, settings: &LicenseConfig, inquiry: &Inquiry<'_>) -> Result<Answer, Failure> {
        Network.ask(settings, inquiry)
    }

    fn addresses(&self, settings: &LicenseConfig) -> (Option<IpAddr>, Option<IpAddr>) {
        let source = address::source_address(client::default_route());
        let public = source.filter(|source| address::is_public(*source));
        (source, public.or_else(|| Network.discover(settings)))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let room = statvfs(path)?;
        Ok(Space {
            device: fs::metadata(path)?.dev(),
            bytes: room.f_blocks.saturating_mul(room.f_frsize),
            free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
            inodes: room.f_files,
            free_inodes: room.f_favail,
        })
    }
}
