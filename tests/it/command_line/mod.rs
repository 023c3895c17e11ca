//! The command line of the real binary: what it prints, on which stream, and how it exits.

mod configuration;
mod impostor;
mod inquiry;

use crate::support::TempDirectory;
use crate::support::agent::{Agent, LICENSE_KEY};
use crate::support::fake_license_server::{FakeLicenseServer, Reply};
use crate::support::http::SECRET;
use opterius_agent::cli::command_line::{HELP, parse};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_opterius-agent");

/// The time limit of a command: `reverify` waits for a check, and two checks are 5 s apart.
const PATIENCE: Duration = Duration::from_secs(50);

#[test]
fn the_version_is_one_line_and_touches_nothing() {
    let directory = TempDirectory::new();
    let nowhere = directory.path().join("agent.conf");
    for arguments in [vec!["--version"], vec!["--config", text(&nowhere), "--version"]] {
        let finished = finish(Command::new(BINARY).args(&arguments).current_dir(directory.path()));
        assert_eq!(finished.stdout, concat!("opterius-agent ", env!("CARGO_PKG_VERSION"), "\n"));
        finished.expect(0).and_silent_on_stderr();
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "files were left behind");
}

#[test]
fn the_help_names_every_option_and_subcommand() {
    let finished = run(["--help"]);
    finished.expect(0).and_silent_on_stderr();
    assert_eq!(finished.stdout, HELP);
    let words: BTreeSet<&str> = finished.stdout.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    for word in ["--config", "--check-config", "--json", "--version", "--help", "status", "doctor", "reverify"] {
        assert!(words.contains(word), "no {word} in:\n{HELP}");
    }
    for option in words.into_iter().filter(|word| word.starts_with("--")) {
        let parsed = parse(["opterius-agent", "status", option, "value"].map(OsString::from));
        let unknown = parsed.is_err_and(|sentence| sentence.contains("invalid option"));
        assert!(!unknown, "the help lists {option}, which is not an option");
    }
}

#[test]
fn an_invalid_argument_is_named_and_exits_64() {
    let table: [(&[&str], &str); 8] = [
        (&["--confg", "x"], "--confg"),
        (&["-x"], "-x"),
        (&["--config"], "--config"),
        (&["stauts"], "stauts"),
        (&[""], "subcommand"),
        (&["status", "now"], "now"),
        (&["reverify", "--json"], "--json"),
        (&["status", "--check-config"], "--check-config"),
    ];
    for (arguments, word) in table {
        let finished = run(arguments);
        finished.expect(64);
        assert_eq!(finished.stdout, "", "{arguments:?}");
        assert!(finished.stderr.contains(word), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains("--help"), "{arguments:?}: {}", finished.stderr);
    }
}

#[test]
fn arguments_that_are_not_utf_8_cause_no_panic() {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = OsStr::from_bytes(b"\xff\xfe\x1b[31m");
    for arguments in [vec![odd], vec![OsStr::new("--config"), odd, OsStr::new("--check-config")]] {
        let finished = run(&arguments);
        assert!(matches!(finished.code, Some(64 | 78)), "{arguments:?}: {finished:?}");
        assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    }
}

#[test]
fn a_closed_or_full_output_causes_no_panic() {
    let agent = reachable(Agent::licensed());
    let config = agent.config_path();
    let table: [&[&str]; 6] = [
        &["--help"],
        &["--version"],
        &["--config", text(&config), "--check-config"],
        &["--config", text(&config), "status"],
        &["--config", text(&config), "status", "--json"],
        &["--wrong"],
    ];
    for arguments in table {
        let expected = if arguments == ["--wrong"] { 64 } else { 0 };
        for output in [closed_pipe as fn() -> Stdio, full_device] {
            let finished = spawn_and_wait(Command::new(BINARY).args(arguments).stdout(output()).stderr(Stdio::piped()));
            assert!(!finished.stderr.contains("panicked"), "{arguments:?}: {finished:?}");
            assert_eq!(finished.code, Some(expected), "{arguments:?}: {finished:?}");
            let mute = spawn_and_wait(Command::new(BINARY).args(arguments).stdout(output()).stderr(output()));
            assert_eq!(mute.code, Some(expected), "{arguments:?}: {mute:?}");
        }
    }
}

