//! The command line of the real binary: what it prints, on which stream, and how it exits.

use crate::support::agent::{Agent, LICENSE_KEY};
use crate::support::http::{Request, SECRET};
use crate::support::license_server::{LicenseServer, Reply};
use crate::support::{TempDirectory, eventually};
use opterius_agent::agent::command_line::{HELP, parse};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_opterius-agent");

/// The longest a command may take: `reverify` waits for a check, and two checks are 5 s apart.
const PATIENCE: Duration = Duration::from_secs(50);

/// `nobody` of Debian: any user that is not root.
const UNPRIVILEGED: u32 = 65534;

// --------------------------------------------------------------------------------------------------------------------
// What needs no configuration.

#[test]
fn the_version_is_one_line_and_touches_nothing() {
    let directory = TempDirectory::new();
    let nowhere = directory.path().join("agent.conf");
    for arguments in [vec!["--version"], vec!["--config", text(&nowhere), "--version"]] {
        let finished = finish(Command::new(BINARY).args(&arguments).current_dir(directory.path()));
        assert_eq!(finished.stdout, concat!("opterius-agent ", env!("CARGO_PKG_VERSION"), "\n"));
        finished.expect(0).and_silent_on_stderr();
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn the_help_names_every_option_and_subcommand() {
    let finished = run(["--help"]);
    finished.expect(0).and_silent_on_stderr();
    assert_eq!(finished.stdout, HELP);
    let words: BTreeSet<&str> = finished.stdout.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    for word in ["--config", "--check-config", "--json", "--version", "--help", "status", "reverify"] {
        assert!(words.contains(word), "no {word} in:\n{HELP}");
    }
    for option in words.into_iter().filter(|word| word.starts_with("--")) {
        let parsed = parse(["opterius-agent", "status", option, "value"].map(OsString::from));
        let unknown = parsed.is_err_and(|sentence| sentence.contains("invalid option"));
        assert!(!unknown, "the help names {option}, which is no option");
    }
}

#[test]
fn what_is_not_understood_is_named_and_exits_64() {
    let table: [(&[&str], &str); 9] = [
        (&["--confg", "x"], "--confg"),
        (&["-x"], "-x"),
        (&["--config"], "--config"),
        (&["stauts"], "stauts"),
        (&[""], "subcommand"),
        (&["status", "now"], "now"),
        (&["reverify", "--json"], "--json"),
        (&["status", "--check-config"], "--check-config"),
        (&["--version=1"], "--version"),
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
fn arguments_that_are_not_text_are_no_panic() {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = OsStr::from_bytes(b"\xff\xfe\x1b[31m");
    for arguments in [vec![odd], vec![OsStr::new("--config"), odd, OsStr::new("--check-config")]] {
        let finished = run(&arguments);
        assert!(matches!(finished.code, Some(64 | 78)), "{arguments:?}: {finished:?}");
        assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    }
}

// --------------------------------------------------------------------------------------------------------------------
// The configuration file.

#[test]
fn the_shipped_example_passes_the_check_and_does_not_run() {
    let example = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/agent.conf")).unwrap();
    let config = ConfigFile::new(example);
    let checked = run(["--config", config.text(), "--check-config"]);
    checked.expect(0);
    assert_eq!(checked.stdout, format!("{}: ok\n", config.text()));
    assert!(checked.stderr.contains("warning") && checked.stderr.contains("secret"), "{}", checked.stderr);
    let started = run(["--config", config.text()]);
    started.expect(78).and_one_line_on_stderr(&[config.text(), "secret", "openssl rand -hex 32"]);
}

#[test]
fn a_good_configuration_passes_the_check_in_silence() {
    let config = ConfigFile::new(format!("secret={SECRET}\r\nLICENSE_KEY='{LICENSE_KEY}'\nport = 0\n# end"));
    let checked = run(["--config", config.text(), "--check-config"]);
    checked.expect(0).and_silent_on_stderr();
}

#[test]
fn a_wrong_configuration_is_one_line_with_file_line_and_key() {
    let good = format!("secret={SECRET}\n");
    let of = |line: &str| format!("{good}{line}\n").into_bytes();
    let table: [(Vec<u8>, &str, &[&str]); 21] = [
        (Vec::new(), "", &["secret"]),
        (b"# no secret\nport=0\n".to_vec(), "", &["secret"]),
        (b"secret=\n".to_vec(), ":1", &["secret", "empty"]),
        (b"port=0\nsecret=\"\"\n".to_vec(), ":2", &["secret", "empty"]),
        (of("licens_key=AAAAAAAA"), ":2", &["licens_key", "license_key"]),
        (b"\nsecert=abc\n".to_vec(), ":2", &["secert", "secret"]),
        (of("port=65536"), ":2", &["port", "65536", "0 to 65535"]),
        (of("port=-1"), ":2", &["port", "0 to 65535"]),
        (of("signature_window_seconds=0"), ":2", &["signature_window_seconds", "1 to 3600"]),
        (of("request_threads=1"), ":2", &["request_threads", "2 to 64"]),
        (of("max_connections=15"), ":2", &["max_connections", "16 to 65536"]),
        (of("max_body_bytes=8388609"), ":2", &["max_body_bytes", "65536 to 8388608"]),
        (of("listen_addr=localhost"), ":2", &["listen_addr", "127.0.0.1"]),
        (of("license_server=http://example.com"), ":2", &["license_server", "https://"]),
        (of("license_ca_file=/nowhere/ca.pem"), ":2", &["license_ca_file", "/nowhere/ca.pem"]),
        (of("license_public_key=short"), ":2", &["license_public_key"]),
        (of("license_cache=cache.json"), ":2", &["license_cache", "absolute"]),
        (of("log=loud"), ":2", &["log", "auto, syslog or stderr"]),
        (of("just a line"), ":2", &["key=value"]),
        (b"# \xc3\xa9\nsecret=\xff\xfe\n".to_vec(), ":2", &["UTF-8"]),
        (vec![b'#'; 64 * 1024 + 1], "", &["64 KiB"]),
    ];
    for (bytes, line, words) in table {
        let config = ConfigFile::new(bytes);
        let place = format!("{}{line}", config.text());
        let words = [words, &[place.as_str()]].concat();
        for mode in [&["--check-config"][..], &[], &["reverify"]] {
            let finished = run([&["--config", config.text()], mode].concat());
            finished.expect(78).and_one_line_on_stderr(&words);
            assert_eq!(finished.stdout, "", "{words:?}");
        }
    }
}

#[test]
fn a_configuration_of_64_kib_is_not_too_large() {
    let good = format!("secret={SECRET}\n#");
    let config = ConfigFile::new(format!("{good}{}", "x".repeat(64 * 1024 - good.len())));
    run(["--config", config.text(), "--check-config"]).expect(0);
}

#[test]
fn something_else_in_place_of_the_file_is_named() {
    let directory = TempDirectory::new();
    let (fifo, dangling) = (directory.path().join("fifo"), directory.path().join("dangling"));
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    let missing = directory.path().join("missing");
    let below_a_file = fifo.join("agent.conf");
    for path in [directory.path(), &fifo, &dangling, &missing, &below_a_file, Path::new("/dev/zero"), Path::new("")] {
        for mode in [&["--check-config"][..], &[]] {
            let finished = run([&["--config", text(path)], mode].concat());
            finished.expect(78).and_one_line_on_stderr(&[text(path)]);
        }
    }
}

#[test]
fn what_may_not_be_read_exits_77() {
    let other = Unprivileged::new();
    let config = ConfigFile::readable(format!("secret={SECRET}\n"));
    fs::set_permissions(&config.path, fs::Permissions::from_mode(0o600)).unwrap();
    for mode in [&["--check-config"][..], &[], &["reverify"]] {
        let finished = finish(other.command().args([&["--config", config.text()], mode].concat()));
        finished.expect(77).and_one_line_on_stderr(&[config.text(), "permission denied"]);
    }
    let authority = ConfigFile::readable("");
    fs::set_permissions(&authority.path, fs::Permissions::from_mode(0o600)).unwrap();
    let config = ConfigFile::readable(format!("secret={SECRET}\nlicense_ca_file={}\n", authority.text()));
    let finished = finish(other.command().args(["--config", config.text(), "--check-config"]));
    let place = format!("{}:2", config.text());
    finished.expect(77).and_one_line_on_stderr(&[&place, "license_ca_file", authority.text(), "permission denied"]);
}

#[test]
fn a_status_without_a_readable_configuration_asks_where_the_agent_listens_by_default() {
    let other = Unprivileged::new();
    let config = ConfigFile::readable(format!("secret={SECRET}\n"));
    fs::set_permissions(&config.path, fs::Permissions::from_mode(0o600)).unwrap();
    // A network of its own, in which nothing listens.
    let mut command = Command::new("unshare");
    let become_other = other.command();
    command.arg("--net").arg(become_other.get_program()).args(become_other.get_args());
    let finished = finish(command.args(["--config", config.text(), "status"]));
    finished.expect(2);
    assert!(finished.stderr.contains("permission denied"), "{}", finished.stderr);
    assert!(finished.stderr.contains("127.0.0.1:7443"), "{}", finished.stderr);
}

#[test]
fn a_configuration_that_others_can_read_is_tightened_at_start() {
    for (mode, tightened) in [(0o644, 0o640), (0o666, 0o640), (0o777, 0o640), (0o604, 0o600)] {
        let mut agent = Agent::builder().start();
        let path = agent.config_path();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        agent.restart();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, tightened, "from {mode:04o}");
        let told = |line: &str| {
            [text(&path), &format!("{mode:04o}"), &format!("{tightened:04o}")].iter().all(|word| line.contains(word))
        };
        assert!(agent.wait_for_line(told, PATIENCE).is_some(), "{mode:04o}: {:#?}", agent.lines());
    }
}

#[test]
fn a_configuration_that_only_root_and_its_group_can_read_is_left_alone() {
    let mut agent = Agent::builder().start();
    let path = agent.config_path();
    for mode in [0o640, 0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        agent.restart();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        assert!(!agent.lines().iter().any(|line| line.contains("mode")), "{:#?}", agent.lines());
    }
}

// --------------------------------------------------------------------------------------------------------------------
// status and reverify.

#[test]
fn the_status_of_a_valid_license_exits_0() {
    let agent = reachable(Agent::licensed());
    let finished = ask(&agent, &["status"]);
    finished.expect(0).and_silent_on_stderr();
    finished.shows(&[
        ("License", "valid"),
        ("State", "active"),
        ("Message", "License is valid."),
        ("Plan", "free"),
        ("Servers", "1 allowed"),
        ("Expires", "never"),
        ("Cache", "ok"),
    ]);
    assert!(finished.field("Accounts").unwrap().ends_with("used, 5 allowed"), "{}", finished.stdout);
    assert!(finished.field("Checked").unwrap().ends_with("  granted"), "{}", finished.stdout);
    assert_eq!(finished.field("Reason"), None);
}

#[test]
fn the_status_of_a_restricted_license_exits_1_and_says_what_to_do() {
    let server = LicenseServer::start();
    server.reply(denied());
    let agent = reachable(Agent::builder().license_server(&server).start());
    assert!(eventually(PATIENCE, || agent.status()["reason"] == "server_limit_reached"));
    let finished = ask(&agent, &["status"]);
    finished.expect(1).and_silent_on_stderr();
    finished.shows(&[
        ("License", "INVALID"),
        ("State", "restricted"),
        ("Message", "License is already activated on 1 of 1 allowed servers."),
        ("Reason", "server_limit_reached"),
        ("Last verified", "never"),
    ]);
    assert!(finished.field("Help").unwrap().contains("opterius-agent reverify"), "{}", finished.stdout);
}

#[test]
fn the_status_of_a_daemon_that_does_not_run_exits_2() {
    let agent = reachable(Agent::unlicensed());
    agent.kill();
    let address = format!("127.0.0.1:{}", agent.port());
    for arguments in [&["status"][..], &["status", "--json"], &["reverify"]] {
        let finished = ask(&agent, arguments);
        finished.expect(2);
        assert_eq!(finished.stdout, "");
        for words in [address.as_str(), "systemctl status opterius-agent", "journalctl -u opterius-agent"] {
            assert!(finished.stderr.contains(words), "no {words} in: {}", finished.stderr);
        }
    }
}

#[test]
fn the_status_as_json_is_the_daemons_own_answer() {
    let licensed = Agent::licensed();
    let server = LicenseServer::start();
    server.reply(denied());
    let denied = Agent::builder().license_server(&server).start();
    assert!(eventually(PATIENCE, || denied.status()["reason"] == "server_limit_reached"));
    for (agent, code) in [(reachable(licensed), 0), (reachable(denied), 1)] {
        let finished = ask(&agent, &["status", "--json"]);
        finished.expect(code).and_silent_on_stderr();
        let answer = agent.fetch(Request::get("/license/status")).text();
        assert_eq!(finished.stdout, format!("{answer}\n"));
    }
}

#[test]
fn a_daemon_on_every_address_is_found_on_this_machine() {
    let agent = reachable(Agent::licensed());
    agent.rewrite_config(&[("listen_addr", "0.0.0.0")]);
    ask(&agent, &["status"]).expect(0);
}

#[test]
fn reverify_tells_the_verdict_of_a_check_made_for_it() {
    let agent = reachable(Agent::licensed());
    let server = agent.license_server();

    let before = server.count();
    let finished = ask(&agent, &["reverify"]);
    finished.expect(0).and_silent_on_stderr();
    finished.shows(&[("License", "valid"), ("State", "active")]);
    assert_eq!(server.count(), before + 1);

    server.reply(denied());
    let finished = ask(&agent, &["reverify"]);
    finished.expect(1).and_silent_on_stderr();
    finished.shows(&[("License", "INVALID"), ("Reason", "server_limit_reached")]);

    // A denial is remembered, so that no answer changes nothing.
    server.pause();
    ask(&agent, &["reverify"]).expect(1).shows(&[("Reason", "server_limit_reached")]);
}

#[test]
fn reverify_in_grace_is_valid_and_says_why_it_is_grace() {
    let agent = reachable(Agent::licensed());
    agent.license_server().pause();
    let finished = ask(&agent, &["reverify"]);
    finished.expect(0).shows(&[("License", "valid"), ("State", "grace")]);
    assert!(finished.field("Message").unwrap().contains("unreachable"), "{}", finished.stdout);
    assert!(finished.field("Grace until").is_some(), "{}", finished.stdout);
}

#[test]
fn reverify_with_another_secret_says_that_the_secret_is_wrong() {
    let agent = reachable(Agent::licensed());
    agent.rewrite_config(&[("secret", "another-secret-of-sixteen-or-more-characters")]);
    let before = agent.license_server().count();
    let finished = ask(&agent, &["reverify"]);
    finished.expect(2);
    assert_eq!(finished.stdout, "");
    assert!(finished.stderr.contains("401") && finished.stderr.contains("secret"), "{}", finished.stderr);
    assert_eq!(agent.license_server().count(), before);
}

// --------------------------------------------------------------------------------------------------------------------
// Something else on the port: while the daemon is stopped, any local user may listen there.

#[test]
fn what_is_not_the_agent_is_not_taken_for_it() {
    let html = "<html><head><title>Welcome</title></head><body>It works!</body></html>";
    let huge = "x".repeat(200 * 1024);
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("rubbish", b"\x16\x03\x01\x02\x00 rubbish\r\n\r\n".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec()),
        ("HTML", answer(200, "text/html", html)),
        ("HTML, not found", answer(404, "text/html", html)),
        ("a redirect", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("other JSON", answer(200, "application/json", r#"{"status":"ok"}"#)),
        ("a list", answer(200, "application/json", r#"[{"valid":true}]"#)),
        ("valid as a text", answer(200, "application/json", r#"{"valid":"true"}"#)),
        ("valid with an error status", answer(500, "application/json", r#"{"valid":true}"#)),
        ("too long", answer(200, "application/json", &format!(r#"{{"valid":true,"message":"{huge}"}}"#))),
        ("cut off", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"valid\":true}".to_vec()),
        ("not UTF-8", [&answer(200, "application/json", "")[..], b"\xff\xfe"].concat()),
    ];
    for (what, bytes) in table {
        for arguments in [&["status"][..], &["status", "--json"], &["reverify"]] {
            let finished = against(&bytes, arguments);
            assert_eq!(finished.code, Some(2), "{what}, {arguments:?}: {finished:?}");
            assert_eq!(finished.stdout, "", "{what}, {arguments:?}");
            assert!(finished.stderr.contains("127.0.0.1:"), "{what}: {}", finished.stderr);
            assert!(finished.stderr.len() < 2000, "{what}: {} bytes", finished.stderr.len());
        }
    }
}

#[test]
fn what_never_answers_is_given_up() {
    let began = Instant::now();
    let finished = with_impostor(|_| Ok(()), Hangup::Never, &["status"]);
    finished.expect(2);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let drip = |client: &mut TcpStream| {
        loop {
            client.write_all(b"H")?;
            crate::support::pause(Duration::from_millis(200));
        }
    };
    let began = Instant::now();
    with_impostor(drip, Hangup::AtOnce, &["status"]).expect(2);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// What drives a terminal: ESC [ and ESC ], their one-character forms, BEL, BS, DEL, line ends, and a change of direction.
const HOSTILE: &str = "a\u{1b}[31mb\u{1b}]0;c\u{7}d\u{9b}2Je\u{9d}0;f\u{8}\u{7f}g\r\nh\u{202e}i\u{0}j";

#[test]
fn no_escape_sequence_of_an_impostor_reaches_the_terminal() {
    let error = json!({ "error": HOSTILE, "message": HOSTILE }).to_string();
    let answers = [
        answer(200, "application/json", &hostile_status(true)),
        answer(200, "application/json", &hostile_status(false)),
        answer(401, "application/json", &error),
        answer(200, "text/plain", HOSTILE),
        answer(200, HOSTILE, "{}"),
        format!("HTTP/1.1 200 {HOSTILE}\r\n\r\n").into_bytes(),
        format!("HTTP/1.1 200 OK\r\n{HOSTILE}: {HOSTILE}\r\n\r\n").into_bytes(),
        format!("{HOSTILE}\r\n\r\n").into_bytes(),
        format!("HTTP/1.1 302 Found\r\nLocation: http://{HOSTILE}/\r\nContent-Length: 0\r\n\r\n").into_bytes(),
    ];
    for bytes in answers {
        for arguments in [&["status"][..], &["reverify"]] {
            against(&bytes, arguments).drives_no_terminal();
        }
    }
}

#[test]
fn no_escape_sequence_of_an_impostor_reaches_the_terminal_as_json() {
    for valid in [true, false] {
        let finished = against(&answer(200, "application/json", &hostile_status(valid)), &["status", "--json"]);
        finished.drives_no_terminal();
        if finished.code != Some(2) {
            let shown: Value = serde_json::from_str(&finished.stdout).unwrap();
            assert_eq!(shown["valid"], valid);
        }
    }
}

// --------------------------------------------------------------------------------------------------------------------
// Everywhere.

#[test]
fn a_closed_or_full_output_is_no_panic() {
    let agent = reachable(Agent::licensed());
    let config = agent.config_path();
    let table: [&[&str]; 7] = [
        &["--help"],
        &["--version"],
        &["--config", text(&config), "--check-config"],
        &["--config", text(&config), "status"],
        &["--config", text(&config), "status", "--json"],
        &["--config", text(&config), "reverify"],
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
    let server = LicenseServer::start();
    let agent = reachable(Agent::builder().license_server(&server).start_licensed());
    agent.rewrite_config(&[("spare_key", LICENSE_KEY), ("panel_token", SECRET)]);
    let mut shown = Vec::new();
    let mut look = |what: &str, finished: Finished| shown.push((what.to_owned(), finished.stdout + &finished.stderr));
    look("check", run(["--config", text(&agent.config_path()), "--check-config"]));
    look("status", ask(&agent, &["status"]));
    look("JSON", ask(&agent, &["status", "--json"]));
    // A license server that repeats what it was asked.
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

// --------------------------------------------------------------------------------------------------------------------
// What all of them stand on.

/// What a command that has ended left behind.
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

    /// What stands behind `name:` in the status in words.
    fn field(&self, name: &str) -> Option<&str> {
        self.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    fn shows(&self, fields: &[(&str, &str)]) {
        for (name, value) in fields {
            assert_eq!(self.field(name), Some(*value), "{name} in:\n{}", self.stdout);
        }
    }

    fn drives_no_terminal(&self) {
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

/// Runs the command with a proxy that nobody may use, for the daemon is on this machine.
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

/// Writes the daemon's port into its configuration, where the commands look for it.
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

/// An agent.conf in a directory of its own.
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

    /// One that every user can read, in a directory that every user can enter.
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

/// The program run as a user who is not root, from a place where that user can start it.
struct Unprivileged {
    binary: PathBuf,
    _directory: TempDirectory,
}

impl Unprivileged {
    fn new() -> Unprivileged {
        let directory = TempDirectory::new();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let binary = directory.path().join("opterius-agent");
        fs::copy(BINARY, &binary).unwrap();
        Unprivileged { binary, _directory: directory }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        let user = UNPRIVILEGED;
        command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]);
        command.arg("--").arg(&self.binary);
        command
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

fn denied() -> Reply {
    let message = "License is already activated on 1 of 1 allowed servers.";
    Reply::json(403, json!({ "valid": false, "reason": "server_limit_reached", "message": message }))
}

/// An HTTP answer with this body.
fn answer(status: u16, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Some\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn hostile_status(valid: bool) -> String {
    let names = ["plan", "expires_at", "message", "reason", "tier", "state", "source", "cache", "grace_until"];
    let times = ["last_verified_at", "last_checked_at", "next_check_at"];
    let mut status = json!({ "valid": valid, "recent_checks": [{ "at": HOSTILE, "verdict": HOSTILE }] });
    for name in names.into_iter().chain(times) {
        status[name] = HOSTILE.into();
    }
    status.to_string()
}

/// When an impostor closes its end.
#[derive(Clone, Copy)]
enum Hangup {
    AtOnce,
    Never,
}

fn against(bytes: &[u8], arguments: &[&str]) -> Finished {
    with_impostor(|client| client.write_all(bytes), Hangup::AtOnce, arguments)
}

/// Runs the command while something else listens where it looks for the daemon.
fn with_impostor(
    speak: impl Fn(&mut TcpStream) -> io::Result<()> + Sync,
    hangup: Hangup,
    arguments: &[&str],
) -> Finished {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = ConfigFile::new(format!("secret={SECRET}\nport={}\n", address.port()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 4096]);
            let spoken = speak(&mut client);
            if let (Ok(()), Hangup::AtOnce) = (spoken, hangup) {
                let _ = client.shutdown(std::net::Shutdown::Write);
            }
            let _ = io::copy(&mut client, &mut io::sink());
        });
        // The impostor must not wait for ever for a client that never came.
        let _knock = KnockOnDrop(address);
        run([&["--config", config.text()], arguments].concat())
    })
}

struct KnockOnDrop(std::net::SocketAddr);

impl Drop for KnockOnDrop {
    fn drop(&mut self) {
        drop(TcpStream::connect(self.0));
    }
}
