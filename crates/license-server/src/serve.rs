//! The daemon: opens the installation, starts the threads, and runs until a signal stops it.
//!
//! [`run`] takes all its dependencies as arguments, so tests run the real daemon with their own clock, signals and threads.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::bounded;
use log::{error, info, warn};

use crate::api::Api;
use crate::cause::cause;
use crate::commands::progress::Progress;
use crate::config::{self, Config, Loaded};
use crate::installation::{DataDir, Installation};
use crate::installation_error::InstallationError;
use crate::keys::SigningKeys;
use crate::shared::Shared;
use crate::store::readers::Readers;
use crate::store::writer::Writer;
use crate::store::{self, Database, clean_end};
use crate::{PROGRAM, activation_gc, deferred_check_ins, expiry_notices, refusal_writer, startup, statistics};
use opterius_base::clock::{Clock, SystemClock};
use opterius_daemon::limits;
use opterius_daemon::listener::{self, Source};
use opterius_daemon::notify::{Notifier, Report};
use opterius_daemon::signals::Signals;
use opterius_daemon::supervisor::{self, Failure, Lifecycle, Spawn, Stop, Supervisor, conclude};
use opterius_daemon::watchdog::Watchdog;
use opterius_http::front::{Front, Lanes};
use opterius_http::lane::{self, Lane};
use opterius_http::limits::{Limits, STOP_TIME};

/// The path that the watchdog requests. A 503 for a failing store also counts as alive: a restart would not help.
const WATCHDOG_PATH: &str = "/health";

/// The source of the listen address, for error messages.
const SOURCE: Source = Source { file: "license-server.conf", elsewhere: "" };

/// The maximum numbers of queued pages and forms. A connection with a queued request is never closed, so these stay far
/// below the number of connections: a busy dashboard leaves room for verifications.
const PAGE_QUEUE: usize = 256;
const FORM_QUEUE: usize = 64;

/// Threads for pages (read-only), and as many for forms (which change something or check a password).
const THREADS_PER_LANE: usize = 2;

/// Links that wait for a mail to be sent, and threads that send one each: the number of mail programs at a time.
const MAIL_QUEUE: usize = 16;
const MAIL_THREADS: usize = 2;

/// The dependencies of the daemon besides its configuration and its installation.
pub struct Dependencies {
    /// The time source.
    pub clock: Arc<dyn Clock>,
    /// The signals.
    pub signals: Signals,
    /// Starts threads.
    pub spawn: Box<Spawn>,
    /// The service manager to notify.
    pub notifier: Notifier,
}

impl Dependencies {
    /// The dependencies of a real process.
    pub fn of_process(signals: Signals, notifier: Notifier) -> Self {
        Self { clock: Arc::new(SystemClock), signals, spawn: supervisor::spawn(), notifier }
    }
}

