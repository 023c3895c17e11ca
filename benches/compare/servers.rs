//! The three servers: the Agent with its own license server, nginx, and Go's net/http.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, Connection};
use crate::failure::{During, Failure};
use crate::license_server::FakeLicenseServer;
use crate::process::ProcessGroup;
use crate::scratch::random_hex;
use crate::tools;
use crate::workplace::{Workplace, write, write_private};

pub(crate) const AGENT_BINARY: &str = env!("CARGO_BIN_EXE_opterius-agent");
/// The open endpoint that is measured. The other servers serve the same content at this path.
pub(crate) const STATUS_PATH: &str = "/license/status";

const START_LIMIT: Duration = Duration::from_secs(10);
const VERIFY_LIMIT: Duration = Duration::from_secs(15);
/// Polling interval for a starting server.
const POLL_INTERVAL: Duration = Duration::from_micros(50);

/// The Agent, nginx and Go: the order of every series.
pub(crate) type Trio = [Server; 3];

/// A running server, killed when dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) process: ProcessGroup,
    /// Time from just before the process was created to its first complete response.
    pub(crate) first_answer: Duration,
}

impl Server {
    /// Starts a server. Its output goes to `log`, which is quoted if the start fails.
    fn start(command: &mut Command, port: u16, log: &Path) -> Result<Self, Failure> {
        let output = fs::File::create_new(log).at("create", log)?;
        command.stdout(output.try_clone().at("open a second time", log)?).stderr(output);
        let name = command.get_program().to_string_lossy().into_owned();
        let begin = Instant::now();
        let mut process = ProcessGroup::start(command).during(format!("start {name}"))?;
        while begin.elapsed() < START_LIMIT && !process.has_ended() {
            if answers(port) {
                return Ok(Server { port, process, first_answer: begin.elapsed() });
            }
            thread::sleep(POLL_INTERVAL);
        }
        let output = fs::read_to_string(log).unwrap_or_default();
        Err(Failure::new(format!("{name} does not respond on port {port}; its output:\n{output}")))
    }

    /// The body of the measured endpoint.
    pub(crate) fn status(&self) -> Result<Vec<u8>, Failure> {
        let mut connection = Connection::open(self.port).during("connect")?;
        let answer = connection.exchange(&client::get(self.port, STATUS_PATH)).during(STATUS_PATH)?;
        Ok(answer.body.to_vec())
    }

    fn is_licensed(&self) -> Result<bool, Failure> {
        let status: serde_json::Value = serde_json::from_slice(&self.status()?).during("read the license status")?;
        Ok(status["valid"] == true)
    }
}

fn answers(port: u16) -> bool {
    let answered = Connection::open(port).and_then(|mut connection| {
        let answer = connection.exchange(&client::get(port, STATUS_PATH))?;
        Ok(answer.status == 200)
    });
    answered.unwrap_or(false)
}

/// Checks that all servers serve the same bytes, so that the comparison is fair.
pub(crate) fn check_same_body(trio: &Trio) -> Result<(), Failure> {
    let expected = trio[0].status()?;
    for peer in &trio[1..] {
        if peer.status()? != expected {
            return Err(Failure::new("nginx or Go does not serve the Agent's bytes"));
        }
    }
    Ok(())
}

/// Starts Agents, each in its own directory.
pub(crate) struct Agents<'a> {
    place: &'a Workplace,
    license: FakeLicenseServer,
    secret: String,
}

impl<'a> Agents<'a> {
    pub(crate) fn new(place: &'a Workplace) -> Result<Self, Failure> {
        let license = FakeLicenseServer::start();
        write(&place.path("license-ca.pem"), license.ca_pem())?;
        Ok(Agents { place, license, secret: random_hex()? })
    }

    /// The shared secret.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// An Agent that verifies its license over HTTPS during the start, as in production.
    pub(crate) fn start(&self) -> Result<Server, Failure> {
        self.start_with(&self.license.url())
    }

