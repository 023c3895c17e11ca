//! `status` and `reverify`.

use super::{PATIENCE, ask, denied, reachable};
use crate::support::agent::Agent;
use crate::support::eventually;
use crate::support::fake_license_server::FakeLicenseServer;
use crate::support::http::Request;

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
fn the_status_of_a_restricted_license_exits_1_with_help() {
    let server = FakeLicenseServer::start();
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
fn the_status_of_a_stopped_daemon_exits_2() {
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
fn the_status_as_json_is_the_daemons_response() {
    let licensed = Agent::licensed();
    let server = FakeLicenseServer::start();
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
fn reverify_shows_the_verdict_of_its_own_check() {
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

    // A denial stands, so a missing answer changes nothing.
    server.pause();
    ask(&agent, &["reverify"]).expect(1).shows(&[("Reason", "server_limit_reached")]);
}

#[test]
fn reverify_in_grace_is_valid_and_shows_cause_and_help() {
    let agent = reachable(Agent::licensed());
    agent.license_server().pause();
    let finished = ask(&agent, &["reverify"]);
    finished.expect(0).shows(&[("License", "valid"), ("State", "grace")]);
    assert!(finished.field("Message").unwrap().contains("unreachable"), "{}", finished.stdout);
    assert!(finished.field("Grace until").is_some(), "{}", finished.stdout);
    let help = finished.field("Help").unwrap();
    let url = format!("curl -sS {}/api/license/verify", agent.license_server().url());
    let file = agent.config_path().display().to_string();
    assert!(help.contains(&url) && help.contains(&file), "its own server and file: {help}");
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
