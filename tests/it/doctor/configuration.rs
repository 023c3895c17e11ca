//! Checks of agent.conf, the cache, and the daemon.

use super::{BINARY, Found, age, reachable};
use crate::support::agent::{Agent, LICENSE_KEY};
use crate::support::eventually;
use crate::support::http::SECRET;
use crate::support::panel::Panel;
use crate::support::process::START;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn each_mistake_in_the_configuration_is_found_by_its_own_check() {
    let agent = reachable(Agent::builder()).start_licensed();
    let (config, right) = (agent.config_path(), fs::read_to_string(agent.config_path()).unwrap());
    // Every change below is one after the daemon read the file.
    age(&agent, &config);
    let healthy = Found::by(&config);
    for name in
        ["configuration", "permissions", "secret", "unknown keys", "license key", "port", "daemon", "license", "cache"]
    {
        healthy.says(name, "PASS", "", "");
    }
    let example = "replace-this-with-the-output-of-openssl-rand-hex-32";
    let table = [
        (right.replace(SECRET, "0123456789abcde"), "secret", "WARN", "fewer than 16", "openssl rand -hex 32"),
        (right.replace(SECRET, example), "secret", "FAIL", "publicly known", "openssl rand -hex 32"),
        (format!("{right}panel_url=x\n"), "unknown keys", "WARN", "“panel_url” is not a key", "editor"),
        (format!("{right}port=http\n"), "configuration", "FAIL", "port “http”", "editor"),
        (right.replace("license_key=", "#"), "license key", "FAIL", "sets none", "license_key="),
        (
            right.replace(LICENSE_KEY, "AAAA\u{421}AAA"),
            "license key",
            "FAIL",
            "has “\u{421}” (U+0421, a Cyrillic letter that looks like C) as character 5",
            "Copy the key from the license dashboard",
        ),
        (format!("{right}operations=off\n"), "operations", "WARN", "operations=off", "systemctl reload"),
    ];
    for (text, check, verdict, seen, fix) in table {
        fs::write(&config, text).unwrap();
        let found = Found::by(&config);
        found.says(check, verdict, seen, fix);
        // Without a valid port, doctor tries the daemon's default address.
        let and_daemon = if check == "configuration" { vec![check, "daemon"] } else { vec![check] };
        found.differs_in(&healthy, &and_daemon);
    }
    fs::write(&config, format!("{right}port=http\n")).unwrap();
    Found::by(&config).says("daemon", "WARN", "default address", "correct agent.conf before any restart");
    let odd = agent.directory().join("x; touch PWNED #");
    fs::write(&odd, format!("{right}panel_url=x\n")).unwrap();
    let found = Found::by(&odd);
    found.says("unknown keys", "WARN", "panel_url", &format!("editor '{}'", odd.display()));
    found.says("permissions", "FAIL", "mode 0", &format!("chmod 0640 '{}'", odd.display()));
    // A different key than the daemon's: the cache belongs to the daemon's key.
    fs::write(&config, right.replace(LICENSE_KEY, "AAAABBBB")).unwrap();
    let found = Found::by(&config);
    found.says("license key", "WARN", "8 characters", "license dashboard");
    found.says("cache", "FAIL", "another license key", "reverify");
    fs::write(&config, right.replace(LICENSE_KEY, "ABCDEFG0-HIJKLMNO-PQRSTUVW-XYZ23456")).unwrap();
    Found::by(&config).says("license key", "WARN", "character 8 is 0", "license dashboard");
    fs::write(&config, right).unwrap();

    set_mode(&config, 0o644);
    let found = Found::by(&config);
    found.says("permissions", "FAIL", "mode 0644", "chmod 0640");
    found.differs_in(&healthy, &["permissions"]);
    set_mode(&config, 0o640);
    chown(&config, Some(65_534), None).unwrap();
    let found = Found::by(&config);
    found.says("permissions", "FAIL", "is not owned by root", "chown root");
    found.differs_in(&healthy, &["permissions"]);
    let elsewhere = agent.directory().join("elsewhere.conf");
    fs::rename(&config, &elsewhere).unwrap();
    symlink(&elsewhere, &config).unwrap();
    Found::by(&config).says("permissions", "FAIL", "symbolic link", "less");
    fs::remove_file(&config).unwrap();
    Found::by(&config).says("configuration", "FAIL", "there is no such file", "editor");
}

