//! The real license server as a child process, with its own installation, on a port that the kernel chooses.

use super::TempDirectory;
use super::engine::{DatabasePlace, Engine};
use super::http::{self, Request, Response};
use super::license_database::LicenseDatabase;
use super::process::{self, Process, START, Settings};
use super::programs;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opterius_base::clock::SystemClock;
use opterius_license_server::keys::SigningKeys;
use ring::signature::{ED25519, UnparsedPublicKey};
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub const VERIFY: &str = "/api/license/verify";

/// The public addresses of the servers in tests.
pub const SERVERS: [&str; 6] =
    ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5", "203.0.113.6"];

/// Configures a license server before it starts.
pub struct LicenseServerBuilder {
    directory: TempDirectory,
    settings: Settings,
    launcher: Vec<String>,
    /// The installation.
    pub database: LicenseDatabase,
}

impl LicenseServerBuilder {
    /// Sets a key of license-server.conf.
    pub fn set(mut self, key: &str, value: &str) -> LicenseServerBuilder {
        self.settings.set(key, value);
        self
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Copies the installation to a small private disk, mounted with these options and visible only to the process.
    pub fn on_disk(mut self, options: &str) -> LicenseServerBuilder {
        let script = format!(
            "mkdir -p $DIRECTORY/disk; mount -t tmpfs none $DIRECTORY/disk -o mode=0700,{options}; cp -a $DIRECTORY/data/. \
             $DIRECTORY/disk"
        );
        self.launcher = process::after_mounting(self.directory.path(), &script);
        let disk = self.directory.path().join("disk").display().to_string();
        self.set("data_dir", &disk)
    }

    /// Starts the server and waits until it listens.
    pub fn start(self) -> LicenseServerProcess {
        let LicenseServerBuilder { directory, settings, launcher, database } = self;
        settings.write(&config_path(directory.path()));
        let process = serve(directory.path(), &launcher);
        process.port();
        LicenseServerProcess { process, database, directory, settings, launcher }
    }
}

/// A running license server. Dropping it kills the process.
pub struct LicenseServerProcess {
    process: Process,
    /// The installation, accessed beside the server.
    pub database: LicenseDatabase,
    directory: TempDirectory,
    settings: Settings,
    launcher: Vec<String>,
}

impl LicenseServerProcess {
    pub fn builder() -> LicenseServerBuilder {
        LicenseServerProcess::builder_at(DatabasePlace::new(Engine::of_tests()))
    }

    /// The same with the database at this place.
    pub fn builder_at(place: DatabasePlace) -> LicenseServerBuilder {
        let directory = TempDirectory::new();
        let data = directory.path().join("data");
        let data_dir = data.display().to_string();
        let mut settings = Settings::new([("port", "0"), ("log", "stderr"), ("data_dir", &data_dir)]);
        if let Some(database) = place.setting() {
            settings.set("database", &database);
        }
        settings.write(&config_path(directory.path()));
        let init = run(directory.path(), &["init"]);
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        let database = LicenseDatabase::at(place, &data, Arc::new(SystemClock));
        LicenseServerBuilder { directory, settings, launcher: Vec::new(), database }
    }

    /// Another instance on the same database, with a copy of the signing keys; `place` is how it reaches the database.
    pub fn builder_beside(first: &LicenseDatabase, place: DatabasePlace) -> LicenseServerBuilder {
        let directory = TempDirectory::new();
        let data = first.copy_keys_to(directory.path());
        let data_dir = data.display().to_string();
        let mut settings = Settings::new([("port", "0"), ("log", "stderr"), ("data_dir", &data_dir)]);
        settings.set("database", &place.setting().expect("several instances need PostgreSQL"));
        let database = LicenseDatabase::at(place, &data, Arc::new(SystemClock));
        LicenseServerBuilder { directory, settings, launcher: Vec::new(), database }
    }

    pub fn start() -> LicenseServerProcess {
        LicenseServerProcess::builder().start()
    }

