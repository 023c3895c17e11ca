//! The real Agent with the real license server.

use super::*;
use crate::license::{
    GRANTED_LINE, assert_active, assert_allowed, assert_line, assert_refused, assert_restricted, restricted_at,
};
use crate::support::SOON;
use crate::support::agent::{Agent, AgentBuilder};
use rustix::process::Signal;
use time::OffsetDateTime;

/// An Agent at this address that trusts only this license server.
pub(super) fn builder(server: &LicenseServerProcess, license: &TestLicense, address: &str) -> AgentBuilder {
    Agent::builder()
        .set("license_server", &server.url())
        .set("license_key", &license.key)
        .set("license_public_key", &server.public_keys())
        .set("server_ip", address)
}

fn start(server: &LicenseServerProcess, license: &TestLicense, address: &str) -> Agent {
    builder(server, license, address).start()
}

#[test]
fn a_license_is_granted_and_the_activation_identifies_the_agent() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let agent = start(&server, &license, SERVERS[0]);
    assert_line(&agent, GRANTED_LINE);
    assert_active(&agent.status_after_checks(1));
    assert_allowed(&agent);
    let activation = server.database.activations(license.id).remove(0);
    assert_eq!(activation.ip, ip(SERVERS[0]));
    assert_eq!(activation.details.agent_version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(activation.details.server_id, Some(crate::license::server_id()));
    assert!(activation.details.os.is_some_and(|os| os.starts_with("Linux ")));
    assert!(activation.details.hostname.is_some());
    assert!(!server.lines().join("\n").contains(&license.key), "the key is in the log");
}

#[test]
fn a_suspension_takes_effect_at_the_next_check_until_the_license_is_resumed() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let agent = start(&server, &license, SERVERS[0]);
    assert_line(&agent, GRANTED_LINE);
    server.database.apply_change(license.id, Change::Suspend);
    agent.signal(Signal::HUP);
    assert_line(&agent, "License: INVALID — License is suspended.");
    assert!(eventually(SOON, || agent.status()["valid"] == false), "{}", agent.status());
    let status = agent.status();
    assert_restricted(&status, "server", "suspended");
    assert_eq!(status["message"], "License is suspended.");
    assert_eq!((&status["plan"], &status["max_accounts"]), (&json!("free"), &json!(5)), "{status}");
    assert_refused(&agent, "suspended", "License is suspended.");
    server.database.apply_change(license.id, Change::Resume);
    assert_active(&agent.reverify().json());
    assert_allowed(&agent);
}

#[test]
fn a_refused_agent_gets_a_slot_after_a_revocation() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
    let agent = start(&server, &license, SERVERS[1]);
    let message = "License is already activated on 1 of 1 allowed servers.";
    assert_line(&agent, &format!("License: INVALID — {message}"));
    assert_restricted(&agent.status_after_checks(1), "server", "server_limit_reached");
    assert_refused(&agent, "server_limit_reached", message);
    server.database.revoke(license.id, SERVERS[0]);
    assert_active(&agent.reverify().json());
    assert_eq!(server.database.addresses(license.id), [SERVERS[1]]);
    assert_no_slot(&server.verify(&question(&license, SERVERS[0])), 1, 1);
}

#[test]
fn every_other_denial_reaches_the_agent_with_its_message() {
    let server = LicenseServerProcess::start();
    let cancelled = server.database.license("free");
    server.database.apply_change(cancelled.id, Change::Cancel);
    let locked = server.database.license_until("free", None, Some(SERVERS[0]));
    let unknown = TestLicense { id: 0, key: "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD".to_owned() };
    let mismatch =
        format!("License is locked to the IP address {}; this server is seen as {}.", SERVERS[0], SERVERS[1]);
    let table = [
        (&cancelled, "cancelled", "License has been cancelled."),
        (&locked, "server_ip_mismatch", &mismatch),
        (&unknown, "invalid_key", "License key is not known."),
    ];
    crate::license::at_once(&table, |(license, reason, message)| {
        let agent = start(&server, license, SERVERS[1]);
        assert_line(&agent, &format!("License: INVALID — {message}"));
        assert_restricted(&agent.status_after_checks(1), "server", reason);
        assert_refused(&agent, reason, message);
    });
}

#[test]
fn an_unreachable_license_server_leads_to_grace_until_it_is_back() {
    let mut server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let agent = start(&server, &license, SERVERS[0]);
    assert_active(&agent.status_after_checks(1));
    server.kill();
    let status = agent.reverify().json();
    assert_eq!((&status["valid"], &status["state"]), (&json!(true), &json!("grace")), "{status}");
    assert_allowed(&agent);
    server.restart_in_place();
    assert_active(&agent.reverify().json());
}

#[test]
fn a_license_expires_on_the_agent_at_the_exact_instant() {
    let server = LicenseServerProcess::start();
    let end = server.database.now().plus(Duration::from_secs(8));
    let license = server.database.license_until("free", Some(end), None);
    let agent = start(&server, &license, SERVERS[0]);
    assert_active(&agent.status_after_checks(1));
    let instant = OffsetDateTime::from_unix_timestamp(end.unix()).unwrap();
    let status = restricted_at(&agent, instant);
    assert_eq!((&status["reason"], &status["expires_at"]), (&json!("expired"), &json!(end.to_string())), "{status}");
    // The server agrees.
    assert_denied(&server.verify(&question(&license, SERVERS[0])), "expired", &format!("License expired at {end}."));
    server.database.apply_change(license.id, Change::Renew(None));
    assert_active(&agent.reverify().json());
}

#[test]
fn a_license_server_with_a_full_disk_leads_to_grace() {
    let builder = LicenseServerProcess::builder();
    let license = builder.database.license("business");
    let server = builder.on_disk("size=1m").start();
    let agent = start(&server, &license, SERVERS[0]);
    assert_active(&agent.status_after_checks(1));
    disk::fill(&server, &license, SERVERS[1]);
    let status = agent.reverify().json();
    assert_eq!((&status["valid"], &status["state"]), (&json!(true), &json!("grace")), "{status}");
    assert!(status["message"].as_str().unwrap().contains("503"), "{status}");
    disk::make_room(&server);
    assert_active(&agent.reverify().json());
}