#[test]
fn each_fault_of_the_cache_is_found_by_its_own_check() {
    let agent = reachable(Agent::builder()).start_licensed();
    let (config, cache) = (agent.config_path(), agent.cache_path());
    let healthy = Found::by(&config);
    healthy.says("cache", "PASS", "old", "");
    let right = fs::read_to_string(&cache).unwrap();

    set_mode(&cache, 0o600);
    let found = Found::by(&config);
    found.says("cache readers", "FAIL", "www-data cannot read it", "chmod 0644");
    found.differs_in(&healthy, &["cache readers"]);
    found.apply_fix("cache readers");
    Found::by(&config).differs_in(&healthy, &[]);

    set_mode(agent.directory(), 0o700);
    let found = Found::by(&config);
    found.says("cache readers", "FAIL", " 0700", "chmod o+x");
    found.differs_in(&healthy, &["cache readers"]);
    found.apply_fix("cache readers");
    Found::by(&config).differs_in(&healthy, &[]);

    fs::write(&cache, right.replacen("\"max_accounts\": 5", "\"max_accounts\": 9", 1)).unwrap();
    let found = Found::by(&config);
    found.says("cache", "FAIL", "its MAC is wrong", "reverify");
    found.differs_in(&healthy, &["cache"]);
    fs::remove_file(&cache).unwrap();
    let found = Found::by(&config);
    found.says("cache", "WARN", "does not exist yet", "reverify");
    found.differs_in(&healthy, &["cache"]);
}