    /// A copy of the installation on the disk of [`LicenseServerBuilder::on_disk`].
    pub fn database_on_disk(&self) -> LicenseDatabase {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let copy = self.directory().join(format!("copy-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        self.inside(&format!("cp -a $DIRECTORY/disk {}", copy.display()));
        LicenseDatabase::in_directory(&copy)
    }

    pub fn port(&self) -> u16 {
        self.process.port()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The value of `license_server` in agent.conf.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn config_path(&self) -> PathBuf {
        config_path(self.directory.path())
    }

    /// The value of `license_public_key` in agent.conf: all public keys, current key first.
    pub fn public_keys(&self) -> String {
        SigningKeys::load(&self.database.data_dir.keys_path()).unwrap_or_else(|error| panic!("{error}")).public_keys()
    }

    pub fn lines(&self) -> Vec<String> {
        self.process.lines()
    }

    pub fn wait_for_line(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        self.process.wait_for_line(wanted, START)
    }

    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Kills the process with SIGKILL.
    pub fn kill(&self) {
        self.process.kill();
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn wait_exit(&self, within: Duration) -> ExitStatus {
        self.process.wait_exit(within)
    }

    /// Kills the process if it is running and starts it again, on another port.
    pub fn restart(&mut self) {
        self.try_restart().unwrap_or_else(|ended| panic!("{ended:?}"));
    }

    /// The same; if the server does not start, returns its exit code and output.
    pub fn try_restart(&mut self) -> Result<(), (Option<i32>, String)> {
        self.kill();
        self.process = serve(self.directory.path(), &self.launcher);
        match self.wait_for_line(|line| line.contains("listening on ")) {
            Some(_) => Ok(()),
            None => Err((self.wait_exit(START).code(), self.lines().join("\n"))),
        }
    }

    /// The same on the same port, for clients that are configured with it.
    pub fn restart_in_place(&mut self) {
        let port = self.port().to_string();
        self.rewrite_config(&[("port", &port)]);
        self.restart();
    }

    /// Rewrites license-server.conf with these keys changed; takes effect after [`Self::reload`].
    pub fn rewrite_config(&mut self, changes: &[(&str, &str)]) {
        for (key, value) in changes {
            self.settings.set(key, value);
        }
        self.settings.write(&self.config_path());
    }

    /// Sends `SIGHUP` and waits until configuration and keys have been reloaded.
    pub fn reload(&self) {
        let count = |lines: Vec<String>| {
            lines.iter().filter(|line| line.contains("signing keys") || is_about_keys(line)).count()
        };
        let before = count(self.lines());
        self.signal(Signal::HUP);
        assert!(super::eventually(START, || count(self.lines()) > before), "no reload: {:#?}", self.lines());
    }

    /// Runs a shell command in the mount namespace of the process; `$DIRECTORY` is its directory.
    pub fn inside(&self, script: &str) {
        process::inside(self.pid(), self.directory(), script);
    }

    pub fn fetch(&self, request: impl Into<Vec<u8>>) -> Response {
        http::fetch(self.port(), request).unwrap_or_else(|error| panic!("no response: {error}"))
    }

    /// Sends a verification and checks the signature of the response.
    pub fn verify(&self, question: &Value) -> Response {
        self.verify_bytes(question.to_string())
    }

    /// The same with an arbitrary body.
    pub fn verify_bytes(&self, body: impl Into<Vec<u8>>) -> Response {
        let response = self.fetch(Request::post(VERIFY).body(body));
        assert_signed(&response, &self.public_keys());
        response
    }

    /// Runs the program beside the server: `opterius-license-server --config … words`.
    pub fn run(&self, words: &[&str]) -> Output {
        run(self.directory(), words)
    }
}

fn is_about_keys(line: &str) -> bool {
    line.contains("Responses are signed with: ") || line.contains("The keys were not reloaded")
}

/// Asserts that each of these keys, separated by commas as in agent.conf, has signed the exact body.
pub fn assert_signed(response: &Response, public_keys: &str) {
    for key in public_keys.split(", ") {
        assert!(is_signed_by(response, key), "not signed by {key}: {} {}", response.head_text(), response.text());
    }
}

/// Whether this key has signed the exact body.
pub fn is_signed_by(response: &Response, public_key: &str) -> bool {
    let message = [b"opterius-license-verify/v1\n", response.body.as_slice()].concat();
    let public_key = UnparsedPublicKey::new(&ED25519, BASE64.decode(public_key).unwrap());
    let header = response.header("Opterius-Signature").unwrap_or_default();
    let values = header.split("ed25519=\"").skip(1).filter_map(|rest| rest.split('"').next());
    values.filter_map(|value| BASE64.decode(value).ok()).any(|value| public_key.verify(&message, &value).is_ok())
}

pub fn config_path(directory: &Path) -> PathBuf {
    directory.join("license-server.conf")
}

fn serve(directory: &Path, launcher: &[String]) -> Process {
    let mut words = launcher.to_vec();
    words.extend(command_words(directory, &["serve"]));
    Process::start(process::command(&words))
}

fn run(directory: &Path, words: &[&str]) -> Output {
    let mut command = process::command(&command_words(directory, words));
    command.stdin(Stdio::null()).output().unwrap()
}

/// The command line of the program with the configuration in this directory.
pub fn command_words(directory: &Path, words: &[&str]) -> Vec<String> {
    let config = config_path(directory).display().to_string();
    let program = programs::license_server();
    [&[program.as_str()], words, &["--config", &config]].concat().into_iter().map(str::to_owned).collect()
}
