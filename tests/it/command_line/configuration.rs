//! The configuration file: valid and invalid content, and the messages about it.

use super::{BINARY, ConfigFile, PATIENCE, finish, run, text};
use crate::support::TempDirectory;
use crate::support::agent::{Agent, LICENSE_KEY};
use crate::support::http::SECRET;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's user `nobody`: any user other than root.
const UNPRIVILEGED: u32 = 65534;

#[test]
fn the_shipped_example_neither_passes_the_check_nor_starts() {
    let example = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/agent.conf")).unwrap();
    let config = ConfigFile::new(example);
    for mode in [&["--check-config"][..], &[]] {
        let finished = run([&["--config", config.text()], mode].concat());
        finished.expect(78).and_one_line_on_stderr(&[config.text(), "secret", "openssl rand -hex 32"]);
    }
}

#[test]
fn the_cache_must_not_replace_a_device() {
    for path in ["/dev/null", "/dev/shm/license-cache.json", "/nowhere/cache.json/"] {
        let config = ConfigFile::new(format!("secret={SECRET}\nlicense_cache={path}\n"));
        for mode in [&["--check-config"][..], &[]] {
            let finished = run([&["--config", config.text()], mode].concat());
            finished.expect(78).and_one_line_on_stderr(&["license_cache", path, "is not a regular file"]);
        }
    }
}

#[test]
fn the_cache_must_not_replace_the_configuration() {
    let config = ConfigFile::new(format!("secret={SECRET}\n"));
    let text = format!("secret={SECRET}\nlicense_cache={}\n", config.text());
    fs::write(config.text(), &text).unwrap();
    run(["--config", config.text(), "--check-config"]).expect(78).and_one_line_on_stderr(&["license_cache"]);
    assert_eq!(fs::read_to_string(config.text()).unwrap(), text);
}

#[test]
fn a_valid_configuration_passes_the_check_silently() {
    let config = ConfigFile::new(format!("secret={SECRET}\r\nLICENSE_KEY='{LICENSE_KEY}'\nport = 0\n# end"));
    let checked = run(["--config", config.text(), "--check-config"]);
    checked.expect(0).and_silent_on_stderr();
}

