//! The Debian packages, and the Agent as installed by its package, on a disposable machine.

use super::SOON;
use super::agent::LICENSE_KEY;
use super::eventually;
use super::fake_license_server::FakeLicenseServer;
use super::http::{self, Connection, Request, SECRET};
use super::machine::{self, attempt, on_a_machine, run};
use super::panel::Answer;
use super::process;
use super::programs;
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// The Agent's default port.
pub const PORT: u16 = 7443;

/// The Panel's timeout.
const PANEL_TIMEOUT: Duration = Duration::from_secs(120);

/// Runs `body` on a disposable machine where the packages can be installed.
pub fn on_a_server<Test: Fn()>(test: Test, body: impl FnOnce()) {
    if !machine::is_inside() {
        static BUILT: OnceLock<()> = OnceLock::new();
        BUILT.get_or_init(build);
    }
    on_a_machine(test, body);
}

/// Builds the packages from the existing binaries under test.
fn build() {
    for tool in ["/usr/sbin/logrotate", "/usr/bin/man", "/usr/bin/sqlite3", "/usr/bin/curl"] {
        assert!(Path::new(tool).exists(), "{tool} is missing. Run: apt-get install -y logrotate man-db sqlite3 curl");
    }
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    // Check that the binaries are up to date.
    let _ = (programs::helper(), programs::license_server());
    for package in ["opterius-agent", "opterius-license-server"] {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["deb", "--no-build", "--fast", "--profile", profile]);
        command.args(["--package", package]).arg("--output").arg(directory());
        let output = command.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}\nThese tests need: cargo install --locked cargo-deb");
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages/")
}

/// The path of a package file.
pub fn file(package: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    directory().join(format!("{package}_{version}-1_{architecture}.deb")).display().to_string()
}

/// Installs a package file, and returns the output.
pub fn install(file: &str) -> String {
    // The machine may prevent package installations from starting services; our package must start its own.
    let _ = fs::remove_file("/usr/sbin/policy-rc.d");
    run(&format!("DEBIAN_FRONTEND=noninteractive dpkg --install {file} 2>&1"))
}

/// The Agent as a service, and its license server.
pub struct Service {
    pub server: FakeLicenseServer,
}

impl Service {
    /// Installs the package over an existing configuration with these additional lines.
    pub fn install(lines: &str) -> Service {
        let service = Service::configure(lines);
        install(&file("opterius-agent"));
        service
    }

    /// Only writes the configuration.
    pub fn configure(lines: &str) -> Service {
        let server = FakeLicenseServer::start_plain();
        let settings = format!(
            "secret={SECRET}\nlicense_key={LICENSE_KEY}\nlicense_server={}\nip_discovery_url=\n{lines}",
            server.url()
        );
        fs::create_dir_all("/etc/opterius").unwrap();
        process::write_private(Path::new("/etc/opterius/agent.conf"), settings.as_bytes()).unwrap();
        Service { server }
    }

    /// The last 20 lines of the log.
    pub fn lines(&self) -> Vec<String> {
        let shown = run("journalctl --sync; journalctl -u opterius-agent -n 20 -o cat --no-pager");
        shown.lines().map(str::to_owned).collect()
    }

    /// Waits for a log line that starts like this.
    pub fn says(&self, start: &str) {
        let found = eventually(SOON, || self.lines().iter().any(|line| line.starts_with(start)));
        assert!(found, "no line {start:?} in {:#?}", self.lines());
    }

    /// The body of `GET /license/status`.
    pub fn status(&self) -> Value {
        http::fetch(PORT, Request::get("/license/status")).unwrap_or_else(|error| panic!("no response: {error}")).json()
    }

    /// Sends a signed request, with the Panel's timeout.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let mut connection = Connection::open(PORT).unwrap();
        connection.send(Request::post(path).body(body.to_string()).signed().bytes()).unwrap();
        connection.receive(PANEL_TIMEOUT).unwrap_or_else(|error| panic!("no response: {error}")).into()
    }
}

/// A property of the Agent's unit.
pub fn show(property: &str) -> String {
    run(&format!("systemctl show -P {property} opterius-agent.service")).trim().to_owned()
}

/// Writes a drop-in for a unit.
pub fn override_unit(unit: &str, lines: &str) {
    let directory = format!("/run/systemd/system/{unit}.d");
    fs::create_dir_all(&directory).unwrap();
    fs::write(format!("{directory}/test.conf"), format!("[Service]\n{lines}\n")).unwrap();
    run("systemctl daemon-reload");
}

/// Whether the port is in use.
pub fn is_taken(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_err()
}

/// Whether dpkg knows the package in any state, including removed with configuration left.
pub fn is_known(package: &str) -> bool {
    attempt(&format!("dpkg-query --show {package}")).0
}