/// Runs the daemon of this process; returns its exit code.
pub fn start(path: &Path) -> u8 {
    // First, because an early SIGHUP must not terminate the process.
    let signals = Signals::of_process().map_err(Failure::start);
    let config = match startup::prepare(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let target = config.log;
    let data_dir = DataDir::of(&config);
    let opened = open(&data_dir).and_then(|installation| Ok((data_dir.locks().lock_server()?, installation)));
    let (_lock, installation) = match opened {
        Ok(opened) => opened,
        Err(error) => return startup::refused(path, &error),
    };
    let address = SocketAddr::new(config.listen_addr, config.port);
    let ended = signals.and_then(|signals| {
        let notifier = Notifier::of_process();
        let listener = listener::keep_listening_on(address, SOURCE, &notifier).map_err(Failure::Start)?;
        run(listener, config, installation, Some(path), Dependencies::of_process(signals, notifier))
    });
    conclude(&ended, PROGRAM, target)
}

/// Opens the installation. Checks the whole database first, unless it is as this program left it and needs no upgrade.
fn open(data_dir: &DataDir) -> Result<Installation, InstallationError> {
    data_dir.check_not_restoring()?;
    let Some(path) = data_dir.database().file() else { return data_dir.open() };
    if clean_end::is_as_left(path) && !store::is_outdated(path)? {
        return data_dir.open();
    }
    // Also while the schema is upgraded.
    let _progress = Progress::start_in_service("Checking the database");
    let begin = SystemClock.monotonic();
    store::check_intact(path)?;
    let took = SystemClock.monotonic().saturating_duration_since(begin).as_secs_f64();
    let installation = data_dir.open()?;
    info!("Checked the whole database in {took:.1} s, because it is not as a clean stop left it");
    Ok(installation)
}

/// Runs the daemon on `listener` until a signal stops it. `path` is the configuration file that SIGHUP reloads, if any.
///
/// # Errors
/// The daemon failed; the log says why.
pub fn run(
    listener: TcpListener,
    config: Config,
    installation: Installation,
    path: Option<&Path>,
    dependencies: Dependencies,
) -> Result<(), Failure> {
    let Dependencies { clock, signals, spawn, notifier } = dependencies;
    let address = listener.local_addr().map_err(Failure::start)?;
    let Installation { mut database, keys, form_secret } = installation;
    warn_if_clock_is_behind(&mut database, &*clock);
    deferred_check_ins::apply_old(&mut database, clock.wall());
    let location = database.location().clone();
    let supervisor = Supervisor::new(spawn).map_err(Failure::start)?;
    let connections = limits::connections(config.max_connections).map_err(Failure::Start)?;
    let failed = |error| Failure::Start(format!("cannot start: {error}"));
    let readers = Readers::open(&location, 2 * THREADS_PER_LANE + 3);
    let readers = readers.map_err(failed)?;
    database.limit_to_requests();
    let (writer, mut writer_thread) = Writer::new(database, Arc::clone(&clock));
    let checkpointer = writer_thread.checkpointer().map_err(failed)?;
    let second_writer = writer_thread.second().map_err(failed)?;
    let shared = Arc::new(Shared::new(Arc::clone(&clock), writer, readers, &form_secret, config.clone(), keys));

    let (reads, read_jobs) = Lane::new(PAGE_QUEUE.min(connections / 4));
    let (writes, write_jobs) = Lane::new(FORM_QUEUE.min(connections / 8));
    let (slow, slow_jobs) = Lane::new(MAIL_QUEUE);
    let api = Api::new(Arc::clone(&shared));
    let (front, control) = Front::new(
        listener,
        Arc::clone(&clock),
        Box::new(api),
        Lanes { reads, writes, transfers: slow.clone(), slow },
        Limits { connections },
    )
    .map_err(Failure::start)?;
    let (stop, stopped) = bounded::<()>(0);
    let start_threads = || {
        supervisor.start("writer", move || writer_thread.run())?;
        if let Some(second_writer) = second_writer {
            supervisor.start("writer-2", move || second_writer.run())?;
        }
        if let Some(checkpointer) = checkpointer {
            supervisor.start("checkpointer", move || checkpointer.run())?;
        }
        for number in 1..=THREADS_PER_LANE {
            for (kind, jobs) in [("page", read_jobs.clone()), ("form", write_jobs.clone())] {
                supervisor.start(&format!("{kind}-{number}"), move || lane::run(&jobs))?;
            }
        }
        for number in 1..=MAIL_THREADS {
            let jobs = slow_jobs.clone();
            supervisor.start(&format!("mail-{number}"), move || lane::run(&jobs))?;
        }
        let (gc_shared, gc_stopped) = (Arc::clone(&shared), stopped.clone());
        supervisor.start("activation-gc", move || activation_gc::run(&gc_shared, &gc_stopped))?;
        let (log_shared, log_stopped) = (Arc::clone(&shared), stopped.clone());
        supervisor.start("refusal-log", move || refusal_writer::run(&log_shared, &log_stopped))?;
        let (deferred_shared, deferred_stopped) = (Arc::clone(&shared), stopped.clone());
        supervisor.start("check-ins", move || deferred_check_ins::run(&deferred_shared, &deferred_stopped))?;
        let (statistics_shared, statistics_stopped) = (Arc::clone(&shared), stopped.clone());
        supervisor.start("statistics", move || statistics::run(&statistics_shared, &statistics_stopped))?;
        let notices_shared = Arc::clone(&shared);
        supervisor.start("expiry-notices", move || expiry_notices::run(&notices_shared, &stopped))?;
        supervisor.start_front(move || front.run())
    };
    start_threads().map_err(Failure::start)?;
    info!("opterius-license-server {} listening on {address}", env!("CARGO_PKG_VERSION"));
    supervisor
        .start_watchdog(Watchdog::of_process(listener::from_here(address), WATCHDOG_PATH))
        .map_err(Failure::start)?;
    let mut daemon = Daemon { shared: &shared, path, config, address };
    let stop_front = Stop { begin: Box::new(move || control.stop()), time: STOP_TIME };
    supervisor.watch(&signals, &*clock, &stop_front, notifier, &mut daemon)?;
    if let Err(error) = statistics::store(&shared, None) {
        warn!("The verifications of the last minute could not be stored for the overview: {error}");
    }
    shared.sweeping.release();
    drop(stop);
    if let Some(path) = location.file() {
        // A commit after this would look like the trace of a kill.
        shared.writer.close();
        leave(path);
    }
    info!("Stopped");
    Ok(())
}

/// Leaves the file so that the next start need not check all of it.
fn leave(path: &Path) {
    match store::checkpoint_on_exit(path) {
        Ok(()) => {
            if let Err(error) = clean_end::remember(path) {
                warn!("The next start will check the whole database: {}", cause(&error));
            }
        }
        Err(error) => warn!(
            "The write-ahead log could not be checkpointed and stays beside the database until the next start: {error}"
        ),
    }
}

/// Warns if the clock is behind the last history entry: expired licenses would become valid again.
fn warn_if_clock_is_behind(database: &mut Database, clock: &dyn Clock) {
    let now = clock.wall();
    let latest = database.read(|transaction| transaction.history(None, None, 1));
    match latest.ok().and_then(|events| events.first().map(|event| event.at)) {
        Some(latest) if latest > now => warn!(
            "The clock says {now}, but the latest history entry is from {latest}. Expiry and activity depend on the clock: \
             check it with timedatectl"
        ),
        _ => {}
    }
}

/// The state of the main thread.
struct Daemon<'a> {
    shared: &'a Shared,
    path: Option<&'a Path>,
    config: Config,
    address: SocketAddr,
}