#[test]
fn neither_secret_nor_license_key_is_ever_shown() {
    let server = FakeLicenseServer::start();
    let agent = reachable(Agent::builder().license_server(&server).start_licensed());
    agent.rewrite_config(&[("spare_key", LICENSE_KEY), ("panel_token", SECRET)]);
    let mut shown = Vec::new();
    let mut look = |what: &str, finished: Finished| shown.push((what.to_owned(), finished.stdout + &finished.stderr));
    look("check", run(["--config", text(&agent.config_path()), "--check-config"]));
    look("status", ask(&agent, &["status"]));
    look("JSON", ask(&agent, &["status", "--json"]));
    // A license server that echoes the request.
    for valid in [true, false] {
        let echo = format!("Key {LICENSE_KEY}.");
        let terms = json!({ "valid": valid, "reason": LICENSE_KEY, "message": echo, "plan": LICENSE_KEY,
            "max_accounts": 5, "subscription_status": LICENSE_KEY });
        server.reply(Reply::json(200, terms));
        look("reverify, echo", ask(&agent, &["reverify"]));
        look("JSON, echo", ask(&agent, &["status", "--json"]));
    }
    agent.signal(Signal::HUP);
    assert!(agent.wait_for_line(|line| line.contains("panel_token"), PATIENCE).is_some(), "{:#?}", agent.lines());
    let mistakes = [
        format!("secert={SECRET}"),
        format!("secret={SECRET}\nlicens_key={LICENSE_KEY}"),
        format!("secret={SECRET}\nlicense_key={LICENSE_KEY} {LICENSE_KEY}"),
        format!("secret={SECRET}{}", "x".repeat(255)),
        format!("secret={SECRET}\nproxy=ftp://user:{SECRET}@proxy.example.com"),
        format!("secret {SECRET}"),
        format!("secret={SECRET}\nsecret={SECRET}"),
        SECRET.to_owned(),
    ];
    for mistake in mistakes {
        let config = ConfigFile::new(mistake);
        look("a mistake", run(["--config", config.text(), "--check-config"]));
    }
    shown.push(("the daemon's log".to_owned(), agent.lines().join("\n")));
    shown.push(("the cache".to_owned(), fs::read_to_string(agent.directory().join("license-cache.json")).unwrap()));
    for (what, text) in shown {
        assert!(!text.contains(SECRET), "the secret, {what}: {text}");
        assert!(!text.contains(&SECRET[4..SECRET.len() - 4]), "most of the secret, {what}: {text}");
        assert!(!text.to_uppercase().contains(LICENSE_KEY), "the license key, {what}: {text}");
        assert!(!text.to_uppercase().contains(&LICENSE_KEY[4..LICENSE_KEY.len() - 4]), "its middle, {what}: {text}");
    }
}

fn closed_pipe() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full_device() -> Stdio {
    fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

// --------------------------------------------------------------------------------------------------------------------
// Helpers.

/// The result of a finished command.
#[derive(Debug)]
struct Finished {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Finished {
    fn expect(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    fn and_silent_on_stderr(&self) -> &Self {
        assert_eq!(self.stderr, "");
        self
    }

    /// Exactly one line, with the program's name and all of these words.
    fn and_one_line_on_stderr(&self, words: &[&str]) {
        let stderr = &self.stderr;
        assert!(stderr.starts_with("opterius-agent: "), "{stderr}");
        assert!(stderr.ends_with('\n') && stderr.lines().count() == 1, "not one line: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "no {word} in: {stderr}");
        }
    }

    /// The value after `name:` in the text status.
    fn field(&self, name: &str) -> Option<&str> {
        self.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    fn shows(&self, fields: &[(&str, &str)]) {
        for (name, value) in fields {
            assert_eq!(self.field(name), Some(*value), "{name} in:\n{}", self.stdout);
        }
    }

    fn contains_no_escape_sequences(&self) {
        for text in [&self.stdout, &self.stderr] {
            let hostile =
                |c: char| (c.is_control() && c != '\n') || c == '\u{202e}' || c == char::REPLACEMENT_CHARACTER;
            assert!(!text.contains(hostile), "{text:?}");
        }
    }
}

fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Finished {
    finish(Command::new(BINARY).args(arguments))
}

fn finish(command: &mut Command) -> Finished {
    spawn_and_wait(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
}

/// Runs the command with an unusable proxy: requests to the daemon on this machine must ignore it.
fn spawn_and_wait(command: &mut Command) -> Finished {
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:1");
    }
    let child = command.stdin(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    let waiter = std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = kill_process(pid, Signal::KILL);
        panic!("still running after {PATIENCE:?}: {command:?}");
    });
    let (output, _) = (output.unwrap(), waiter.join());
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Writes the daemon's port into its configuration, where the commands read it.
fn reachable(agent: Agent) -> Agent {
    agent.rewrite_config(&[("port", &agent.port().to_string())]);
    agent
}

fn ask(agent: &Agent, arguments: &[&str]) -> Finished {
    run([&["--config", text(&agent.config_path())], arguments].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of the tests is text")
}

/// An agent.conf in a separate directory.
struct ConfigFile {
    path: PathBuf,
    _directory: TempDirectory,
}

impl ConfigFile {
    fn new(contents: impl AsRef<[u8]>) -> ConfigFile {
        let directory = TempDirectory::new();
        let path = directory.path().join("agent.conf");
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        ConfigFile { path, _directory: directory }
    }

    /// A file that every user can read, in a directory that every user can enter.
    fn readable(contents: impl AsRef<[u8]>) -> ConfigFile {
        let config = ConfigFile::new(contents);
        fs::set_permissions(config._directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&config.path, fs::Permissions::from_mode(0o644)).unwrap();
        config
    }

    fn text(&self) -> &str {
        text(&self.path)
    }
}

fn denied() -> Reply {
    let message = "License is already activated on 1 of 1 allowed servers.";
    Reply::json(403, json!({ "valid": false, "reason": "server_limit_reached", "message": message }))
}