#[test]
fn an_invalid_configuration_is_reported_in_one_line_with_file_line_and_key() {
    let good = format!("secret={SECRET}\n");
    let of = |line: &str| format!("{good}{line}\n").into_bytes();
    let table: [(Vec<u8>, &str, &[&str]); 27] = [
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
        (of("max_body_bytes=2097153"), ":2", &["max_body_bytes", "65536 to 2097152"]),
        (of("listen_addr=localhost"), ":2", &["listen_addr", "127.0.0.1"]),
        (of("license_server=http://example.com"), ":2", &["license_server", "https://"]),
        (of("license_ca_file=/nowhere/ca.pem"), ":2", &["license_ca_file", "/nowhere/ca.pem"]),
        (of("license_server=https://example.com:0"), ":2", &["license_server", "“0”", "1 to 65535"]),
        (of("license_server=https://license..example.com"), ":2", &["license_server", "one dot too many"]),
        (
            of("license_server=https://example.com/api/license/verify"),
            ":2",
            &["license_server", "must not end in /api/license/verify", "write https://example.com"],
        ),
        (of("ip_discovery_url=https://example.com:65536"), ":2", &["ip_discovery_url", "“65536”"]),
        (of("acme_server=example.com"), ":2", &["acme_server", "write https://example.com"]),
        (of("license_ca_file=/etc"), ":2", &["license_ca_file", "/etc", "is a directory"]),
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
fn what_cannot_be_a_license_key_fails_the_check() {
    for (value, fault) in [
        (
            "AAAA\u{421}AAA-BBBBBBBB-CCCCCCCC-DDDDDDDD",
            "has “\u{421}” (U+0421, a Cyrillic letter that looks like C) as character 5",
        ),
        ("<your key here>", "has < or > as character 1: this looks like a placeholder"),
        (
            "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD # mine",
            "has text after the license key; a comment needs a line of its own",
        ),
    ] {
        let config = ConfigFile::new(format!("secret={SECRET}\nlicense_key={value}\n"));
        let place = format!("{}:2: license_key {fault}", config.text());
        let checked = run(["--config", config.text(), "--check-config"]);
        checked.expect(78).and_one_line_on_stderr(&[&place, "license dashboard"]);
        assert_eq!(checked.stdout, "");
    }
}

#[test]
fn a_likely_mistake_in_the_license_key_is_a_warning() {
    for (key, doubt) in [
        ("AAAAAA0A-GGGGGGGG-CCCCCCCC-DDDDDDDD", "in license_key, character 7 is 0"),
        ("AAAAAAA-GGGGGGGG-CCCCCCCC-DDDDDDDD", "in license_key, there are 31 letters and digits"),
        ("${LICENSE_KEY}", "in license_key, the text looks like a placeholder in place of the key"),
    ] {
        let config = ConfigFile::new(format!("secret={SECRET}\nlicense_key={key}\n"));
        let checked = run(["--config", config.text(), "--check-config"]);
        checked.expect(0).and_one_line_on_stderr(&["warning: ", config.text(), doubt]);
        assert_eq!(checked.stdout, format!("{}: ok, but for the warnings above\n", config.text()));
    }
}

#[test]
fn a_configuration_of_64_kib_is_accepted() {
    let good = format!("secret={SECRET}\n#");
    let config = ConfigFile::new(format!("{good}{}", "x".repeat(64 * 1024 - good.len())));
    run(["--config", config.text(), "--check-config"]).expect(0);
}

#[test]
fn an_unexpected_file_type_is_named() {
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
fn an_unreadable_file_exits_77() {
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
fn status_without_a_readable_configuration_uses_the_default_address() {
    let other = Unprivileged::new();
    let config = ConfigFile::readable(format!("secret={SECRET}\n"));
    fs::set_permissions(&config.path, fs::Permissions::from_mode(0o600)).unwrap();
    // A separate network namespace, in which no program listens.
    let mut command = Command::new("unshare");
    let become_other = other.command();
    command.arg("--net").arg(become_other.get_program()).args(become_other.get_args());
    let finished = finish(command.args(["--config", config.text(), "status"]));
    finished.expect(2);
    assert!(finished.stderr.contains("permission denied"), "{}", finished.stderr);
    assert!(finished.stderr.contains("127.0.0.1:7443"), "{}", finished.stderr);
}

#[test]
fn a_configuration_readable_by_others_is_tightened_at_start() {
    for (mode, tightened) in [(0o644, 0o640), (0o666, 0o640), (0o777, 0o640), (0o604, 0o600)] {
        let mut agent = Agent::builder().start();
        let path = agent.config_path();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        agent.restart();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, tightened, "from {mode:04o}");
        let expected_line = |line: &str| {
            [text(&path), &format!("{mode:04o}"), &format!("{tightened:04o}")].iter().all(|word| line.contains(word))
        };
        assert!(agent.wait_for_line(expected_line, PATIENCE).is_some(), "{mode:04o}: {:#?}", agent.lines());
    }
}

#[test]
fn a_configuration_readable_by_root_and_its_group_only_is_unchanged() {
    let mut agent = Agent::builder().start();
    let path = agent.config_path();
    for mode in [0o640, 0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        agent.restart();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        assert!(!agent.lines().iter().any(|line| line.contains("mode")), "{:#?}", agent.lines());
    }
}

/// Runs the program as an unprivileged user, from a directory that this user can access.
struct Unprivileged {
    binary: PathBuf,
    _directory: TempDirectory,
}

impl Unprivileged {
    fn new() -> Unprivileged {
        let directory = TempDirectory::new();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let binary = directory.path().join("opterius-agent");
        // Copied by another process: a file written by this one can still be open in a child that another test is
        // starting, and a file open for writing cannot be executed.
        assert!(Command::new("cp").arg(BINARY).arg(&binary).status().unwrap().success());
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
