//! The real daemon as a child process, with its own configuration and directory, on a port that the kernel chooses.

use super::fake_license_server::{FakeLicenseServer, Reply};
use super::http::{self, Connection, Request, Response, SECRET};
use super::process::{self, Process, START, Settings};
use super::programs;
use super::{TempDirectory, eventually, pause};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The license key of every test's Agent.
pub const LICENSE_KEY: &str = "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD";

/// An upper limit for the daemon's threads, of which it has about eight. Clients must not be able to add more.
pub const FEW_THREADS: usize = 16;

/// No process listens on port 1, so that connections to the license server fail immediately.
const NO_LICENSE_SERVER: &str = "http://127.0.0.1:1";

/// The configuration and limits of an Agent that is not yet started.
pub struct AgentBuilder {
    directory: TempDirectory,
    settings: Settings,
    license_server: Option<FakeLicenseServer>,
    descriptor_limit: Option<u64>,
    environment: Vec<(String, String)>,
    launcher: Vec<String>,
}

impl AgentBuilder {
    fn new() -> AgentBuilder {
        let directory = TempDirectory::new();
        let cache = directory.path().join("license-cache.json").display().to_string();
        let settings = Settings::new([
            ("secret", SECRET),
            ("license_key", LICENSE_KEY),
            ("license_server", NO_LICENSE_SERVER),
            ("license_cache", &cache),
            ("port", "0"),
            ("log", "stderr"),
            ("ip_discovery_url", ""),
        ]);
        AgentBuilder {
            directory,
            settings,
            license_server: None,
            descriptor_limit: None,
            environment: Vec::new(),
            launcher: Vec::new(),
        }
    }

    /// Sets or adds a key of agent.conf.
    pub fn set(mut self, key: &str, value: &str) -> AgentBuilder {
        self.settings.set(key, value);
        self
    }

    /// Removes a key from agent.conf.
    pub fn unset(mut self, key: &str) -> AgentBuilder {
        self.settings.unset(key);
        self
    }

    /// Points the Agent at `server` and makes it trust the server's certificate.
    pub fn license_server(self, server: &FakeLicenseServer) -> AgentBuilder {
        let ca_file = self.directory.path().join("license-ca.pem");
        fs::write(&ca_file, server.ca_pem()).unwrap();
        let builder = self.set("license_server", &server.url());
        if server.ca_pem().is_empty() {
            builder
        } else {
            builder.set("license_ca_file", &ca_file.display().to_string())
        }
    }

    /// Starts a license server that lives as long as the Agent, and uses it.
    pub fn own_license_server(self) -> AgentBuilder {
        let server = FakeLicenseServer::start();
        let mut builder = self.license_server(&server);
        builder.license_server = Some(server);
        builder
    }

    /// Starts a license server with this reply, and uses it.
    pub fn license(self, reply: Reply) -> AgentBuilder {
        let builder = self.own_license_server();
        builder.license_server.as_ref().expect("own_license_server sets it").reply(reply);
        builder
    }

    /// Starts the process with this `RLIMIT_NOFILE`.
    pub fn descriptor_limit(mut self, descriptors: u64) -> AgentBuilder {
        self.descriptor_limit = Some(descriptors);
        self
    }

