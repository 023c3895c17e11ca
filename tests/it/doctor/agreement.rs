//! The daemon's result compared with doctor's: that they differ, and why.

use super::installed::{Installed, set};
use super::{BINARY, Found, age, reachable};
use crate::support::agent::{Agent, AgentBuilder};
use crate::support::fake_license_server::{FakeLicenseServer, Reply};
use crate::support::machine::run;
use crate::support::package::{on_a_server, override_unit};
use crate::support::process;
use crate::support::{SOON, eventually};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

const NAME: &str = "license.example.com";

/// Nothing listens on port 1.
const DEAD_PROXY: &str = "http://alice:open-sesame@127.0.0.1:1";

/// An Agent whose license server has a name that only the Agent's mount namespace knows: for a server on this machine, the
/// environment would not count.
fn agent_of(server: &FakeLicenseServer) -> AgentBuilder {
    let builder = Agent::builder().license_server(server).after_mounting("mount --bind $DIRECTORY/hosts /etc/hosts");
    fs::write(builder.directory().join("hosts"), format!("127.0.0.1 localhost {NAME}\n")).unwrap();
    builder.set("license_server", &format!("https://{NAME}:{}", server.port()))
}

/// Doctor's findings in the Agent's mount namespace, with these environment variables.
fn found_inside(agent: &Agent, environment: &[&str]) -> Found {
    let mut command = Command::new("nsenter");
    command.arg(format!("--mount=/proc/{}/ns/mnt", agent.pid())).arg("env").args(environment);
    Found::of(command.arg(BINARY).arg("--config").arg(agent.config_path()).args(["doctor", "--json"]))
}

#[test]
fn a_proxy_of_the_daemon_alone_or_of_doctor_alone_is_named_without_its_value() {
    let server = FakeLicenseServer::start_as(NAME);
    let agent = reachable(agent_of(&server).environment("HTTPS_PROXY", DEAD_PROXY)).start();
    agent.status_after_checks(1);
    let found = found_inside(&agent, &[]);
    // Doctor goes the daemon's way, and says that this shell would go another one.
    found.says("connection", "FAIL", "connecting to the proxy 127.0.0.1 port 1: connection refused", "");
    found.says("license", "FAIL", "restricted, unreachable", "");
    found.says("agreement", "WARN", "both get no usable answer", "set proxy=… in agent.conf");
    found.says("agreement", "WARN", "HTTPS_PROXY is set for the daemon only", "systemctl show -p Environment");
    assert!(!format!("{found:?}").contains("open-sesame"), "{found:#?}");
    // A proxy in agent.conf counts for both.
    agent.rewrite_config(&[("proxy", DEAD_PROXY)]);
    agent.reverify();
    let found = found_inside(&agent, &[]);
    found.says("agreement", "PASS", "both get no usable answer", "");

    let agent = reachable(agent_of(&server)).start();
    agent.status_after_checks(1);
    found_inside(&agent, &[]).says("agreement", "PASS", "both get a valid license", "");
    let found = found_inside(&agent, &[&format!("https_proxy={DEAD_PROXY}")]);
    found.says("license server", "PASS", "license valid", "");
    found.says("agreement", "WARN", "both get a valid license; https_proxy is set in this shell only", "set proxy=");
    assert!(!format!("{found:?}").contains("open-sesame"), "{found:#?}");
}

#[test]
fn a_file_that_the_daemons_sandbox_replaces_or_hides_is_named() {
    let server = FakeLicenseServer::start_as(NAME);
    let agent = reachable(agent_of(&server)).start();
    agent.status_after_checks(1);
    let found = Found::by(&agent.config_path());
    found.says("agreement", "FAIL", "the daemon sees another /etc/hosts", "systemctl cat opterius-agent");

    // As with PrivateTmp= and ProtectHome=.
    let copy = "mkdir $DIRECTORY/hidden; cp $DIRECTORY/license-ca.pem $DIRECTORY/hidden";
    let builder = Agent::builder().own_license_server().after_mounting(copy);
    let file = builder.directory().join("hidden/license-ca.pem").display().to_string();
    let agent = reachable(builder.set("license_ca_file", &file)).start_licensed();
    Found::by(&agent.config_path()).says("agreement", "PASS", "both get a valid license", "");
    process::inside(agent.pid(), agent.directory(), "mount -t tmpfs none $DIRECTORY/hidden");
    let seen = format!("the daemon sees another {file}, or none");
    Found::by(&agent.config_path()).says("agreement", "WARN", &seen, "/etc/opterius");
}

