//! Signals and the daemon's end: one stop signal, two, one during a request, and a failed start.

use crate::support::agent::{Agent, LICENSE_KEY};
use crate::support::fake_license_server::{Behavior, FakeLicenseServer, Gate, Reply};
use crate::support::http::{self, Connection, PROMPTLY, Request, SECRET};
use crate::support::{TempDirectory, eventually, pause};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long running requests can still take.
const STOP_TIME: Duration = Duration::from_secs(5);

/// How long an idle daemon can take to stop on a loaded machine: clearly less than [`STOP_TIME`].
const AT_ONCE: Duration = Duration::from_secs(3);

/// How far a daemon on a loaded machine can exceed its own limits; two checks are 5 s apart.
const SLACK: Duration = Duration::from_secs(15);

// --------------------------------------------------------------------------------------------------------------------
// TERM and INT.

#[test]
fn an_idle_daemon_stops_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let agent = Agent::licensed();
        check_stops(&agent, signal, AT_ONCE);
        let lines = agent.lines();
        assert_eq!(lines.last().map(String::as_str), Some("Stopped"), "{lines:#?}");
    }
}

#[test]
fn connections_without_a_running_request_do_not_delay_the_stop() {
    let agent = Agent::licensed();
    let mut idle = agent.connect();
    let mut kept_alive = agent.connect();
    kept_alive.exchange(Request::get("/license/status")).unwrap();
    let mut half_sent = agent.send("POST /files/write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab");
    check_stops(&agent, Signal::TERM, AT_ONCE);
    for connection in [&mut idle, &mut kept_alive, &mut half_sent] {
        assert!(connection.ends(PROMPTLY), "open after the end");
    }
}

#[test]
fn a_license_check_does_not_delay_the_stop() {
    let server = FakeLicenseServer::start();
    server.reply(Reply::granted().behavior(Behavior::Hang));
    let agent = Agent::builder().license_server(&server).start();
    assert!(server.wait_for(1, SLACK), "no first check");
    check_stops(&agent, Signal::TERM, AT_ONCE);
}

#[test]
fn a_running_request_is_finished_and_new_ones_are_refused() {
    at_the_same_time([Signal::TERM, Signal::INT], check_finishes);
}

fn check_finishes(signal: Signal) {
    let mut held = HeldRequest::begin();
    held.agent.signal(signal);
    let refused = || TcpStream::connect(("127.0.0.1", held.agent.port())).is_err_and(is_refusal);
    assert!(eventually(AT_ONCE, refused), "the port is open after {signal:?}");
    assert!(held.agent.is_running(), "ended with a request running");

    held.gate.open();
    let response = held.connection.receive(PROMPTLY).expect("the running request is answered");
    assert_eq!((response.status, response.json()["valid"].as_bool()), (200, Some(true)), "{}", response.text());
    assert_eq!(response.header("Connection"), Some("close"), "{}", response.head_text());
    assert!(held.connection.ends(PROMPTLY), "open after Connection: close");
    assert_eq!(held.agent.wait_exit(AT_ONCE).code(), Some(0));
}

#[test]
fn a_request_that_does_not_finish_is_cut_off_after_five_seconds() {
    let held = HeldRequest::begin();
    let started = Instant::now();
    held.agent.signal(Signal::TERM);
    assert_eq!(held.agent.wait_exit(STOP_TIME + SLACK).code(), Some(0));
    let lasted = started.elapsed();
    assert!(lasted > STOP_TIME - Duration::from_millis(500), "cut off after {lasted:?}");
    assert!(lasted < STOP_TIME + Duration::from_secs(3), "ended after {lasted:?}");
    let mut connection = held.connection;
    assert!(connection.ends(PROMPTLY), "an answer from nowhere");
}

#[test]
fn a_second_signal_stops_at_once() {
    let pairs = [(Signal::TERM, Signal::TERM), (Signal::TERM, Signal::INT), (Signal::INT, Signal::TERM)];
    at_the_same_time(pairs, |(first, second)| {
        let held = HeldRequest::begin();
        held.agent.signal(first);
        assert!(held.agent.wait_for_line(|line| line.starts_with("Stopping"), SLACK).is_some());
        let started = Instant::now();
        held.agent.signal(second);
        assert_eq!(held.agent.wait_exit(SLACK).code(), Some(1), "{first:?}, {second:?}");
        assert!(started.elapsed() < AT_ONCE, "{first:?}, {second:?}: {:?}", started.elapsed());
    });
}

#[test]
fn a_hangup_while_stopping_changes_nothing() {
    let held = HeldRequest::begin();
    held.agent.signal(Signal::TERM);
    assert!(held.agent.wait_for_line(|line| line.starts_with("Stopping"), SLACK).is_some());
    held.agent.signal(Signal::HUP);
    held.gate.open();
    let mut connection = held.connection;
    assert_eq!(connection.receive(PROMPTLY).unwrap().status, 200);
    assert_eq!(held.agent.wait_exit(AT_ONCE).code(), Some(0));
}

