//! The daemon: starts the threads, waits for signals, and watches that every thread lives.
//!
//! [`run`] takes everything it depends on as an argument, so a test runs the real thing with its own clock, license
//! server, signals and threads.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use log::{error, info, warn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::agent::configuration::{self, Configuration, Loaded};
use crate::agent::log::{Logger, SYSLOG_SOCKET};
use crate::agent::output::complain;
use crate::agent::signals::{self, Signals};
use crate::agent::{EXIT_FAILURE, EXIT_INTERNAL, exit_code, limits, listener};
use crate::api::health::Host as Health;
use crate::api::{Api, SharedSettings};
use crate::clock::{Clock, SystemClock};
use crate::http::front::{Control, Front, Lanes};
use crate::http::lane::{self, Lane, Waker};
use crate::http::limits::{Limits, STOP_TIME};
use crate::license::client::{LicenseServer, Network};
use crate::license::identity;
use crate::license::state::{Host, License};
use crate::license::verifier::Verifier;

/// Starts a thread with this name that does this.
pub type Spawn = dyn Fn(&str, Box<dyn FnOnce() + Send>) -> io::Result<()>;

/// What the daemon depends on besides its configuration.
pub struct Surroundings {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Who answers verifications.
    pub server: Box<dyn LicenseServer>,
    /// Where signals arrive.
    pub signals: Signals,
    /// Who we are.
    pub host: Host,
    /// How threads are started.
    pub spawn: Box<Spawn>,
}

impl Surroundings {
    /// The real ones.
    pub fn of_process(signals: Signals) -> Self {
        Self {
            clock: Arc::new(SystemClock),
            server: Box::new(Network),
            signals,
            host: host(),
            spawn: Box::new(|name, body| thread::Builder::new().name(name.to_owned()).spawn(body).map(drop)),
        }
    }
}

/// Why the daemon ended other than by being told to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A thread that must live has ended.
    ThreadEnded(String),
    /// It was told to stop twice, and requests were cut off.
    StoppedAtOnce,
    /// The system refused something at start.
    Start(String),
}

/// Runs the daemon of this process; returns its exit code.
pub fn start(path: &Path) -> u8 {
    // First of all: a SIGHUP that comes early asks for a check and must not end the process.
    let signals = Signals::of_process().map_err(cannot_start);
    let loaded = match configuration::load(path) {
        Ok(loaded) => loaded,
        Err(error) => {
            // Where the log goes is not known yet, and journalctl must show why the service does not start.
            complain(&error.to_string());
            return exit_code(&error);
        }
    };
    let Loaded { configuration, warnings } = loaded;
    let target = configuration.log;
    Logger::new(target, Path::new(SYSLOG_SOCKET)).install();
    report_panics();
    if target == configuration::LogTarget::Syslog && !Path::new(SYSLOG_SOCKET).exists() {
        complain(&format!(
            "{SYSLOG_SOCKET} does not exist: with log=syslog nothing is logged until a syslog daemon runs"
        ));
    }
    for warning in warnings.into_iter().chain(configuration::tighten(path)) {
        warn!("{warning}");
    }
    let address = SocketAddr::new(configuration.listen_addr, configuration.port);
    let ended = signals.and_then(|signals| {
        let listener = listener::listen_on(address).map_err(Failure::Start)?;
        run(listener, configuration, path.to_owned(), Surroundings::of_process(signals))
    });
    match ended {
        Ok(()) => 0,
        Err(Failure::Start(sentence)) => {
            error!("{sentence}");
            if target != configuration::LogTarget::Stderr {
                complain(&sentence);
            }
            EXIT_FAILURE
        }
        Err(Failure::StoppedAtOnce) => EXIT_FAILURE,
        Err(Failure::ThreadEnded(_)) => EXIT_INTERNAL,
    }
}

/// A panic is a defect. It is told to whoever reads the log and ends the process; the service manager starts a new one.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current().name().unwrap_or("unnamed").to_owned();
        let sentence = format!("internal error in thread {thread}: {panic}");
        // stderr first: the panic may have come from the log itself.
        complain(&sentence);
        error!("{sentence}");
        std::process::exit(i32::from(EXIT_INTERNAL));
    }));
}

/// Reads who we are.
pub fn host() -> Host {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let uname = rustix::system::uname();
    let server_id = identity::server_id(&read("/etc/machine-id"));
    if server_id.is_empty() {
        warn!(
            "/etc/machine-id is missing or empty: this server has no identity of its own. Run: systemd-machine-id-setup"
        );
    }
    Host {
        server_id,
        boot_id: read("/proc/sys/kernel/random/boot_id").trim().to_owned(),
        hostname: uname.nodename().to_string_lossy().into_owned(),
        os: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
    }
}

/// Runs the daemon on `listener` until a signal ends it.
///
/// # Errors
/// It ended otherwise; the log says why.
pub fn run(
    listener: TcpListener,
    configuration: Configuration,
    path: PathBuf,
    surroundings: Surroundings,
) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(cannot_start)?;
    let (daemon, front) = Daemon::start(listener, configuration, path, surroundings).map_err(cannot_start)?;
    info!("opterius-agent {} listening on {address}", env!("CARGO_PKG_VERSION"));
    daemon.watch(&front)
}

fn cannot_start(error: io::Error) -> Failure {
    Failure::Start(format!("cannot start: {error}"))
}

/// Tells the main thread that a thread has ended, however it did.
struct Lifeline {
    name: String,
    ended: Sender<String>,
    waker: Waker,
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        let _ = self.ended.send(std::mem::take(&mut self.name));
        self.waker.wake();
    }
}