#[test]
fn another_configuration_file_than_the_daemons_is_named() {
    let agent = reachable(Agent::builder()).start_licensed();
    let copy = agent.directory().join("copy.conf");
    fs::copy(agent.config_path(), &copy).unwrap();
    let (seen, fix) = (agent.config_path(), format!("--config {} doctor", agent.config_path().display()));
    Found::by(&copy).says("agreement", "WARN", &seen.display().to_string(), &fix);
    fs::remove_file(&copy).unwrap();
    std::os::unix::fs::symlink(agent.config_path(), &copy).unwrap();
    Found::by(&copy).says("agreement", "PASS", "", "");
}

#[test]
fn a_grant_of_an_expired_license_is_none() {
    let past = json!({"valid": true, "plan": "free", "max_accounts": 5, "expires_at": "2020-03-01T00:00:00Z"});
    let agent = reachable(Agent::builder().license(Reply::json(200, past))).start();
    agent.status_after_checks(1);
    let found = Found::by(&agent.config_path());
    found.says("license", "FAIL", "restricted, expired", "");
    let seen = "grants a license that expired at the end of 2020-02-29";
    found.says("license server", "FAIL", seen, "Renew the license in the license dashboard");
    found.says("agreement", "PASS", "both get no valid license", "");
}

#[test]
fn no_advice_makes_a_daemon_read_a_file_that_would_end_its_valid_license() {
    let agent = reachable(Agent::builder()).start_licensed();
    let (config, server) = (agent.config_path(), agent.license_server().url());
    let advice = "neither reload nor restart the Agent before";
    agent.rewrite_config(&[("license_server", "http://127.0.0.1:1")]);
    age(&agent, &config);
    let found = Found::by(&config);
    found.says("agreement", "FAIL", "changed after the daemon read it", advice);
    assert!(!found.check("agreement").fix.contains("systemctl"), "{found:#?}");

    // Another key: the file belongs to the daemon's.
    let key = "BBBBBBBB-BBBBBBBB-CCCCCCCC-DDDDDDDD";
    agent.rewrite_config(&[("license_server", &server), ("license_key", key)]);
    agent.license_server().reply(Reply::json(403, json!({"valid": false, "reason": "invalid_key", "message": "No."})));
    let found = Found::by(&config);
    found.says("agreement", "FAIL", "changed after the daemon read it", advice);
    found.says("cache", "FAIL", "another license key; the daemon uses it", "compare license_key");
    assert_eq!(agent.status()["state"], "active");
}

#[test]
fn for_a_license_server_on_this_machine_the_environment_does_not_count() {
    let agent = reachable(Agent::builder().environment("HTTPS_PROXY", DEAD_PROXY)).start_licensed();
    found_inside(&agent, &[]).says("agreement", "PASS", "both get a valid license", "");
}

#[test]
fn a_certificate_authority_renewed_but_not_reloaded_is_named_and_reverify_reads_it() {
    let (server, other) = (FakeLicenseServer::start(), FakeLicenseServer::start());
    let agent = Agent::builder().license_server(&server);
    let file = agent.directory().join("license-ca.pem");
    fs::write(&file, other.ca_pem()).unwrap();
    let agent = reachable(agent).start();
    let status = agent.status_after_checks(1);
    assert_eq!(status["valid"], false, "{status}");

    fs::write(&file, server.ca_pem()).unwrap();
    age(&agent, &file);
    let found = Found::by(&agent.config_path());
    found.says("license server", "PASS", "license valid", "");
    let seen = format!("{} changed after the daemon read it", file.display());
    found.says("agreement", "FAIL", &seen, "systemctl reload opterius-agent");

    let status = agent.reverify().json();
    assert_eq!(status["valid"], true, "{status}");
    Found::by(&agent.config_path()).says("agreement", "PASS", "both get a valid license", "");
}