// --------------------------------------------------------------------------------------------------------------------
// HUP.

#[test]
fn a_storm_of_hangups_leaks_nothing_and_causes_one_more_check() {
    let agent = Agent::licensed();
    let before = agent.footprint();
    let (checks, began) = (agent.license_server().count(), Instant::now());
    agent.serves_throughout(|| {
        for _ in 0..500 {
            agent.signal(Signal::HUP);
            pause(Duration::from_millis(2));
        }
    });
    assert!(agent.license_server().wait_for(checks + 1, SLACK), "no check after the hangups");
    // One check requested during that check can follow, and no more after it.
    agent.license_server().wait_for(checks + 2, Duration::from_secs(7));
    let as_before = || {
        let now = agent.footprint();
        now.threads <= before.threads && now.descriptors <= before.descriptors
    };
    assert!(eventually(SLACK, as_before), "{before:?} before, {:?} after", agent.footprint());
    let most = 2 + usize::try_from(began.elapsed().as_secs() / 5).unwrap();
    let made = agent.license_server().count() - checks;
    assert!(made <= most, "{made} checks in {:?}", began.elapsed());
    agent.serves().unwrap();
}

#[test]
fn hangups_during_a_check_cause_exactly_one_more_check() {
    let held = HeldRequest::begin();
    let server = held.agent.license_server();
    let running = server.count();
    for number in 0..20 {
        held.agent.signal(Signal::HUP);
        let read = || held.agent.lines().iter().filter(|line| line.ends_with(" reloaded")).count() > number;
        assert!(eventually(SLACK, read), "hangup {number} was not noticed");
    }
    server.reply(Reply::granted());
    held.gate.open();
    assert!(server.wait_for(running + 1, SLACK), "the hangups are lost");
    assert!(!server.wait_for(running + 2, Duration::from_secs(7)), "more than one check for 20 hangups");
}

#[test]
fn a_hangup_reloads_the_configuration() {
    let agent = Agent::licensed();
    let request = |secret: &str| {
        let now = http::timestamp(time::OffsetDateTime::now_utc());
        Request::post("/analytics/live").signed_with(secret, &now)
    };
    let new = "a-new-secret-of-sixteen-or-more-characters";
    assert_eq!(agent.fetch(request(new)).status, 401);
    agent.rewrite_config(&[("secret", new)]);
    agent.signal(Signal::HUP);
    assert!(eventually(SLACK, || agent.fetch(request(new)).status == 501), "the new secret is rejected");
    assert_eq!(agent.fetch(request(SECRET)).status, 401, "the old secret is still accepted");
}

#[test]
fn a_hangup_with_an_invalid_configuration_keeps_the_old_one_and_verifies() {
    let agent = Agent::licensed();
    let checks = agent.license_server().count();
    agent.rewrite_config(&[("port", "70000")]);
    agent.signal(Signal::HUP);
    let place = format!("{}:", agent.config_path().display());
    let expected_line = |line: &str| {
        line.starts_with(&place) && line.contains("70000") && line.contains("keeps its current configuration")
    };
    assert!(agent.wait_for_line(expected_line, SLACK).is_some(), "{:#?}", agent.lines());
    assert!(agent.license_server().wait_for(checks + 1, SLACK), "no check");
    agent.serves().unwrap();
    assert_eq!(agent.fetch(Request::post("/analytics/live").signed()).status, 501);
}

// --------------------------------------------------------------------------------------------------------------------
// Others.

#[test]
fn a_broken_pipe_is_harmless() {
    let agent = Agent::licensed();
    let before = agent.footprint();
    agent.serves_throughout(|| {
        for _ in 0..100 {
            agent.signal(Signal::PIPE);
        }
        let many = Request::get("/license/status").bytes().repeat(50);
        for _ in 0..100 {
            agent.send(&*many).reset();
        }
    });
    agent.gives_back(&before).unwrap();
}

#[test]
fn a_stopped_daemon_continues_after_sigcont() {
    let agent = Agent::licensed();
    agent.signal(Signal::STOP);
    assert!(eventually(SLACK, || is_stopped(agent.pid())));
    let mut waiting = agent.send(Request::get("/license/status"));
    assert!(waiting.receive(Duration::from_millis(300)).is_err_and(|error| error.kind() == io::ErrorKind::TimedOut));
    agent.signal(Signal::CONT);
    assert_eq!(waiting.receive(PROMPTLY).unwrap().status, 200);
    agent.serves().unwrap();
}

#[test]
fn the_daemon_runs_with_closed_standard_streams() {
    let streams = ["<&- >&- 2>&-", "<&-", ">&-", "2>&-", "<&- 2>&-", ">&- 2>&-"];
    let cases = streams.iter().flat_map(|streams| ["syslog", "auto", "stderr"].map(|log| (*streams, log)));
    at_the_same_time(cases, |(streams, log)| check_without(streams, log));
}

