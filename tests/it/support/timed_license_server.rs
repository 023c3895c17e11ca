//! The license server in the test process, with a real socket and a clock that the test sets.

use super::TempDirectory;
use super::engine::{DatabasePlace, Engine};
use super::http::{self, Request, Response};
use super::license_database::LicenseDatabase;
use super::license_server_process::{VERIFY, assert_signed};
use opterius_base::clock::{Clock, Timestamp};
use opterius_daemon::notify::Notifier;
use opterius_daemon::signals::{SignalSources, Signals};
use opterius_daemon::supervisor::{self, Failure};
use opterius_license_server::config::{self, Config};
use opterius_license_server::installation::Installation;
use opterius_license_server::serve::{self, Dependencies};
use opterius_license_server::shared::Shared;
use opterius_license_server::store;
use opterius_license_server::store::readers::Readers;
use opterius_license_server::store::writer::Writer;
use opterius_license_server::{activation_gc, expiry_notices, statistics};
use serde_json::Value;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub const DAY: Duration = Duration::from_secs(86_400);

/// The start time of every test: 2027-01-15T08:00:00Z.
pub const BEGINNING: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A clock that advances only when the test says so.
pub struct TestClock {
    began: Instant,
    /// The wall clock and the time since boot.
    now: Mutex<(Timestamp, Duration)>,
}

impl TestClock {
    fn new() -> TestClock {
        TestClock { began: Instant::now(), now: Mutex::new((BEGINNING, DAY)) }
    }

    /// Advances both clocks.
    pub fn pass(&self, time: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = (now.0.plus(time), now.1 + time);
    }

    /// Sets the wall clock only.
    pub fn set(&self, wall: Timestamp) {
        self.now.lock().unwrap().0 = wall;
    }
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        self.now.lock().unwrap().0
    }

    fn boot(&self) -> Duration {
        self.now.lock().unwrap().1
    }

    fn monotonic(&self) -> Instant {
        // Connection deadlines need real time.
        self.began + self.boot() + self.began.elapsed()
    }
}

/// A running license server. Dropping it stops it.
pub struct TimedLicenseServer {
    pub clock: Arc<TestClock>,
    pub database: LicenseDatabase,
    port: u16,
    public_keys: String,
    sources: SignalSources,
    server: Option<JoinHandle<Result<(), Failure>>>,
    /// Last, so that it outlives the server.
    directory: TempDirectory,
}

impl TimedLicenseServer {
    pub fn start() -> TimedLicenseServer {
        let directory = TempDirectory::new();
        let clock = Arc::new(TestClock::new());
        let place = DatabasePlace::new(Engine::of_tests());
        let database = LicenseDatabase::at(place, &directory.path().join("data"), Arc::clone(&clock) as Arc<dyn Clock>);
        let installation = database.data_dir.create(clock.wall()).unwrap_or_else(|error| panic!("{error}"));
        let public_keys = installation.keys.public_keys();
        let (port, sources, server) = serve(installation, &clock);
        TimedLicenseServer { clock, database, port, public_keys, sources, server: Some(server), directory }
    }

    /// Another instance on the database of `first`, with this time on its clock.
    pub fn on_database_of(first: &LicenseDatabase, wall: Timestamp) -> TimedLicenseServer {
        let directory = TempDirectory::new();
        let clock = Arc::new(TestClock::new());
        clock.set(wall);
        let data = first.copy_keys_to(directory.path());
        let database = LicenseDatabase::at(first.place.clone(), &data, Arc::clone(&clock) as Arc<dyn Clock>);
        let installation = database.data_dir.open().unwrap_or_else(|error| panic!("{error}"));
        let public_keys = installation.keys.public_keys();
        let (port, sources, server) = serve(installation, &clock);
        TimedLicenseServer { clock, database, port, public_keys, sources, server: Some(server), directory }
    }

    /// Stops the server as a service manager does, lets time pass, and starts it again, on another port.
    pub fn restart_after(&mut self, time: Duration) {
        self.stop();
        self.clock.pass(time);
        let installation = self.database.data_dir.open().unwrap_or_else(|error| panic!("{error}"));
        let (port, sources, server) = serve(installation, &self.clock);
        (self.port, self.sources, self.server) = (port, sources, Some(server));
    }

    fn stop(&mut self) {
        let _ = self.sources.terminate.write_all(b"1");
        let ended = self.server.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(Ok(())))), "{ended:?}");
        }
    }

    pub fn fetch(&self, request: impl Into<Vec<u8>>) -> Response {
        http::fetch(self.port, request).unwrap_or_else(|error| panic!("no response: {error}"))
    }

    /// Sends a verification and checks the signature of the response.
    pub fn verify(&self, question: &Value) -> Response {
        let response = self.fetch(Request::post(VERIFY).body(question.to_string()));
        assert_signed(&response, &self.public_keys);
        response
    }

    /// Runs garbage collection, as the server does once an hour; returns the number of deleted activations.
    pub fn activation_gc(&self) -> usize {
        let now = self.clock.wall();
        self.beside(|shared| {
            let deleted = activation_gc::collect(shared, now)?;
            activation_gc::collect_servers(shared, now)?;
            Ok(deleted)
        })
    }

    /// Announces expiries to webhooks, as the server does all the time; returns the number of licenses.
    pub fn announce_expiries(&self) -> usize {
        let now = self.clock.wall();
        self.beside(|shared| expiry_notices::announce(shared, now))
    }

    /// Counts all licenses and servers for the overview, as the server does every few minutes.
    pub fn count_figures(&self) {
        self.beside(statistics::update);
    }

    /// Runs what a thread of the server does.
    fn beside<T>(&self, work: impl FnOnce(&Shared) -> Result<T, store::Error>) -> T {
        let Installation { database, keys, form_secret } = self.database.data_dir.open().unwrap();
        let readers = Readers::open(database.location(), 1).unwrap();
        let (writer, writer_thread) = Writer::new(database, Arc::clone(&self.clock) as Arc<dyn Clock>);
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let shared = Shared::new(clock, writer, readers, &form_secret, config(), keys);
        let writer_thread = std::thread::spawn(move || writer_thread.run());
        let done = work(&shared).unwrap_or_else(|error| panic!("{error}"));
        drop(shared);
        writer_thread.join().unwrap();
        done
    }
}

impl Drop for TimedLicenseServer {
    fn drop(&mut self) {
        self.stop();
        let _ = &self.directory;
    }
}

/// Starts the server; returns its port, the sources of its signals, and its thread.
fn serve(installation: Installation, clock: &Arc<TestClock>) -> (u16, SignalSources, JoinHandle<Result<(), Failure>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sources, signals) = Signals::pair().unwrap();
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let server = std::thread::spawn(move || {
        let dependencies = Dependencies { clock, signals, spawn: supervisor::spawn(), notifier: Notifier::default() };
        serve::run(listener, config(), installation, None, dependencies)
    });
    (port, sources, server)
}

fn config() -> Config {
    config::parse("", "license-server.conf").unwrap().config
}
