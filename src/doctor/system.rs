//! The checks' access to the host and the network, replaceable in tests.

use std::cell::Cell;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::statvfs;
use rustix::process::geteuid;

use crate::cli::inquiry;
use crate::license::client::connect::Trace;
use crate::license::client::fault::Fault;
use crate::license::client::proxy::ProxyVariables;
use crate::license::client::{LicenseConfig, LicenseServer, Network, ServerUrl, TIMEOUT};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_daemon::port_holder::{self, Holder};
use opterius_host::helper;
use opterius_host::host::Host;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::tool::{Output, Tool};
use opterius_license::address;
use opterius_license::inquiry::Inquiry;
use opterius_license::outcome::{Answer, Failure};

/// The time limit of one program.
const TOOL: Duration = Duration::from_secs(4);
/// The time limit of all programs together; the two connections to each license server and the discovery of the address add up
/// to 23 seconds more.
const TOOLS: Duration = Duration::from_secs(8);
/// The time limit of a request to the daemon, which answers from memory.
const DAEMON: Duration = Duration::from_secs(3);

/// The time limit of the helper's look at nginx and its sites.
const SITES: Duration = Duration::from_secs(25);

/// The host that the checks examine.
pub struct System<'a> {
    /// The root directory of the host's files.
    pub root: PathBuf,
    /// The configuration file.
    pub config_path: PathBuf,
    /// Whether the checks run as root.
    pub is_root: bool,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Access to programs and the network.
    pub probe: &'a dyn Probe,
}

impl System<'_> {
    /// Where an absolute path of the host, such as `/etc/hosts`, is found.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// The text of a file of the host, with U+FFFD for what is not UTF-8; empty if it cannot be read.
    pub fn read(&self, absolute: &str) -> String {
        lines::text(&self.path(absolute), lines::MAX_FILE)
    }

    /// Whether systemd manages the host's services.
    pub fn has_systemd(&self) -> bool {
        self.path("/run/systemd/system").is_dir()
    }

    /// A program's output; `None` if it is not installed or fails.
    pub fn printed(&self, program: &str, arguments: &[&str]) -> Option<String> {
        self.probe.tool(program, arguments).ok().filter(Output::is_success).map(|output| output.stdout)
    }
}

/// Free space on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// The device number, which identifies the file system.
    pub device: u64,
    /// The size in bytes.
    pub bytes: u64,
    /// Free bytes available to ordinary users.
    pub free_bytes: u64,
    /// The number of inodes; 0 if the file system has no fixed number.
    pub inodes: u64,
    /// Free inodes.
    pub free_inodes: u64,
}

/// One of the license servers.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The license settings.
    pub config: &'a LicenseConfig,
    /// The server.
    pub server: &'a ServerUrl,
}

/// The checks' access to programs and the network.
pub trait Probe {
    /// Runs a program of the host.
    ///
    /// # Errors
    /// The program is not installed, did not start, or timed out.
    fn tool(&self, name: &str, arguments: &[&str]) -> Result<Output, Problem>;

    /// Whether a program is installed.
    fn has(&self, name: &str) -> bool;

    /// Where the daemon looks for its helper program.
    fn helper(&self) -> PathBuf;

    /// The helper's own finding about nginx and its sites, for this configuration file.
    ///
    /// # Errors
    /// The helper did not start, or timed out.
    fn sites(&self, config: &Path) -> Result<Output, Problem>;

    /// Status and body of the daemon's response to a `GET`.
    ///
    /// # Errors
    /// Why no response arrived.
    fn daemon(&self, address: SocketAddr, path: &str) -> Result<(u16, String), String>;

    /// The process that listens on this address, if visible.
    fn holder(&self, address: SocketAddr) -> Option<Holder>;

    /// Opens a connection to a license server like the daemon, with its proxy variables, and sends no request. Returns how
    /// far it came, and the step that failed.
    fn open(&self, target: &Target<'_>, variables: &ProxyVariables) -> (Trace, Result<(), Fault>);

    /// Sends a verification request to a license server.
    ///
    /// # Errors
    /// Why no answer arrived.
    fn verify(&self, target: &Target<'_>, variables: &ProxyVariables, inquiry: &Inquiry<'_>)
    -> Result<Answer, Failure>;

    /// The source address toward the Internet, and the public address as seen from there.
    fn addresses(&self, config: &LicenseConfig, variables: &ProxyVariables) -> (Option<IpAddr>, Option<IpAddr>);

    /// Free space on the file system that holds `path`.
    ///
    /// # Errors
    /// The operating system's error.
    fn space(&self, path: &Path) -> io::Result<Space>;
}

/// The real host.
#[derive(Default)]
pub struct Machine {
    /// The time that programs have taken.
    spent: Cell<Duration>,
}

impl Machine {
    /// No program has run yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The host that this process runs on.
    pub fn system<'a>(&'a self, config_path: &Path) -> System<'a> {
        System {
            root: PathBuf::from("/"),
            config_path: config_path.to_owned(),
            is_root: geteuid().is_root(),
            clock: &SystemClock,
            probe: self,
        }
    }
}

impl Probe for Machine {
    fn tool(&self, name: &str, arguments: &[&str]) -> Result<Output, Problem> {
        let (spent, started) = (self.spent.get(), SystemClock.monotonic());
        let output = Tool::named(name)?.args(arguments).run(Deadline::within(TOOL.min(TOOLS.saturating_sub(spent))));
        self.spent.set(spent + SystemClock.monotonic().saturating_duration_since(started));
        output
    }

    fn has(&self, name: &str) -> bool {
        Host::tool(name).is_some()
    }

    fn helper(&self) -> PathBuf {
        helper::client::program()
    }

    fn sites(&self, config: &Path) -> Result<Output, Problem> {
        Tool::at(self.helper()).arg("--config").arg(config).arg("check").run(Deadline::within(SITES))
    }

    fn daemon(&self, address: SocketAddr, path: &str) -> Result<(u16, String), String> {
        inquiry::get(address, path, DAEMON)
    }

    fn holder(&self, address: SocketAddr) -> Option<Holder> {
        port_holder::find(address)
    }

    fn open(&self, target: &Target<'_>, variables: &ProxyVariables) -> (Trace, Result<(), Fault>) {
        let mut trace = Trace::default();
        let opened = Network::new(variables.clone()).open(target.config, target.server, TIMEOUT, &mut trace).map(drop);
        (trace, opened)
    }

    fn verify(
        &self,
        target: &Target<'_>,
        variables: &ProxyVariables,
        inquiry: &Inquiry<'_>,
    ) -> Result<Answer, Failure> {
        Network::new(variables.clone()).ask(target.config, target.server, TIMEOUT, inquiry)
    }

    fn addresses(&self, config: &LicenseConfig, variables: &ProxyVariables) -> (Option<IpAddr>, Option<IpAddr>) {
        let source = address::source_address();
        let public = source.filter(|source| address::is_public(*source));
        (source, public.or_else(|| Network::new(variables.clone()).discover(config)))
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