fn check_without(streams: &str, log: &str) {
    let daemon = Detached::start(streams, log);
    let port = daemon.port().unwrap_or_else(|| panic!("{streams}, log={log}: does not listen"));
    let fetch = |request: Request| {
        let response = http::fetch(port, request);
        response.unwrap_or_else(|error| panic!("{streams}, log={log}: {error}"))
    };
    for _ in 0..3 {
        assert_eq!(fetch(Request::get("/license/status")).json()["reason"], "unreachable", "{streams}, log={log}");
    }
    daemon.signal(Signal::HUP);
    let reverified = fetch(Request::post("/license/reverify").signed());
    assert_eq!(reverified.status, 200, "{streams}, log={log}");
}

#[test]
fn a_second_daemon_reports_the_address_and_does_not_affect_the_first() {
    let first = Agent::licensed();
    let before = first.footprint();
    let port = first.port().to_string();
    first.serves_throughout(|| {
        for _ in 0..3 {
            let second = Agent::builder().set("port", &port).spawn();
            assert_eq!(second.wait_exit(SLACK).code(), Some(1));
            let lines = second.lines();
            assert_eq!(lines.len(), 1, "{lines:#?}");
            assert!(lines[0].contains(&format!("127.0.0.1:{port}")), "{lines:#?}");
        }
    });
    first.gives_back(&before).unwrap();
}

// --------------------------------------------------------------------------------------------------------------------
// Helpers.

fn check_stops(agent: &Agent, signal: Signal, within: Duration) {
    let started = Instant::now();
    agent.signal(signal);
    let exit = agent.wait_exit(SLACK);
    assert_eq!(exit.code(), Some(0), "{signal:?}: {:#?}", agent.lines());
    assert!(started.elapsed() < within, "{signal:?}: ended after {:?}", started.elapsed());
}

/// Runs every case on its own thread: each mostly waits.
fn at_the_same_time<T: Send>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    let check = &check;
    std::thread::scope(|scope| cases.into_iter().for_each(|case| drop(scope.spawn(move || check(case)))));
}

fn is_refusal(error: io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

/// A licensed Agent with a request that runs until the gate opens: the license server holds back its answer.
struct HeldRequest {
    agent: Agent,
    connection: Connection,
    gate: Arc<Gate>,
}

impl HeldRequest {
    fn begin() -> HeldRequest {
        let agent = Agent::licensed();
        let gate = Gate::new();
        let server = agent.license_server();
        let checks = server.count();
        server.reply(Reply::granted().behavior(Behavior::Hold(Arc::clone(&gate))));
        let connection = agent.send(Request::post("/license/reverify").signed());
        assert!(server.wait_for(checks + 1, SLACK), "no check for the request");
        HeldRequest { agent, connection, gate }
    }
}

/// A daemon whose standard streams a shell closed, so that only its socket shows its address.
struct Detached {
    child: Child,
    _directory: TempDirectory,
}

impl Detached {
    fn start(streams: &str, log: &str) -> Detached {
        let directory = TempDirectory::new();
        let config = directory.path().join("agent.conf");
        let cache = directory.path().join("license-cache.json");
        let settings = format!(
            "secret={SECRET}\nlicense_key={LICENSE_KEY}\nlicense_server=http://127.0.0.1:1\nip_discovery_url=\nport=0\n\
             log={log}\nlicense_cache={}\n",
            cache.display()
        );
        fs::write(&config, settings).unwrap();
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!(r#"exec "$0" --config "$1" {streams}"#));
        command.arg(env!("CARGO_BIN_EXE_opterius-agent")).arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Detached { child: command.spawn().unwrap(), _directory: directory }
    }

    /// The port of the process's listening socket, once there is one.
    fn port(&self) -> Option<u16> {
        let mut port = None;
        eventually(SLACK, || {
            port = listening_port(self.child.id());
            port.is_some()
        });
        port
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether every thread of the process is stopped: proc_pid_stat(5), the state follows the name in parentheses.
fn is_stopped(pid: u32) -> bool {
    let mut threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.all(|thread| fs::read_to_string(thread.unwrap().path().join("stat")).unwrap().contains(") T "))
}

/// The port of the first socket of the process that listens over IPv4: proc_pid_net(5), state 0A is LISTEN.
fn listening_port(pid: u32) -> Option<u16> {
    let links =
        fs::read_dir(format!("/proc/{pid}/fd")).ok()?.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inodes: Vec<String> =
        links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
    let sockets = fs::read_to_string("/proc/net/tcp").ok()?;
    sockets.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ours = fields[3] == "0A" && inodes.iter().any(|inode| inode == fields[9]);
        let port = fields[1].split(':').nth(1)?;
        if ours { u16::from_str_radix(port, 16).ok() } else { None }
    })
}
