//! The daemon: starts the threads and runs until a signal stops it or a thread dies.
//!
//! [`run`] takes all dependencies as arguments, so that tests can run the real daemon with their own clock, license server,
//! signals and threads.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use log::{error, info, warn};

use crate::api::Api;
use crate::api::config::SharedConfig;
use crate::api::health::OsInfo;
use crate::api::metrics::ApiMetrics;
use crate::api::operations::{Operations, counter, issuer};
use crate::api::queue::Queue;
use crate::api::sampler::{Metrics, Pace};
use crate::config::file;
use crate::config::{Config, Loaded};
use crate::license::client::proxy::ProxyVariables;
use crate::license::client::{LicenseServer, Network};
use crate::license::log_lines;
use crate::license::state::{HostIdentity, License};
use crate::license::verifier::Verifier;
use crate::program::{PROGRAM, complain};
use opterius_base::clock::{Clock, SystemClock};
use opterius_daemon::config_file::Error;
use opterius_daemon::limits;
use opterius_daemon::listener::{self, Source};
use opterius_daemon::log::{LogTarget, Logger, SYSLOG_SOCKET};
use opterius_daemon::notify::{Notifier, Report};
use opterius_daemon::signals::Signals;
use opterius_daemon::supervisor::{self, Failure, Lifecycle, Spawn, Stop, Supervisor, conclude, report_panics};
use opterius_daemon::watchdog::Watchdog;
use opterius_http::front::{Control, Front, Lanes};
use opterius_http::lane::{self, Lane};
use opterius_http::limits::{Limits, STOP_TIME};
use opterius_license::identity;

/// The path that the watchdog requests: the front thread answers it from the verifier's published state.
const WATCHED: &str = "/license/status";

/// How many operations run at the same time that wait for other machines or work on much data: two backups, the most that the
/// helper accepts, and one more.
const SLOW_THREADS: u32 = 3;

/// How many uploads are received and files sent at the same time. Others wait for one to end.
const TRANSFER_THREADS: u32 = 4;

/// Where the listen address is configured, for error messages.
const SOURCE: Source = Source { file: "agent.conf", elsewhere: " and in the Panel" };

/// The warning about a server without an identity.
pub const NO_MACHINE_ID: &str = "/etc/machine-id is missing, empty or not initialized: this server has no identity of its \
                                 own, by which the license server could tell it from others";

/// How to give the server an identity. systemd-machine-id-setup alone keeps an ID of zeros.
pub const MACHINE_ID_SETUP: &str = "rm -f /etc/machine-id; systemd-machine-id-setup; systemctl restart opterius-agent";

/// The daemon's dependencies besides its configuration.
pub struct Dependencies {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The license server.
    pub server: Box<dyn LicenseServer>,
    /// Incoming signals.
    pub signals: Signals,
    /// The identity of this host.
    pub host: HostIdentity,
    /// Starts threads.
    pub spawn: Box<Spawn>,
    /// Notifies the service manager.
    pub notifier: Notifier,
}

impl Dependencies {
    /// The dependencies of a real process.
    pub fn of_process(signals: Signals, notifier: Notifier) -> Self {
        let (clock, server) = (Arc::new(SystemClock), Box::new(Network::new(ProxyVariables::own())));
        Self { clock, server, signals, host: host(), spawn: supervisor::spawn(), notifier }
    }
}

/// Runs the daemon in this process; returns its exit code.
pub fn start(path: &Path) -> u8 {
    // Before anything else: an early SIGHUP must request a check, not kill the process.
    let signals = Signals::of_process().map_err(Failure::start);
    let loaded = match file::load(path) {
        Ok(loaded) => loaded,
        Err(error) => {
            // The log target is not known yet, and journalctl must show why the service does not start.
            complain(&error.to_string());
            return error.exit_code();
        }
    };
    let Loaded { config, warnings } = loaded;
    let target = config.log;
    Logger::new(PROGRAM.name, target, Path::new(SYSLOG_SOCKET)).install();
    report_panics(PROGRAM);
    if target == LogTarget::Syslog && !Path::new(SYSLOG_SOCKET).exists() {
        complain(&format!(
            "{SYSLOG_SOCKET} does not exist: with log=syslog nothing is logged until a syslog daemon is running"
        ));
    }
    for warning in warnings.into_iter().chain(file::tighten(path)) {
        warn!("{warning}");
    }
    let address = SocketAddr::new(config.listen_addr, config.port);
    let ended = signals.and_then(|signals| {
        let notifier = Notifier::of_process();
        let listener = listener::keep_listening_on(address, SOURCE, &notifier).map_err(Failure::Start)?;
        run(listener, config, path.to_owned(), Dependencies::of_process(signals, notifier))
    });
    conclude(&ended, PROGRAM, target)
}

/// Reads the identity of this host.
pub fn host() -> HostIdentity {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let uname = rustix::system::uname();
    let server_id = identity::server_id(&read("/etc/machine-id"));
    if server_id.is_empty() {
        warn!("{NO_MACHINE_ID}. Run: {MACHINE_ID_SETUP}");
    }
    HostIdentity {
        server_id,
        boot_id: read("/proc/sys/kernel/random/boot_id").trim().to_owned(),
        hostname: uname.nodename().to_string_lossy().into_owned(),
        os: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
    }
}