    /// Sets an environment variable. The Agent never gets the machine's proxy variables.
    pub fn environment(mut self, name: &str, value: &str) -> AgentBuilder {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the process through a shell in a separate mount namespace, which runs `script` before it executes the daemon.
    /// `$DIRECTORY` is the Agent's directory. Mounts disappear with the process.
    pub fn after_mounting(mut self, script: &str) -> AgentBuilder {
        self.launcher = process::after_mounting(self.directory.path(), script);
        self
    }

    /// Starts the process through this command line, which executes the rest of its words.
    pub fn launcher(mut self, words: Vec<String>) -> AgentBuilder {
        self.launcher = words;
        self
    }

    /// The Agent's directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts the process without waiting.
    pub fn spawn(self) -> Agent {
        let AgentBuilder { directory, settings, license_server, descriptor_limit, environment, launcher } = self;
        settings.write(&config_path(directory.path()));
        let process = start(directory.path(), descriptor_limit, &environment, &launcher);
        let settings = Mutex::new(settings);
        Agent { process, directory, settings, license_server, descriptor_limit, environment, launcher }
    }

    /// Starts the process and waits until it listens.
    pub fn start(self) -> Agent {
        let agent = self.spawn();
        agent.port();
        agent
    }

    /// Starts the process, with its own license server unless one is set, and waits until the license is valid.
    pub fn start_licensed(self) -> Agent {
        let has_server = self.settings.get("license_server") != Some(NO_LICENSE_SERVER);
        let builder = if has_server { self } else { self.own_license_server() };
        let agent = builder.start();
        let valid = eventually(START, || agent.status()["valid"] == true);
        assert!(valid, "no valid license within {START:?}: {}", agent.status());
        agent
    }
}

/// A running Agent. Dropping it kills the process; if the test failed, it prints the process's stderr.
pub struct Agent {
    process: Process,
    directory: TempDirectory,
    settings: Mutex<Settings>,
    license_server: Option<FakeLicenseServer>,
    descriptor_limit: Option<u64>,
    environment: Vec<(String, String)>,
    launcher: Vec<String>,
}

impl Agent {
    pub fn builder() -> AgentBuilder {
        AgentBuilder::new()
    }

    /// A listening Agent with a valid license from its own license server.
    pub fn licensed() -> Agent {
        Agent::builder().start_licensed()
    }

    /// A listening Agent that cannot reach a license server.
    pub fn unlicensed() -> Agent {
        Agent::builder().start()
    }

