//! The connection to the license server and its answer, broken in one place at a time.

use super::{Found, reachable};
use crate::support::agent::Agent;
use crate::support::fake_license_server::{FakeLicenseServer, Reply};
use serde_json::json;
use std::fs;

#[test]
fn the_answer_is_shown_and_not_stored() {
    let agent = reachable(Agent::builder()).start_licensed();
    let server = agent.license_server();
    let healthy = Found::by(&agent.config_path());
    for (name, seen) in [
        ("name", "localhost"),
        ("connection", "is open"),
        ("TLS", "trusts the certificate"),
        ("license server", "plan: free"),
        ("clock", "within 30 s"),
    ] {
        healthy.says(name, "PASS", seen, "");
    }
    // Doctor's TLS handshake alone sends no request.
    let received: Vec<_> = server.received().into_iter().filter_map(|received| received.json).collect();
    let [daemons, .., doctors] = received.as_slice() else { panic!("{received:?}") };
    for member in ["key", "agent_version", "os", "hostname", "server_id"] {
        assert_eq!(daemons[member], doctors[member], "{member}");
    }
    assert_ne!(daemons["nonce"], doctors["nonce"]);

    let cache = fs::read(agent.cache_path()).unwrap();
    let message = "License is suspended.";
    server.reply(Reply::json(403, json!({"valid": false, "reason": "suspended", "message": message})));
    let found = Found::by(&agent.config_path());
    found.says("license server", "FAIL", message, "license vendor");
    // The daemon asked before the answer changed.
    found.differs_in(&healthy, &["agreement", "license server"]);
    assert_eq!(fs::read(agent.cache_path()).unwrap(), cache);
    assert_eq!(agent.status()["valid"], true);

    server.reply(Reply::raw(502, "<html>"));
    let found = Found::by(&agent.config_path());
    found.says("license server", "FAIL", "HTTP 502", "contact its operator");
    found.differs_in(&healthy, &["agreement", "license server"]);
    server.reply(Reply::raw(200, "<html>"));
    Found::by(&agent.config_path()).says("license server", "FAIL", "a captive portal or proxy page?", "curl -sS");
    server.reply(Reply::granted().header("Date", "Sun, 01 Mar 2020 00:00:00 GMT"));
    let found = Found::by(&agent.config_path());
    found.says("clock", "FAIL", "ahead of the license server's", "timedatectl");
    found.differs_in(&healthy, &["clock"]);

    server.pause();
    let found = Found::by(&agent.config_path());
    found.says("connection", "FAIL", "refused", "license server");
    found.differs_in(&healthy, &["agreement", "connection"]);
}

#[test]
fn with_a_proxy_the_connection_check_tests_the_proxy() {
    let agent = reachable(Agent::builder()).start_licensed();
    let healthy = Found::by(&agent.config_path());
    agent.rewrite_config(&[("proxy", "http://alice:word@127.0.0.1:1")]);
    let found = Found::by(&agent.config_path());
    found.says("connection", "FAIL", "connecting to the proxy 127.0.0.1 port 1: connection refused", "proxy=");
    found.differs_in(&healthy, &["agreement", "connection"]);
    assert!(!format!("{found:?}").contains("word@"), "{found:#?}");
}

#[test]
fn the_daemons_license_status_is_reported_with_its_help() {
    let server = FakeLicenseServer::start();
    let message = "License is already activated on 1 of 1 allowed servers.";
    server.reply(Reply::json(403, json!({"valid": false, "reason": "server_limit_reached", "message": message})));
    let agent = reachable(Agent::builder().license_server(&server)).start();
    agent.status_after_checks(1);
    Found::by(&agent.config_path()).says("license", "FAIL", message, "revoke a server");

    let agent = reachable(Agent::builder()).start_licensed();
    agent.license_server().pause();
    agent.reverify();
    Found::by(&agent.config_path()).says("license", "WARN", "valid until", "curl -sS");
}

#[test]
fn each_certificate_fault_is_distinguished() {
    let untrusted = FakeLicenseServer::start();
    let expired = FakeLicenseServer::start_expired();
    let other = FakeLicenseServer::start_as("license.example.com");
    for (server, trusted, seen, fix) in [
        (&untrusted, false, "authority that is not trusted", "license_ca_file"),
        (&expired, true, "its certificate expired on 2020-01-01T00:00:00Z", "timedatectl"),
        (&other, true, "not valid for that name, but for license.example.com", "license_server"),
    ] {
        let agent = Agent::builder().license_server(server);
        let agent = reachable(if trusted { agent } else { agent.unset("license_ca_file") }).start();
        let found = Found::by(&agent.config_path());
        found.says("connection", "PASS", "", "");
        found.says("TLS", "FAIL", seen, fix);
        assert!(!found.checks.contains_key("license server"), "{found:#?}");
        assert_eq!(server.count(), 0, "the key was sent to an untrusted server");
    }
}