/// Runs the daemon on `listener` until a signal stops it.
///
/// # Errors
/// Any other end; [`conclude`] logs it.
pub fn run(listener: TcpListener, config: Config, path: PathBuf, dependencies: Dependencies) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(Failure::start)?;
    let Dependencies { clock, server, signals, host, spawn, notifier } = dependencies;
    let supervisor = Supervisor::new(spawn).map_err(Failure::start)?;
    let verifier_parts = VerifierParts { clock: Arc::clone(&clock), server, host };
    let (mut daemon, front) =
        Daemon::start(&supervisor, listener, config, path, verifier_parts).map_err(Failure::start)?;
    info!("opterius-agent {} listening on {address}", env!("CARGO_PKG_VERSION"));
    supervisor.start_watchdog(Watchdog::of_process(listener::from_here(address), WATCHED)).map_err(Failure::start)?;
    let ended = supervisor.watch(
        &signals,
        &*clock,
        &Stop { begin: Box::new(move || front.stop()), time: STOP_TIME },
        notifier,
        &mut daemon,
    );
    // A second signal leaves no time for a clean stop.
    if ended != Err(Failure::StoppedAtOnce) {
        daemon.license.stop();
    }
    if ended.is_ok() {
        info!("Stopped");
    }
    ended
}

/// The state of the main thread.
struct Daemon {
    path: PathBuf,
    config: Config,
    api_config: SharedConfig,
    license: Arc<License>,
    clock: Arc<dyn Clock>,
    /// How many checks had finished at the latest reload.
    checks_before: u64,
}

/// The dependencies of the verifier thread.
struct VerifierParts {
    clock: Arc<dyn Clock>,
    server: Box<dyn LicenseServer>,
    host: HostIdentity,
}

impl Daemon {
    /// Starts all threads.
    fn start(
        supervisor: &Supervisor,
        listener: TcpListener,
        config: Config,
        path: PathBuf,
        verifier_parts: VerifierParts,
    ) -> io::Result<(Self, Control)> {
        let VerifierParts { clock, server, host } = verifier_parts;
        let waker = supervisor.waker();
        let (license, woken) = License::new(&host, Box::new(move || waker.wake()));
        let license_config = Arc::new(config.license.clone());
        let reread_path = path.clone();
        let reread = Box::new(move || read_again(&reread_path).map(|loaded| loaded.config.license));
        let verifier =
            Verifier::new(Arc::clone(&license), woken, Arc::clone(&clock), server, host, license_config, reread);

        let api_config: SharedConfig = Arc::new(RwLock::new(Arc::new(config.api(&path))));
        let health = OsInfo::read();
        let root = config.host_root.clone();
        let (metrics, sampler) = Metrics::new(Arc::clone(&clock), root, Pace::default());
        let (queue, waiting) = Queue::new();
        let api_metrics = Arc::<ApiMetrics>::default();
        let issuer = api_metrics.watched_queue(&clock, issuer(Arc::clone(&api_config), path.clone()));
        let count = counter(Arc::clone(&api_config), Arc::clone(&api_metrics), Arc::clone(&clock));
        let operations = Operations::new(path.clone(), queue);
        let api = Api::new(
            Arc::clone(&api_config),
            Arc::clone(&license),
            Arc::clone(&clock),
            health,
            operations,
            metrics,
            api_metrics,
        );
        let connections = limits::connections(config.max_connections).map_err(io::Error::other)?;
        let limits = Limits { connections };
        let (reads, read_jobs) = Lane::new(limits.connections);
        let (writes, write_jobs) = Lane::new(limits.connections);
        let (slow, slow_jobs) = Lane::new(limits.connections);
        let (transfers, transfer_jobs) = Lane::new(limits.connections);
        let (front, control) =
            Front::new(listener, Arc::clone(&clock), Box::new(api), Lanes { reads, writes, slow, transfers }, limits)?;

        for number in 0..config.request_threads {
            let (kind, jobs) = if number % 2 == 0 { ("read", &read_jobs) } else { ("write", &write_jobs) };
            let jobs = jobs.clone();
            supervisor.start(&format!("{kind}-{}", number / 2 + 1), move || lane::run(&jobs))?;
        }
        for number in 1..=SLOW_THREADS {
            let jobs = slow_jobs.clone();
            supervisor.start(&format!("slow-{number}"), move || lane::run(&jobs))?;
        }
        for number in 1..=TRANSFER_THREADS {
            let jobs = transfer_jobs.clone();
            supervisor.start(&format!("transfer-{number}"), move || lane::run(&jobs))?;
        }
        supervisor.start("metrics", move || sampler.run())?;
        supervisor.start("certificates", move || waiting.run(&issuer, &*count))?;
        supervisor.start("verifier", move || verifier.run())?;
        supervisor.start_front(move || front.run())?;
        Ok((Self { path, config, api_config, license, clock, checks_before: 0 }, control))
    }
}

/// Reads the configuration of a running daemon; `None`, after a line in the log, if it is invalid.
fn read_again(path: &Path) -> Option<Loaded> {
    let keep = |error: &Error| error!("{error}. The Agent keeps its current configuration");
    file::load(path).inspect_err(keep).ok()
}

impl Lifecycle for Daemon {
    /// SIGHUP: uses the new configuration if it is valid, otherwise keeps the old one; requests a check either way.
    fn reload(&mut self) {
        self.checks_before = self.license.state().checks_ended;
        match read_again(&self.path) {
            None => self.license.reload(None),
            Some(Loaded { config, warnings }) => {
                for warning in warnings.into_iter().chain(file::tighten(&self.path)) {
                    warn!("{warning}");
                }
                for key in config.needs_restart(&self.config) {
                    warn!("{key} changed; to apply it, run: systemctl restart opterius-agent");
                }
                *self.api_config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config.api(&self.path));
                self.license.reload(Some(Arc::new(config.license.clone())));
                self.config = config;
                info!("{} reloaded", self.path.display());
            }
        }
    }

    fn report(&self) -> Report {
        let state = self.license.state();
        let line = log_lines::line(&state.standing(self.clock.now()), &state);
        Report { line, is_settled: state.checks_ended > self.checks_before }
    }
}
