//! The log as an operator reads it: the daemon as a service of a real systemd, its lines in a real journal.
//!
//! `tests/with-systemd` boots a disposable systemd over this machine's files. It shares the loopback interface with the
//! test, so the license server runs in this process.

use crate::support::TempDirectory;
use crate::support::agent::LICENSE_KEY;
use crate::support::fake_license_server::{FakeLicenseServer, Reply};
use crate::support::http::{self, PROMPTLY, Request, SECRET};
use crate::support::{eventually, pause};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// How long a boot, or a check 5 s after another one, can take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(40);

const VALID: &str = "License: valid (plan: free, max_accounts: 5, max_servers: 1, expires: never)";
const INVALID: &str = "License: INVALID — License is already activated on 1 of 1 allowed servers.";

/// syslog(3): LOG_DAEMON, LOG_WARNING, LOG_INFO.
const DAEMON: &str = "3";
const WARNING: &str = "4";
const INFO: &str = "6";

#[test]
fn the_journal_shows_the_documented_lines() {
    let server = FakeLicenseServer::start_plain();
    let mut machine = Machine::boot(&server);
    let version = env!("CARGO_PKG_VERSION");
    let listening = format!("opterius-agent {version} listening on 127.0.0.1:{}", machine.start_agent());
    let reread = format!("{} reloaded", machine.config.display());
    machine.wait_for_line(VALID);

    server.reply(denied());
    machine.run("systemctl reload opterius-agent");
    machine.wait_for_line(INVALID);
    server.reply(expiring());
    machine.run("systemctl kill --signal=HUP --kill-who=main opterius-agent");
    let unlimited = "License: valid (plan: datacenter, max_accounts: unlimited, max_servers: unlimited, \
                     expires: 2099-03-01T00:00:00Z)";
    machine.wait_for_line(unlimited);
    server.pause();
    machine.run("systemctl reload opterius-agent");
    machine.wait_for(|line| line.starts_with("License: unreachable — ") && line.contains("; running on the cached"));
    machine.run("systemctl stop opterius-agent");
    machine.wait_for_line("Stopped");

    // Exactly these, each once and nothing else, by every selection.
    let expected = [
        (INFO, listening.as_str()),
        (INFO, VALID),
        (INFO, &reread),
        (WARNING, INVALID),
        (INFO, &reread),
        (INFO, unlimited),
        (INFO, &reread),
        (INFO, unlimited),
        (WARNING, "License: unreachable — "),
        (INFO, "Stopping: running requests have 5 s"),
        (INFO, "Stopped"),
    ];
    for selection in ["-u opterius-agent _COMM=opterius-agent", "-t opterius-agent"] {
        let entries = machine.entries(selection);
        assert_eq!(entries.len(), expected.len(), "{selection}: {entries:#?}");
        for (entry, (priority, message)) in entries.iter().zip(expected) {
            let shown = entry["MESSAGE"].as_str().unwrap_or_else(|| panic!("{selection}: not text: {entry}"));
            let same = if message.ends_with("— ") { shown.starts_with(message) } else { shown == message };
            assert!(same, "{selection}: {shown:?} instead of {message:?}");
            assert_eq!(entry["PRIORITY"], priority, "{shown}");
            assert_eq!(entry["SYSLOG_FACILITY"], DAEMON, "{shown}");
            assert_eq!(entry["SYSLOG_IDENTIFIER"], "opterius-agent", "{shown}");
            assert_eq!(entry["SYSLOG_PID"], entry["_PID"], "{shown}");
            assert_eq!(entry["_TRANSPORT"], "syslog", "{shown}");
        }
    }
}

#[test]
fn a_failed_start_is_explained_in_the_journal() {
    let server = FakeLicenseServer::start_plain();
    let mut machine = Machine::boot(&server);
    fs::write(&machine.config, "secret=0123456789abcdef\nport=70000\n").unwrap();
    machine.run("systemctl start opterius-agent; systemctl is-failed opterius-agent");
    let place = format!("{}:2: port", machine.config.display());
    machine.wait_for(|line| line.contains(&place) && line.contains("0 to 65535"));
    let shown = machine.run("systemctl show -P ExecMainStatus opterius-agent");
    assert_eq!(shown.trim(), "78");
}