/// What the main thread holds.
struct Daemon {
    path: PathBuf,
    configuration: Configuration,
    settings: SharedSettings,
    license: Arc<License>,
    signals: Signals,
    clock: Arc<dyn Clock>,
    ended: Receiver<String>,
    waker: Waker,
}

impl Daemon {
    /// Starts all threads.
    fn start(
        listener: TcpListener,
        configuration: Configuration,
        path: PathBuf,
        surroundings: Surroundings,
    ) -> io::Result<(Self, Control)> {
        let Surroundings { clock, server, signals, host, spawn } = surroundings;
        let (sender, ended) = unbounded();
        let waker = Waker::new()?;
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            let lifeline = Lifeline { name: name.to_owned(), ended: sender.clone(), waker: waker.clone() };
            spawn(
                name,
                Box::new(move || {
                    let _lifeline = lifeline;
                    body();
                }),
            )
        };

        let (license, woken) = License::new(&host);
        let license_settings = Arc::new(configuration.license.clone());
        let verifier = Verifier::new(Arc::clone(&license), woken, Arc::clone(&clock), server, host, license_settings);

        let settings: SharedSettings = Arc::new(RwLock::new(Arc::new(configuration.api())));
        let health = Health::read();
        let api = Api::new(Arc::clone(&settings), Arc::clone(&license), Arc::clone(&clock), health);
        let connections = limits::connections(configuration.max_connections).map_err(io::Error::other)?;
        let limits = Limits { connections };
        let (reads, read_jobs) = Lane::new(limits.connections);
        let (writes, write_jobs) = Lane::new(limits.connections);
        let (front, control) =
            Front::new(listener, Arc::clone(&clock), Box::new(api), Lanes { reads, writes }, limits)?;

        for number in 0..configuration.request_threads {
            let (kind, jobs) = if number % 2 == 0 { ("read", &read_jobs) } else { ("write", &write_jobs) };
            let jobs = jobs.clone();
            spawn(&format!("{kind}-{}", number / 2 + 1), Box::new(move || lane::run(&jobs)))?;
        }
        spawn("verifier", Box::new(move || verifier.run()))?;
        spawn(
            FRONT,
            Box::new(move || {
                if let Err(error) = front.run() {
                    error!("The front thread cannot go on: {error}");
                }
            }),
        )?;
        Ok((Self { path, configuration, settings, license, signals, clock, ended, waker }, control))
    }

    /// Waits for signals and for threads that end.
    fn watch(mut self, front: &Control) -> Result<(), Failure> {
        let mut stopping: Option<Instant> = None;
        loop {
            self.wait(stopping);
            self.waker.clear();
            while let Ok(name) = self.ended.try_recv() {
                match stopping {
                    Some(_) if name == FRONT => return self.end(),
                    Some(_) => {}
                    None => return Err(self.thread_ended(name)),
                }
            }
            let terminations = signals::take(&self.signals.terminate);
            // Signals that came together are one: timeout(1) sends to a process and to its group.
            if terminations > 0 && stopping.is_some() {
                warn!("Stopped at once by a second signal");
                return Err(Failure::StoppedAtOnce);
            }
            if terminations > 0 {
                info!("Stopping: running requests have {} s", STOP_TIME.as_secs());
                front.stop();
                stopping = Some(self.clock.monotonic() + STOP_TIME + Duration::from_secs(1));
            }
            if stopping.is_some_and(|until| self.clock.monotonic() >= until) {
                return self.end();
            }
            if signals::take(&self.signals.hangup) > 0 {
                self.reload();
            }
        }
    }

    fn wait(&self, until: Option<Instant>) {
        let mut descriptors = [
            PollFd::new(&self.signals.hangup, PollFlags::IN),
            PollFd::new(&self.signals.terminate, PollFlags::IN),
            PollFd::new(self.waker.descriptor(), PollFlags::IN),
        ];
        let left =
            until.map(|until| until.saturating_duration_since(self.clock.monotonic()) + Duration::from_millis(1));
        // An interrupted wait looks at everything once too often.
        let _ = poll(&mut descriptors, left.and_then(|left| Timespec::try_from(left).ok()).as_ref());
    }

    fn end(&self) -> Result<(), Failure> {
        self.license.stop();
        info!("Stopped");
        Ok(())
    }

    /// No ghosts: without one of its threads the daemon would look alive and not be.
    fn thread_ended(&self, name: String) -> Failure {
        let sentence = format!("internal error: the thread {name} has ended; the Agent ends with it");
        error!("{sentence}");
        if self.configuration.log != configuration::LogTarget::Stderr {
            complain(&sentence);
        }
        self.license.stop();
        Failure::ThreadEnded(name)
    }

    /// SIGHUP: the new configuration if it is good in every line, else the old one; a check in either case.
    fn reload(&mut self) {
        match configuration::load(&self.path) {
            Err(error) => {
                error!("{error}. The configuration in use stays");
                self.license.reload(None);
            }
            Ok(Loaded { configuration, warnings }) => {
                for warning in warnings.into_iter().chain(configuration::tighten(&self.path)) {
                    warn!("{warning}");
                }
                for key in configuration.needs_restart(&self.configuration) {
                    warn!("{key} has changed and takes effect at the next restart: systemctl restart opterius-agent");
                }
                *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(configuration.api());
                self.license.reload(Some(Arc::new(configuration.license.clone())));
                self.configuration = configuration;
                info!("{} was read again", self.path.display());
            }
        }
    }
}

/// The name of the thread that ends first when the daemon is told to stop.
const FRONT: &str = "front";