#[test]
fn a_stopped_daemon_and_an_occupied_port_are_found() {
    let agent = reachable(Agent::builder()).start_licensed();
    let config = agent.config_path();
    let healthy = Found::by(&config);
    agent.kill();
    let found = Found::by(&config);
    found.says("daemon", "FAIL", "does not answer", "systemctl restart opterius-agent");
    found.differs_in(&healthy, &["daemon"]);

    // It says what the Agent would say, and a command.
    let listener = TcpListener::bind(("127.0.0.1", agent.port())).unwrap();
    thread::spawn(move || {
        let body = "{\"valid\":true,\"state\":\"active\",\"agent_version\":\"9\",\"warnings\":[\"broken. curl evil.example\"]}";
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    let found = Found::by(&config);
    assert!(!format!("{found:?}").contains("evil.example"), "{found:#?}");
    for check in ["license", "agreement"] {
        assert!(!found.checks.contains_key(check), "{check} is judged by the word of another process: {found:#?}");
    }
    let holder = format!("(process {})", std::process::id());
    found.says("port", "FAIL", &holder, &format!("kill {}", std::process::id()));
    found.differs_in(&healthy, &["daemon", "port"]);
}

/// A tenant's process that is called like the Agent, on its port, and sees a FIFO and an endless device in place of the files
/// that doctor compares.
#[test]
fn nothing_of_an_accounts_process_is_read_whatever_its_name() {
    let agent = reachable(Agent::builder()).start_licensed();
    let (config, theirs) = (agent.config_path(), agent.directory().join("theirs"));
    fs::create_dir(&theirs).unwrap();
    fs::copy(BINARY, theirs.join("opterius-agent")).unwrap();
    let settings = format!(
        "secret={SECRET}\nport={}\nlog=stderr\nlicense_server=http://127.0.0.1:1\nlicense_cache={}/cache.json\n",
        agent.port(),
        theirs.display()
    );
    fs::write(theirs.join("agent.conf"), settings).unwrap();
    set_mode(&theirs.join("agent.conf"), 0o600);
    for path in [theirs.clone(), theirs.join("agent.conf")] {
        chown(&path, Some(65_534), Some(65_534)).unwrap();
    }
    agent.kill();
    let script = "mkfifo fifo && mount --bind fifo /etc/hosts && mount --bind /dev/zero /etc/resolv.conf && \
                  exec ./opterius-agent --config agent.conf";
    let mut account = Command::new("unshare");
    account.args(["-Urm", "sh", "-c", script]).current_dir(&theirs).uid(65_534).gid(65_534);
    let mut account = account.stderr(Stdio::null()).spawn().unwrap();
    let listens = eventually(START, || TcpStream::connect(("127.0.0.1", agent.port())).is_ok());
    let mut doctor = Command::new("timeout");
    doctor.args(["60", BINARY, "--config"]).arg(&config).args(["doctor", "--json"]);
    let found = listens.then(|| Found::of(&mut doctor));
    account.kill().unwrap();
    account.wait().unwrap();
    let found = found.expect("the account's process does not listen");
    found.says("port", "FAIL", "it runs as user 65534, not as", &format!("kill {}", account.id()));
    found.says("daemon", "FAIL", "not asked", "see port");
    for check in ["license", "agreement"] {
        assert!(!found.checks.contains_key(check), "{check}: {found:#?}");
    }
    found.says("cache", "PASS", "", "");
}

#[test]
fn facts_hidden_from_an_ordinary_user_are_warnings_not_failures() {
    let agent = reachable(Agent::builder()).start_licensed();
    // A copy, because the repository can be in a directory that only root can enter.
    let program = agent.directory().join("opterius-agent");
    fs::copy(BINARY, &program).unwrap();
    let mut command = Command::new(program);
    command.arg("--config").arg(agent.config_path()).args(["doctor", "--json"]).uid(65_534).gid(65_534);
    let found = Found::of(&mut command);
    found.says("configuration", "WARN", "requires root", "sudo opterius-agent");
    // With a readable file, only the checks that need root are missing.
    set_mode(&agent.config_path(), 0o644);
    let found = Found::of(&mut command);
    found.says("daemon", "PASS", "answers", "");
    found.says("port", "WARN", "requires root", "sudo opterius-agent");
    found.says("license server", "PASS", "license valid", "");
}

#[test]
fn unmanaged_accounts_and_risky_renewals_are_found() {
    let panel = Panel::on_a_tree(5);
    let agent = &panel.agent;
    agent.rewrite_config(&[("port", &agent.port().to_string())]);
    let config = agent.config_path();
    let healthy = Found::by(&config);
    healthy.says("accounts", "PASS", "", "");

    let passwd = fs::read_to_string(panel.path("/etc/passwd")).unwrap();
    fs::write(panel.path("/etc/passwd"), format!("{passwd}alice:x:1001:1001::/home/alice:/bin/sh\n")).unwrap();
    let site = "server { server_name a.example; root /home/alice/a.example/public_html; }\n";
    fs::write(panel.path("/etc/nginx/sites-enabled/a.example.conf"), site).unwrap();
    let found = Found::by(&config);
    found.says("accounts", "WARN", "alice", "operation adopt");
    found.differs_in(&healthy, &["accounts"]);

    fs::create_dir_all(panel.path("/etc/letsencrypt/renewal")).unwrap();
    let renewal = "[renewalparams]\nwebroot_path = /home/alice/a.example/public_html,\n";
    fs::write(panel.path("/etc/letsencrypt/renewal/a.example.conf"), renewal).unwrap();
    let found = Found::by(&config);
    found.says("renewals", "WARN", "a.example", "/var/lib/opterius/acme");
    found.differs_in(&healthy, &["accounts", "renewals"]);
}

#[test]
fn the_report_has_one_line_per_entry_and_no_secrets() {
    let agent = reachable(Agent::builder()).start_licensed();
    let output = Command::new(BINARY).arg("--config").arg(agent.config_path()).arg("doctor").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(SECRET) && !text.contains(LICENSE_KEY), "{text}");
    let (lines, sum) = text.trim_end().rsplit_once("\n\n").unwrap();
    let is_known = |line: &str| ["PASS  ", "WARN  ", "FAIL  ", "      "].iter().any(|head| line.starts_with(head));
    assert!(lines.lines().all(is_known), "{text}");
    let checks = lines.lines().filter(|line| !line.starts_with(' ')).count();
    assert!(sum.starts_with(&format!("{checks} checks: ")), "{text}");
}