    /// An Agent that has verified its license over HTTPS.
    pub(crate) fn start_verified(&self) -> Result<Server, Failure> {
        let agent = self.start()?;
        let begin = Instant::now();
        while !agent.is_licensed()? {
            if begin.elapsed() > VERIFY_LIMIT {
                return Err(Failure::new("the Agent was not licensed within 15 s"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(agent)
    }

    /// An Agent whose license server is unreachable, so that it has made no HTTPS check.
    pub(crate) fn start_unverified(&self) -> Result<Server, Failure> {
        self.start_with(&format!("http://127.0.0.1:{}", free_port()?))
    }

    fn start_with(&self, license_server: &str) -> Result<Server, Failure> {
        let home = self.place.home("agent")?;
        let port = free_port()?;
        let config = home.join("agent.conf");
        write_private(&config, &self.configuration(port, license_server, &home))?;
        let mut command = Command::new(AGENT_BINARY);
        command.arg("--config").arg(&config);
        Server::start(&mut command, port, &home.join("log"))
    }

    fn configuration(&self, port: u16, license_server: &str, home: &Path) -> String {
        let settings = [
            ("secret", self.secret.clone()),
            ("license_key", "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD".to_owned()),
            ("license_server", license_server.to_owned()),
            ("license_ca_file", self.place.path("license-ca.pem").display().to_string()),
            ("license_cache", home.join("license-cache.json").display().to_string()),
            ("ip_discovery_url", String::new()),
            ("port", port.to_string()),
            ("log", "stderr".to_owned()),
        ];
        settings.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
    }
}

/// Starts nginx and Go, serving the Agent's bytes.
pub(crate) struct Peers<'a> {
    place: &'a Workplace,
    status: String,
    go: PathBuf,
}

impl<'a> Peers<'a> {
    pub(crate) fn new(place: &'a Workplace, status: &[u8]) -> Result<Self, Failure> {
        let status = std::str::from_utf8(status).during("read the license status")?.to_owned();
        write(&place.path("status.json"), &status)?;
        Ok(Peers { place, status, go: build_go(place)? })
    }

    pub(crate) fn start_nginx(&self) -> Result<Server, Failure> {
        let port = free_port()?;
        let home = self.place.home("nginx")?;
        let config = home.join("nginx.conf");
        write(&config, self.nginx_configuration(port)?)?;
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(&home).arg("-c").arg(&config).args(["-e", "stderr"]);
        Server::start(&mut command, port, &home.join("log"))
    }

    fn nginx_configuration(&self, port: u16) -> Result<String, Failure> {
        if self.status.contains('$') {
            return Err(Failure::new("the status contains a $, which nginx would treat as a variable"));
        }
        let quoted = self.status.replace('\\', r"\\").replace('\'', r"\'");
        Ok(include_str!("nginx.conf").replace("@PORT@", &port.to_string()).replace("@JSON@", &quoted))
    }

    pub(crate) fn start_go(&self) -> Result<Server, Failure> {
        let port = free_port()?;
        let home = self.place.home("go")?;
        let mut command = Command::new(&self.go);
        command.arg(format!("127.0.0.1:{port}")).arg(self.place.path("status.json"));
        Server::start(&mut command, port, &home.join("log"))
    }
}

fn build_go(place: &Workplace) -> Result<PathBuf, Failure> {
    let (source, program) = (place.path("peer.go"), place.path("go-peer"));
    write(&source, include_str!("peer.go"))?;
    let mut build = Command::new("go");
    build.arg("build").arg("-o").arg(&program).arg(&source);
    build.env("GOCACHE", place.path("go-cache")).stdout(Stdio::null());
    tools::run(&mut build)?;
    Ok(program)
}

/// A port that was just free. nginx needs a fixed port, so all servers use one.
fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).during("look for a free port")?;
    Ok(listener.local_addr().during("look for a free port")?.port())
}