#[test]
fn a_journal_outage_neither_blocks_nor_silences_the_daemon() {
    let server = FakeLicenseServer::start_plain();
    let mut machine = Machine::boot(&server);
    let port = machine.start_agent();
    machine.wait_for_line(VALID);
    let sockets = "systemd-journald.socket systemd-journald-dev-log.socket";
    let interruptions = [
        ("killed", "systemctl kill --signal=KILL systemd-journald".to_owned(), "true".to_owned()),
        ("restarted", "systemctl restart systemd-journald".to_owned(), "true".to_owned()),
        (
            "not read from",
            "systemctl kill --signal=STOP systemd-journald".to_owned(),
            "systemctl kill --signal=CONT systemd-journald".to_owned(),
        ),
        (
            "gone with its sockets",
            format!("systemctl stop systemd-journald.service {sockets}"),
            format!("systemctl start {sockets} systemd-journald.service"),
        ),
    ];
    for (number, (what, interrupt, resume)) in interruptions.iter().enumerate() {
        let agent = machine.run("systemctl show -P MainPID opterius-agent").trim().to_owned();
        machine.run(interrupt);
        answers_throughout(port, || {
            // Each logs a line or two; an unread socket holds about ten.
            for _ in 0..100 {
                machine.run(&format!("kill -HUP {agent}"));
            }
        });
        machine.run(resume);
        let plan = format!("plan-{number}");
        server.reply(granted(&plan));
        machine.run(&format!("kill -HUP {agent}"));
        let later = format!("License: valid (plan: {plan}, ");
        machine.wait_for_or(|line| line.starts_with(&later), &format!("a line after the journal was {what}"));
        assert_eq!(machine.run("systemctl show -P MainPID opterius-agent").trim(), agent, "{what}");
    }
}

/// Runs `work` while an ordinary client sends requests, each of which must be answered.
fn answers_throughout(port: u16, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let response = http::fetch(port, Request::get("/license/status"));
                response.unwrap_or_else(|error| panic!("no answer within {PROMPTLY:?}: {error}"));
                pause(Duration::from_millis(10));
            }
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        over.store(true, Ordering::Relaxed);
        client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn denied() -> Reply {
    let message = "License is already activated on 1 of 1 allowed servers.";
    Reply::json(403, json!({ "valid": false, "reason": "server_limit_reached", "message": message }))
}

fn expiring() -> Reply {
    let expires_at = "2099-03-01T00:00:00Z";
    let terms =
        json!({ "valid": true, "plan": "datacenter", "max_accounts": 0, "max_servers": 0, "expires_at": expires_at });
    Reply::json(200, terms)
}

fn granted(plan: &str) -> Reply {
    Reply::json(200, json!({ "valid": true, "plan": plan, "max_accounts": 5, "max_servers": 1 }))
}

/// A systemd with the daemon as a service, and a shell in it that runs the test's scripts.
struct Machine {
    shell: Child,
    input: ChildStdin,
    output: Receiver<String>,
    config: PathBuf,
    _directory: TempDirectory,
}

impl Machine {
    fn boot(server: &FakeLicenseServer) -> Machine {
        require_tools();
        let directory = TempDirectory::new();
        let config = directory.path().join("agent.conf");
        let cache = directory.path().join("license-cache.json");
        let settings = format!(
            "secret={SECRET}\nlicense_key={LICENSE_KEY}\nlicense_server={}\nip_discovery_url=\nport=0\nlog=auto\n\
             license_cache={}\n",
            server.url(),
            cache.display()
        );
        fs::write(&config, settings).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
        let (mut shell, output) = start_shell(directory.path());
        let input = shell.stdin.take().unwrap();
        let mut machine = Machine { shell, input, output, config, _directory: directory };
        let unit = format!(
            "[Service]\nExecStart=/usr/local/bin/opterius-agent --config {}\nExecReload=/bin/kill -HUP $MAINPID\n",
            machine.config.display()
        );
        let path = "/run/systemd/system/opterius-agent.service";
        machine.run(&format!("cat >{path} <<'END'\n{unit}END\nsystemctl daemon-reload"));
        machine
    }

