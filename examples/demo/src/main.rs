//! `cargo demo`: a license server and an Agent in the build directory, to try the whole system by hand. Never installed.
//!
//! The license server runs in this process and the Agent as a child process. When one of them stops, both stop.

mod agent;
mod command_line;
mod demo_dir;
mod events;
mod sale;
mod setup;
mod tools;
mod tour;
mod waiting;

use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::geteuid;

use crate::agent::Agent;
use crate::command_line::{Command, Ports};
use crate::demo_dir::DemoDir;
use crate::events::Deliverer;
use crate::setup::Setup;
use crate::waiting::{has_arrived, stop_signals, wait};
use opterius_base::clock::{Clock, SystemClock};
use opterius_daemon::log::{LogTarget, Logger, SYSLOG_SOCKET};
use opterius_daemon::notify::Notifier;
use opterius_daemon::output::{complain, say};
use opterius_daemon::port_holder;
use opterius_daemon::signals::{SignalSources, Signals};
use opterius_daemon::supervisor::{Failure as ServerFailure, conclude, report_panics};
use opterius_daemon::{EXIT_USAGE, Program};
use opterius_license_server::commands::failure::Failure;
use opterius_license_server::serve::{self, Dependencies};

/// How long the demo waits until the license of the Agent is valid; normally less than a second.
const READY_TIME: Duration = Duration::from_secs(20);

/// The interval of status checks.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How long both get to stop; they give running requests 5 seconds.
const STOP_TIME: Duration = Duration::from_secs(7);

/// The program name that messages use.
const PROGRAM: Program = Program { name: "opterius-demo", subject: "the license server of the demo" };

/// Runs the demo until a signal stops it.
fn main() -> ExitCode {
    let code = match command_line::parse(std::env::args_os()) {
        Ok(Command::Help) => say(command_line::HELP),
        Ok(Command::Run(ports)) => run(ports).map_or_else(
            |failure| {
                complain(PROGRAM.name, &failure.sentence);
                failure.code
            },
            |()| 0,
        ),
        Err(sentence) => {
            complain(PROGRAM.name, &format!("{sentence}\nTry: cargo demo --help"));
            EXIT_USAGE
        }
    };
    ExitCode::from(code)
}

fn run(ports: Ports) -> Result<(), Failure> {
    // First, so that Ctrl-C at any time stops what has been started.
    let stop = stop_signals().map_err(|error| Failure::refused(format!("cannot start: {error}")))?;
    let directory = DemoDir::lock()?;
    let server_socket = listen(ports.server)?;
    let agent_socket = listen(ports.agent)?;
    let (server_port, agent_port) = (port(&server_socket)?, port(&agent_socket)?);
    tools::install_missing()?;
    let programs = tools::programs(&stop);
    if has_arrived(&stop) {
        return Ok(());
    }
    let programs = programs?;
    directory.clear()?;
    let setup = setup::prepare(&directory, server_port, agent_port)?;
    Logger::new(opterius_license_server::PROGRAM.name, LogTarget::Stderr, Path::new(SYSLOG_SOCKET)).install();
    report_panics(PROGRAM);
    let Setup { config, installation, draft } = setup;
    let server = Server::start(move |signals| {
        serve::run(server_socket, config, installation, None, Dependencies::of_process(signals, Notifier::default()))
    })?;
    // Release the reserved port for the Agent.
    drop(agent_socket);
    let started = draft.sell(&directory).and_then(|tour| {
        let deliverer = Deliverer::start(&directory.path("data"))?;
        Ok((Agent::start(&programs.agent, &directory)?, deliverer, tour))
    });
    let (mut agent, deliverer, tour) = match started {
        Ok(started) => started,
        Err(failure) => {
            server.request_stop();
            server.stop(SystemClock.monotonic() + STOP_TIME);
            return Err(failure);
        }
    };
    let outcome = supervise(&stop, &server, &mut agent, || {
        let Some(status) = agent::status(&programs.agent, &directory) else { return Ok(false) };
        if geteuid().is_root() {
            tour::create_first_account(&directory)?;
        } else {
            say(
                "\nOnly root can create accounts. Operations in this demo are answered with 503 operations_unavailable.\n",
            );
        }
        say(&tour.text(&status, &programs));
        Ok(true)
    });
    let deadline = SystemClock.monotonic() + STOP_TIME;
    agent.request_stop();
    deliverer.stop();
    server.request_stop();
    agent.stop(deadline, &stop);
    let code = server.stop(deadline);
    if outcome.is_ok() && code == 0 {
        say("\nThe license server and the Agent have stopped.\n");
    }
    outcome.and(if code == 0 {
        Ok(())
    } else {
        Err(Failure { code, sentence: "the license server failed".to_owned() })
    })
}