#[test]
fn reverify_keeps_the_settings_in_use_if_the_file_is_invalid() {
    let agent = Agent::licensed();
    let server = agent.license_server().url();
    agent.rewrite_config(&[("license_server", "nonsense")]);
    let status = agent.reverify().json();
    assert_eq!(status["valid"], true, "{status}");
    let line = |line: &str| line.contains("license_server") && line.contains("keeps its current configuration");
    assert!(agent.wait_for_line(line, SOON).is_some(), "{:#?}", agent.lines());
    // Another license server, which does not answer.
    agent.rewrite_config(&[("license_server", "http://127.0.0.1:1")]);
    assert_eq!(agent.reverify().json()["state"], "grace");
    agent.rewrite_config(&[("license_server", &server)]);
    assert_eq!(agent.reverify().json()["state"], "active");
}

#[test]
fn a_difference_without_a_lasting_cause_ends_with_the_next_check() {
    let agent = reachable(Agent::builder()).start_licensed();
    let server = agent.license_server();
    server.pause();
    assert_eq!(agent.reverify().json()["state"], "grace");
    server.resume();
    let found = Found::by(&agent.config_path());
    found.says("agreement", "FAIL", "no lasting cause", "reverify");
    found.says("license", "WARN", "valid until", "");
    agent.reverify();
    Found::by(&agent.config_path()).says("agreement", "PASS", "both get a valid license", "");

    let denial = json!({"valid": false, "reason": "suspended", "message": "Unpaid."});
    server.reply(Reply::json(403, denial));
    let found = Found::by(&agent.config_path());
    found.says("agreement", "WARN", "doctor gets no valid license, the daemon a valid license (granted at", "reverify");
    agent.reverify();
    Found::by(&agent.config_path()).says("agreement", "PASS", "both get no valid license", "");
    server.pause();
    let found = Found::by(&agent.config_path());
    found.says("agreement", "WARN", "doctor gets no usable answer", "reverify");
    agent.kill();
    let found = Found::by(&agent.config_path());
    assert!(!found.checks.contains_key("agreement"), "nothing to compare: {found:#?}");
}

#[test]
fn another_network_and_an_unreadable_authority_are_found_on_a_machine() {
    on_a_server(another_network_and_an_unreadable_authority_are_found_on_a_machine, || {
        let mut machine = Installed::new();
        machine.healthy.says("agreement", "PASS", "both get a valid license", "");
        // The port stays open in this network: systemd keeps its socket.
        override_unit("opterius-agent.service", "PrivateNetwork=yes");
        run("systemctl restart opterius-agent");
        let found = eventually(SOON, || Installed::look().check("agreement").verdict == "FAIL");
        let seen = Installed::look();
        assert!(found, "{seen:#?}");
        seen.says("agreement", "FAIL", "the daemon is in another network namespace", "nsenter -t ");
        run(
            "cp /usr/bin/opterius-agent /usr/bin/opterius-agent.new; mv /usr/bin/opterius-agent.new /usr/bin/opterius-agent",
        );
        let seen = Installed::look();
        seen.says("agreement", "FAIL", "program was replaced after it started", "systemctl restart opterius-agent");
        // Stopped and started, the daemon has a new socket, which nobody else can reach.
        let again = "systemctl stop opterius-agent; systemctl start opterius-agent";
        run(again);
        Installed::look().says("daemon", "FAIL", "does not answer", "nsenter -t ");
        run(&format!("rm -r /run/systemd/system/opterius-agent.service.d; systemctl daemon-reload; {again}"));
        machine.is_well();

        let authority = FakeLicenseServer::start();
        fs::write("/etc/opterius/ca.pem", authority.ca_pem()).unwrap();
        fs::set_permissions("/etc/opterius/ca.pem", fs::Permissions::from_mode(0o644)).unwrap();
        set("license_ca_file", "/etc/opterius/ca.pem");
        run("systemctl reload opterius-agent");
        machine.is_well();
        machine.healthy = Installed::look();
        let hide = "chmod 0600 /etc/opterius/ca.pem";
        machine.broken_by(
            hide,
            &["agreement", "configuration"],
            "WARN",
            "opterius cannot read license_ca_file",
            "chmod o+r",
        );
        machine.healthy.says("agreement", "PASS", "", "");
        Installed::look().apply_fix("agreement");
        machine.is_well();
    });
}