impl Lifecycle for Daemon<'_> {
    fn reload(&mut self) {
        if let Some(path) = self.path {
            reload(self.shared, path, &mut self.config);
        }
    }

    fn report(&self) -> Report {
        Report { line: format!("Answering on {}", self.address), is_settled: true }
    }
}

/// Handles SIGHUP: reloads the configuration, if all of it is valid, and the signing keys.
fn reload(shared: &Shared, path: &Path, in_use: &mut Config) {
    match config::load(path) {
        Err(error) => error!("{error}. The configuration was not reloaded"),
        Ok(Loaded { config, warnings }) => {
            for warning in warnings {
                warn!("{warning}");
            }
            let restart_only = [
                ("listen_addr", config.listen_addr != in_use.listen_addr),
                ("port", config.port != in_use.port),
                ("data_dir", config.data_dir != in_use.data_dir),
                ("database", config.database != in_use.database),
                ("max_connections", config.max_connections != in_use.max_connections),
                ("log", config.log != in_use.log),
            ];
            for (key, _) in restart_only.into_iter().filter(|(_, changed)| *changed) {
                warn!("{key} has changed. To apply it, run: systemctl restart opterius-license-server");
            }
            shared.set_config(config.clone());
            *in_use = Config { data_dir: in_use.data_dir.clone(), database: in_use.database.clone(), ..config };
            info!("Reloaded {}", path.display());
        }
    }
    match SigningKeys::load(&DataDir::of(in_use).keys_path()) {
        Ok(keys) if keys.installation() == shared.keys().installation() => {
            info!("Responses are signed with: {}", keys.public_keys());
            shared.set_keys(keys);
        }
        Ok(_) => error!("The signing keys belong to another installation. The keys were not reloaded"),
        Err(error) => error!("{error}. The keys were not reloaded"),
    }
}
