//! The deliverer: a process of its own that sends the events of the outbox to the receivers of webhooks.
//!
//! It is not part of `serve`, because it connects to machines outside: it has a sandbox of its own, in which there is no
//! signing key, and nothing that it does can hold up a verification.

use std::path::Path;
use std::sync::Arc;

use log::{error, info};

use crate::PROGRAM;
use crate::certificate_file;
use crate::config::{self, Config};
use crate::installation::DataDir;
use crate::startup;
use crate::store::Database;
use crate::store::readers::Readers;
use crate::store::writer::Writer;
use crate::webhooks::connection::Connector;
use crate::webhooks::dispatcher::{Control, Dispatcher};
use opterius_base::clock::{Clock, SystemClock};
use opterius_daemon::notify::{Notifier, Report};
use opterius_daemon::signals::Signals;
use opterius_daemon::supervisor::{self, Failure, Lifecycle, Stop, Supervisor, conclude};

/// How long deliveries that are under way have to end: as long as one can take.
const STOP_TIME: std::time::Duration = std::time::Duration::from_secs(10);

/// Runs the deliverer as this process; returns its exit code.
pub fn start(path: &Path) -> u8 {
    // First, because an early SIGHUP must not terminate the process.
    let signals = Signals::of_process().map_err(Failure::start);
    let config = match startup::prepare(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let target = config.log;
    let data_dir = DataDir::of(&config);
    let opened = data_dir.open_database().and_then(|database| Ok((data_dir.locks().lock_deliverer()?, database)));
    let (_lock, database) = match opened {
        Ok(opened) => opened,
        Err(error) => return startup::refused(path, &error),
    };
    let ended = signals.and_then(|signals| run(database, &config, path, &signals));
    conclude(&ended, PROGRAM, target)
}

fn run(mut database: Database, config: &Config, path: &Path, signals: &Signals) -> Result<(), Failure> {
    let connector = connector(config).map_err(|error| Failure::Start(format!("cannot start: {error}")))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let supervisor = Supervisor::new(supervisor::spawn()).map_err(Failure::start)?;
    database.limit_to_requests();
    let readers = Readers::open(database.location(), 1);
    let readers = readers.map_err(|error| Failure::Start(format!("cannot start: {error}")))?;
    let (writer, writer_thread) = Writer::new(database, Arc::clone(&clock));
    let (dispatcher, control) = Dispatcher::new(readers, writer, Arc::clone(&clock), connector);
    supervisor.start("writer", move || writer_thread.without_clock_steps().run()).map_err(Failure::start)?;
    supervisor
        .start_front(move || {
            dispatcher.run();
            Ok(())
        })
        .map_err(Failure::start)?;
    info!("opterius-license-server {} delivering events", env!("CARGO_PKG_VERSION"));
    let stop_control = control.clone();
    let stop = Stop { begin: Box::new(move || stop_control.stop()), time: STOP_TIME };
    let mut daemon = Daemon { path, control };
    supervisor.watch(signals, &*clock, &stop, Notifier::of_process(), &mut daemon)?;
    info!("Stopped");
    Ok(())
}

/// What opens connections, by these settings.
fn connector(config: &Config) -> Result<Connector, String> {
    let authorities = match &config.webhook_ca_file {
        Some(path) => certificate_file::read(path)?,
        None => Vec::new(),
    };
    Connector::new(config.receivers, &authorities)
}

/// The state of the main thread.
struct Daemon<'a> {
    path: &'a Path,
    control: Control,
}

impl Lifecycle for Daemon<'_> {
    fn reload(&mut self) {
        let loaded = config::load(self.path).map_err(|error: opterius_daemon::config_file::Error| error.to_string());
        match loaded.and_then(|loaded| connector(&loaded.config)) {
            Ok(connector) => {
                self.control.set_connector(connector);
                info!("Reloaded {}", self.path.display());
            }
            Err(error) => error!("{error}. The configuration was not reloaded"),
        }
    }

    fn report(&self) -> Report {
        Report { line: "Delivering events to webhooks".to_owned(), is_settled: true }
    }
}