    /// The port it listens on. Waits until it listens, and fails if the process exits instead.
    pub fn port(&self) -> u16 {
        self.process.port()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn config_path(&self) -> PathBuf {
        config_path(self.directory.path())
    }

    /// The license server that came with [`Agent::licensed`].
    pub fn license_server(&self) -> &FakeLicenseServer {
        self.license_server.as_ref().expect("the Agent has its own license server")
    }

    /// All lines on stderr so far.
    pub fn lines(&self) -> Vec<String> {
        self.process.lines()
    }

    /// The first line on stderr, including earlier ones, for which `wanted` holds.
    pub fn wait_for_line(&self, wanted: impl Fn(&str) -> bool, within: Duration) -> Option<String> {
        self.process.wait_for_line(wanted, within)
    }

    /// Rewrites agent.conf with these keys changed. Send `SIGHUP` to reload it.
    pub fn rewrite_config(&self, values: &[(&str, &str)]) {
        let mut settings = self.settings.lock().unwrap();
        for (key, value) in values {
            settings.set(key, value);
        }
        settings.write(&self.config_path());
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// The exit status; fails if the process does not exit in time.
    pub fn wait_exit(&self, within: Duration) -> ExitStatus {
        self.process.wait_exit(within)
    }

    /// Kills the process, like a power failure.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Kills the process if it runs, and starts it again in the same directory with the current agent.conf.
    pub fn restart(&mut self) {
        self.kill();
        self.process = start(self.directory.path(), self.descriptor_limit, &self.environment, &self.launcher);
        self.port();
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.port()).unwrap()
    }

    /// A new connection on which this was sent, or as much of it as the daemon accepted.
    pub fn send(&self, request: impl Into<Vec<u8>>) -> Connection {
        let mut connection = self.connect();
        let _ = connection.send(request.into());
        connection
    }

    /// Sends one request over a new connection.
    pub fn fetch(&self, request: impl Into<Vec<u8>>) -> Response {
        let result = http::fetch(self.port(), request);
        result.unwrap_or_else(|error| panic!("no response: {error}"))
    }

    /// The body of `GET /license/status`.
    pub fn status(&self) -> serde_json::Value {
        let response = self.fetch(Request::get("/license/status"));
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }

    /// The body of `GET /license/status` after at least `count` checks. The status lists at most 10.
    pub fn status_after_checks(&self, count: usize) -> serde_json::Value {
        let checks = |status: &serde_json::Value| status["recent_checks"].as_array().map_or(0, Vec::len);
        let made = eventually(START, || checks(&self.status()) >= count);
        assert!(made, "fewer than {count} checks within {START:?}: {}", self.status());
        self.status()
    }

    /// Sends a signed `POST /license/reverify`, and waits for the end of the check.
    pub fn reverify(&self) -> Response {
        let mut connection = self.send(Request::post("/license/reverify").signed());
        let response = connection.receive(START);
        response.unwrap_or_else(|error| panic!("no response to reverify: {error}"))
    }

    /// The default path of the cache file.
    pub fn cache_path(&self) -> PathBuf {
        self.directory.path().join("license-cache.json")
    }

    /// Checks that a new client promptly gets a valid license status; otherwise returns what it got.
    pub fn serves(&self) -> Result<(), String> {
        let began = Instant::now();
        let result = http::fetch(self.port(), Request::get("/license/status"));
        let response = result.map_err(|error| format!("{error} after {:?}", began.elapsed()))?;
        let valid = response.status == 200 && response.json()["valid"] == true;
        if valid { Ok(()) } else { Err(format!("{} {}", response.status, response.text())) }
    }

    /// Runs `attack` while an ordinary client repeatedly sends requests over new connections. Every request must be served.
    pub fn serves_throughout<T>(&self, attack: impl FnOnce() -> T) -> T {
        let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
        let client = || {
            loop {
                let number = served.fetch_add(1, Ordering::Relaxed);
                self.serves().unwrap_or_else(|error| panic!("ordinary request {number} failed: {error}"));
                if over.load(Ordering::Relaxed) {
                    return;
                }
                pause(Duration::from_millis(10));
            }
        };
        std::thread::scope(|scope| {
            let client = scope.spawn(client);
            // Stop the client even if the attack panics.
            let end = SetOnDrop(&over);
            let result = attack();
            drop(end);
            client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result
        })
    }

    /// The current resource usage of the process.
    pub fn footprint(&self) -> Footprint {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
            line.trim_start_matches(':').trim_end_matches("kB").trim().parse().unwrap()
        };
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count();
        Footprint {
            threads: number("Threads"),
            descriptors,
            resident_kib: number("VmRSS"),
            peak_resident_kib: number("VmHWM"),
        }
    }

    /// Checks that the same process soon returns to its earlier resource usage, with an allowance for a few clients.
    pub fn gives_back(&self, before: &Footprint) -> Result<(), String> {
        if !self.is_running() {
            return Err(format!("the daemon exited: {:#?}", self.lines()));
        }
        let given_back = eventually(Duration::from_secs(25), || {
            let now = self.footprint();
            now.threads <= before.threads.max(FEW_THREADS)
                && now.descriptors <= before.descriptors + 8
                && now.resident_kib <= before.resident_kib + 16 * 1024
        });
        let now = self.footprint();
        if given_back { Ok(()) } else { Err(format!("{before:?} before, {now:?} after")) }
    }
}

/// The resource usage of a process.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    pub threads: usize,
    pub descriptors: usize,
    pub resident_kib: usize,
    /// Peak resident memory.
    pub peak_resident_kib: usize,
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Starts the daemon. A launcher and `prlimit` execute it, so that the pid is the daemon's in any case.
fn start(directory: &Path, limit: Option<u64>, environment: &[(String, String)], launcher: &[String]) -> Process {
    let mut words = launcher.to_vec();
    if let Some(limit) = limit {
        words.extend(["prlimit".to_owned(), format!("--nofile={limit}:{limit}")]);
    }
    words.push(programs::agent());
    let mut command = process::command(&words);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.arg("--config").arg(config_path(directory));
    Process::start(command)
}

fn config_path(directory: &Path) -> PathBuf {
    directory.join("agent.conf")
}
