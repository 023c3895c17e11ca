//! The daemon's threads, in the test process: the tests control its clock, license server, signals and thread creation. The
//! idle test runs the real daemon.

mod deaths;
mod idle;
mod lanes;
mod standing;

use crate::support::SOON;
use crate::support::TempDirectory;
use crate::support::agent::LICENSE_KEY;
use crate::support::http::{self, Connection, Request, Response, SECRET};
use opterius_agent::config::parsing;
use opterius_agent::daemon::{self, Dependencies};
use opterius_agent::license::client::{LicenseConfig, LicenseServer, ServerUrl};
use opterius_agent::license::state::HostIdentity;
use opterius_base::clock::{Clock, Timestamp};
use opterius_daemon::notify::Notifier;
use opterius_daemon::signals::{SignalSources, Signals};
use opterius_daemon::supervisor::Failure;
use opterius_license::inquiry::Inquiry;
use opterius_license::outcome::{self, Answer, FailureClass};
use std::io::{self, Write as _};
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// The instant at which every test's clock begins: 2026-05-01T12:00:00Z.
const BEGINNING: i64 = 1_777_636_800;

/// The machine's uptime at that instant.
const UPTIME: Duration = Duration::from_secs(100_000);

// --------------------------------------------------------------------------------------------------------------------
// The clock.

/// A clock whose wall and boot time stand still until the test advances them, and that can shorten deadlines.
struct TestClock {
    hands: Mutex<Hands>,
}

#[derive(Clone, Copy)]
struct Hands {
    wall: i64,
    boot: Duration,
    /// How far monotonic time is ahead of real time.
    hurried: Duration,
}

impl TestClock {
    fn new() -> Arc<TestClock> {
        let hands = Hands { wall: BEGINNING, boot: UPTIME, hurried: Duration::ZERO };
        Arc::new(TestClock { hands: Mutex::new(hands) })
    }

    /// Brings every deadline closer by `time`.
    fn hurry(&self, time: Duration) {
        self.hands.lock().unwrap().hurried += time;
    }

    /// Advances wall and boot time.
    fn pass(&self, time: Duration) {
        let mut hands = self.hands.lock().unwrap();
        hands.wall += i64::try_from(time.as_secs()).unwrap();
        hands.boot += time;
    }

    /// Sets the wall clock to `after_beginning` seconds after the beginning.
    fn set_wall(&self, after_beginning: i64) {
        self.hands.lock().unwrap().wall = BEGINNING + after_beginning;
    }

    fn hands(&self) -> Hands {
        *self.hands.lock().unwrap()
    }
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_unix(self.hands().wall)
    }

    fn boot(&self) -> Duration {
        self.hands().boot
    }

    fn monotonic(&self) -> Instant {
        Instant::now() + self.hands().hurried
    }
}

// --------------------------------------------------------------------------------------------------------------------
// The license server.

/// The body of the license server's answer; `None` means unreachable.
type Reply = Arc<Mutex<Option<String>>>;

struct TestServer {
    reply: Reply,
    clock: Arc<TestClock>,
    /// How far its clock is ahead of the Agent's, in seconds.
    ahead: Arc<AtomicI64>,
}

impl LicenseServer for TestServer {
    fn ask(
        &mut self,
        _: &LicenseConfig,
        _: &ServerUrl,
        _: Duration,
        _: &Inquiry<'_>,
    ) -> Result<Answer, outcome::Failure> {
        let reply = self.reply.lock().unwrap().clone();
        let body = reply.ok_or_else(|| outcome::Failure::new(FailureClass::Network, "the test cut the connection"))?;
        let date = Some(Timestamp::from_unix(self.clock.wall().unix() + self.ahead.load(Ordering::SeqCst)));
        Ok(Answer { status: 200, date, body: body.into_bytes(), ..Answer::default() })
    }

    fn discover(&mut self, _: &LicenseConfig) -> Option<IpAddr> {
        None
    }
}

// --------------------------------------------------------------------------------------------------------------------
// The daemon.

/// The code that a thread of the daemon runs.
type Body = Box<dyn FnOnce() + Send>;