    /// Starts the service; returns its port.
    fn start_agent(&mut self) -> u16 {
        self.run("systemctl start opterius-agent");
        let line = self.wait_for(|line| line.contains("listening on 127.0.0.1:"));
        line.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no port in: {line}"))
    }

    /// Runs the script in the machine and returns its stdout and stderr.
    fn run(&mut self, script: &str) -> String {
        const END: &str = "--- the end of one script ---";
        writeln!(self.input, "{{\n{script}\n}} 2>&1 </dev/null\necho; echo '{END}'").unwrap();
        let mut printed = String::new();
        loop {
            match self.output.recv_timeout(PATIENCE) {
                Ok(line) if line == END => return printed,
                Ok(line) => printed = printed + &line + "\n",
                Err(error) => panic!("{error} in: {script}\nafter: {printed}"),
            }
        }
    }

    /// The daemon's messages, as `-o cat` shows them.
    fn lines(&mut self) -> Vec<String> {
        let shown = self.run("journalctl --sync; journalctl -u opterius-agent -o cat --no-pager");
        shown.lines().map(str::to_owned).collect()
    }

    fn wait_for_line(&mut self, expected: &str) {
        self.wait_for_or(|line| line == expected, expected);
    }

    fn wait_for(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_for_or(wanted, "such line")
    }

    fn wait_for_or(&mut self, wanted: impl Fn(&str) -> bool, what: &str) -> String {
        let mut lines = Vec::new();
        let mut found = None;
        eventually(PATIENCE, || {
            lines = self.lines();
            found = lines.iter().find(|line| wanted(line)).cloned();
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no {what} in the journal: {lines:#?}"))
    }

    /// The entries that `journalctl` prints for this selection, in order.
    fn entries(&mut self, selection: &str) -> Vec<Value> {
        let shown = self.run(&format!("journalctl {selection} -o json --no-pager"));
        let lines = shown.lines().filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }
}

impl Drop for Machine {
    /// `with-systemd` stops everything in it and cleans up.
    fn drop(&mut self) {
        let _ = writeln!(self.input, "exit 0");
        let ended = eventually(PATIENCE, || self.shell.try_wait().is_ok_and(|status| status.is_some()));
        if !ended {
            let _ = rustix::process::kill_process(
                rustix::process::Pid::from_child(&self.shell),
                rustix::process::Signal::TERM,
            );
            let _ = self.shell.wait();
        }
    }
}

/// A shell in a new systemd, and its output lines.
fn start_shell(directory: &Path) -> (Child, Receiver<String>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/with-systemd");
    let mut command = Command::new(script);
    command.arg("--host-net").arg("--timeout=300").arg("--boot-timeout=60");
    command.arg(format!("--bind={}", directory.display()));
    command.arg(format!("--bind-ro={}:/usr/local/bin/opterius-agent", env!("CARGO_BIN_EXE_opterius-agent")));
    command.args(["--", "sh"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = command.spawn().unwrap();
    let stdout = shell.stdout.take().unwrap();
    let (sender, lines) = mpsc::channel();
    // Ends when the shell closes the pipe.
    std::thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    (shell, lines)
}

/// Fails without the required tools: a test that skips itself would look like a success.
fn require_tools() {
    let missing = |path: &&str| !Path::new(path).exists();
    let tools = ["/usr/lib/systemd/systemd", "/usr/bin/dbus-daemon", "/usr/bin/unshare", "/usr/bin/mount"];
    let missing: Vec<&str> = tools.into_iter().filter(missing).collect();
    assert!(
        missing.is_empty(),
        "the journal tests need {missing:?}. Run: apt-get install -y systemd dbus util-linux mount"
    );
    assert!(rustix::process::geteuid().is_root(), "the journal tests boot their own systemd and need root");
}