/// Waits until the Agent is `ready`, and then until a signal arrives or one of the two stops.
fn supervise(
    stop: &UnixStream,
    server: &Server,
    agent: &mut Agent,
    mut ready: impl FnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let deadline = SystemClock.monotonic() + READY_TIME;
    let mut is_ready = false;
    loop {
        let left = if is_ready { None } else { Some(POLL_INTERVAL) };
        wait(&[stop.as_fd(), server.ended.as_fd(), agent.descriptor()], left);
        if has_arrived(stop) {
            return Ok(());
        }
        if agent.has_ended() {
            return Err(Failure::refused(format!("the Agent has exited. {}", agent.last_lines())));
        }
        if has_arrived(&server.ended) {
            return Err(Failure::refused("the license server has stopped"));
        }
        is_ready = is_ready || ready()?;
        if !is_ready && SystemClock.monotonic() >= deadline {
            let seconds = READY_TIME.as_secs();
            return Err(Failure::refused(format!(
                "the license of the Agent is not valid after {seconds} seconds. {}",
                agent.last_lines()
            )));
        }
    }
}

/// The license server on a thread of this process.
struct Server {
    thread: JoinHandle<Result<(), ServerFailure>>,
    sources: SignalSources,
    /// The other end is closed when the thread ends.
    ended: UnixStream,
}

impl Server {
    fn start(body: impl FnOnce(Signals) -> Result<(), ServerFailure> + Send + 'static) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::refused(format!("cannot start: {error}"));
        let (sources, signals) = Signals::pair().map_err(failed)?;
        let (ended, end) = UnixStream::pair().map_err(failed)?;
        ended.set_nonblocking(true).map_err(failed)?;
        let run = move || {
            let _end = end;
            body(signals)
        };
        let thread = thread::Builder::new().name("license-server".to_owned()).spawn(run).map_err(failed)?;
        Ok(Self { thread, sources, ended })
    }

    fn request_stop(&self) {
        let _ = (&self.sources.terminate).write_all(&[1]);
    }

    /// Waits for the server until `deadline`; returns its exit code.
    fn stop(self, deadline: Instant) -> u8 {
        wait(&[self.ended.as_fd()], Some(deadline.saturating_duration_since(SystemClock.monotonic())));
        if !has_arrived(&self.ended) {
            return 0;
        }
        // A panic would already have ended the process.
        self.thread.join().map_or(1, |ended| conclude(&ended, PROGRAM, LogTarget::Stderr))
    }
}

fn listen(port: u16) -> Result<TcpListener, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).map_err(|error| {
        let why = match port_holder::find(address) {
            Some(holder) if error.kind() == ErrorKind::AddrInUse => format!("the port is in use by {holder}"),
            _ => error.to_string(),
        };
        Failure::refused(format!(
            "cannot listen on {address}: {why}. Choose other ports: cargo demo --agent-port 7543 --server-port 7580"
        ))
    })
}

fn port(listener: &TcpListener) -> Result<u16, Failure> {
    let address = listener.local_addr().map_err(|error| Failure::refused(format!("cannot start: {error}")))?;
    Ok(address.port())
}