/// Starts a thread as the real daemon does.
fn start_thread(name: &str, body: Body) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map(drop)
}

/// A daemon on threads of this process. Dropping it stops it like `SIGTERM`.
struct Daemon {
    clock: Arc<TestClock>,
    reply: Reply,
    server_ahead: Arc<AtomicI64>,
    port: u16,
    signals: SignalSources,
    ended: Receiver<Result<(), Failure>>,
    _directory: TempDirectory,
}

impl Daemon {
    /// Starts it with a license server that sends this answer, or is unreachable.
    fn start(reply: Option<&str>) -> Daemon {
        Daemon::start_with(reply, start_thread)
    }

    fn start_with(reply: Option<&str>, spawn: impl Fn(&str, Body) -> io::Result<()> + Send + 'static) -> Daemon {
        let (clock, reply) = (TestClock::new(), Arc::new(Mutex::new(reply.map(str::to_owned))));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (signals, arriving) = Signals::pair().unwrap();
        let directory = TempDirectory::new();
        let path = directory.path().join("agent.conf");
        let cache = directory.path().join("license-cache.json");
        let config_text = format!(
            "secret={SECRET}\nlicense_key={LICENSE_KEY}\nserver_ip=203.0.113.5\nmax_connections=64\nlog=stderr\n\
             license_cache={}\n",
            cache.display()
        );
        std::fs::write(&path, &config_text).unwrap();
        let (sender, ended) = mpsc::channel();
        let server_ahead = Arc::<AtomicI64>::default();
        let server = Box::new(TestServer {
            reply: Arc::clone(&reply),
            clock: Arc::clone(&clock),
            ahead: Arc::clone(&server_ahead),
        });
        let injected = Arc::clone(&clock);
        std::thread::spawn(move || {
            let config = parsing::parse(&config_text, "agent.conf", None).unwrap().config;
            let dependencies = Dependencies {
                clock: injected,
                server,
                signals: arriving,
                host: host(),
                spawn: Box::new(spawn),
                notifier: Notifier::default(),
            };
            sender.send(daemon::run(listener, config, path, dependencies))
        });
        Daemon { clock, reply, server_ahead, port, signals, ended, _directory: directory }
    }

    fn ended_within(&self, time: Duration) -> Option<Result<(), Failure>> {
        self.ended.recv_timeout(time).ok()
    }

    fn fetch(&self, request: Request) -> Response {
        http::fetch(self.port, request).unwrap_or_else(|error| panic!("no response: {error}"))
    }

    fn status(&self) -> serde_json::Value {
        self.fetch(Request::get("/license/status")).json()
    }

    /// Checks the license now and returns the status after it. Two checks are at least 5 s apart, so that much time passes;
    /// and again if the daemon just ran a scheduled check.
    fn reverify(&self) -> serde_json::Value {
        let spacing = Duration::from_secs(5);
        self.clock.pass(spacing);
        let now = OffsetDateTime::from_unix_timestamp(self.clock.wall().unix()).unwrap();
        let mut connection = Connection::open(self.port).unwrap();
        connection.send(Request::post("/license/reverify").signed_at(now).bytes()).unwrap();
        let response = connection.receive(Duration::from_secs(1)).or_else(|_| {
            self.clock.pass(spacing);
            connection.receive(SOON)
        });
        let response = response.unwrap_or_else(|error| panic!("no verdict: {error}"));
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }

    /// Sets how far the license server's clock is ahead, in seconds.
    fn set_server_clock(&self, ahead: i64) {
        self.server_ahead.store(ahead, Ordering::SeqCst);
    }

    /// Sets the license server's answer from now on.
    fn reply(&self, reply: Option<&str>) {
        *self.reply.lock().unwrap() = reply.map(str::to_owned);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.signals.terminate.write_all(b"x");
        let _ = self.ended.recv_timeout(SOON);
    }
}

fn host() -> HostIdentity {
    let text = str::to_owned;
    HostIdentity { server_id: text("a-server"), boot_id: text("a-boot"), hostname: text("a-host"), os: text("Linux 6") }
}
