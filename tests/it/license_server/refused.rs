//! Refused servers: remembered beside their license, with what helps, until they are granted.

use super::*;
use crate::support::SOON;
use opterius_license_server::model::RefusedServer;

/// Waits until these servers of the license are remembered as refused.
fn assert_refused(refused: impl Fn() -> Vec<RefusedServer>, expected: &[(&str, &str, u32)]) {
    let found = || {
        let servers = refused().into_iter();
        servers.map(|server| (server.ip.to_string(), server.reason, server.denials)).collect::<Vec<_>>()
    };
    let expected: Vec<(String, String, u32)> =
        expected.iter().map(|(ip, reason, denials)| ((*ip).to_owned(), (*reason).to_owned(), *denials)).collect();
    assert!(eventually(SOON, || found() == expected), "{:?} instead of {expected:?}", found());
}

#[test]
fn the_last_refusal_of_each_server_is_remembered_until_it_is_granted() {
    let server = TimedLicenseServer::start();
    let (license, other) = (server.database.license("free"), server.database.license("free"));
    let [first, second, third, ..] = SERVERS;
    let refused = || server.database.refused(license.id);
    assert_granted(&server.verify(&question(&license, first)));
    assert_granted(&server.verify(&question(&other, first)));
    let question_of_second = json!({
        "key": license.key, "server_ip": second, "hostname": "web-2.example.com", "agent_version": "0.1.0",
        "server_id": "id-2",
    });
    server.verify(&question_of_second);
    server.verify(&question(&license, third));
    assert_refused(refused, &[(second, "server_limit_reached", 1), (third, "server_limit_reached", 1)]);
    let remembered = refused().remove(0);
    assert_eq!((remembered.first_at, remembered.last_at), (BEGINNING, BEGINNING));
    assert_eq!(remembered.message, "License is already activated on 1 of 1 allowed servers.");
    let details = remembered.details;
    assert_eq!(
        (details.hostname.as_deref(), details.agent_version.as_deref(), details.server_id.as_deref()),
        (Some("web-2.example.com"), Some("0.1.0"), Some("id-2"))
    );
    server.database.move_to(license.id, first, second);
    assert_granted(&server.verify(&question_of_second));
    assert_refused(refused, &[(third, "server_limit_reached", 1)]);
    assert!(server.database.refused(other.id).is_empty(), "another license is not concerned");
}

#[test]
fn a_suspended_server_is_remembered_and_forgotten_although_it_keeps_its_slot() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    let refused = || server.database.refused(license.id);
    let verify = || server.verify(&question(&license, SERVERS[0]));
    assert_granted(&verify());
    server.database.apply_change(license.id, Change::Suspend);
    assert_denied(&verify(), "suspended", "License is suspended.");
    assert_refused(refused, &[(SERVERS[0], "suspended", 1)]);
    server.database.apply_change(license.id, Change::Resume);
    assert_granted(&verify());
    assert_refused(refused, &[]);
    // What was counted but not stored is forgotten, too.
    server.database.apply_change(license.id, Change::Suspend);
    verify();
    server.database.apply_change(license.id, Change::Resume);
    assert_granted(&verify());
    let later = || server.verify(&question(&license, SERVERS[1]));
    later();
    assert_refused(refused, &[(SERVERS[1], "server_limit_reached", 1)]);
}

/// A refused server that asks in a loop costs one row, and no commit for each refusal.
#[test]
fn a_flood_of_refusals_is_counted_and_stored_rarely() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
    let stored = || server.database.refused(license.id);
    for _ in 0..5 {
        assert_no_slot(&server.verify(&question(&license, SERVERS[1])), 1, 1);
    }
    assert!(eventually(SOON, || stored().len() == 1));
    let first = stored();
    let history = server.database.history_lines(license.id).len();
    for _ in 0..200 {
        assert_no_slot(&server.verify(&question(&license, SERVERS[1])), 1, 1);
    }
    // Another server is stored, so the thread has run since: the row of the first server is not written again.
    server.verify(&question(&license, SERVERS[2]));
    assert!(eventually(SOON, || stored().len() == 2));
    let found: Vec<_> = stored().into_iter().filter(|server| server.ip == ip(SERVERS[1])).collect();
    assert_eq!(found, first);
    assert_eq!(server.database.history_lines(license.id).len(), history, "the history does not grow");
}

#[test]
fn refusals_and_blocks_are_deleted_when_they_are_over() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    let [first, second, third, ..] = SERVERS;
    let refused = || server.database.refused(license.id);
    assert_granted(&server.verify(&question(&license, first)));
    server.verify(&question(&license, second));
    assert_refused(refused, &[(second, "server_limit_reached", 1)]);
    server.clock.pass(DAY);
    server.verify(&question(&license, third));
    assert_refused(refused, &[(second, "server_limit_reached", 1), (third, "server_limit_reached", 1)]);
    server.database.keep_out(license.id, second, 7 * DAY);
    let blocks = |now| server.database.read(|transaction| transaction.blocks(license.id, now)).len();
    server.clock.pass(29 * DAY - Duration::from_secs(1));
    server.activation_gc();
    assert_refused(refused, &[(second, "server_limit_reached", 1), (third, "server_limit_reached", 1)]);
    assert_eq!(blocks(BEGINNING), 0, "a block that is over is deleted");
    server.clock.pass(Duration::from_secs(1));
    server.activation_gc();
    assert_refused(refused, &[(third, "server_limit_reached", 1)]);
}

#[test]
fn a_server_that_is_kept_out_is_refused_with_the_time() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("business");
    let [first, second, ..] = SERVERS;
    let verify = |address| server.verify(&question(&license, address));
    assert_granted(&verify(first));
    assert_granted(&verify(second));
    server.database.keep_out(license.id, first, 7 * DAY);
    let message = format!("The server {first} was revoked and cannot use this license until 2027-01-22T08:00:00Z.");
    assert_denied(&verify(first), "server_ip_mismatch", &message);
    assert_granted(&verify(second));
    server.clock.pass(7 * DAY - Duration::from_secs(1));
    assert_denied(&verify(first), "server_ip_mismatch", &message);
    server.clock.pass(Duration::from_secs(1));
    assert_granted(&verify(first));
    server.database.keep_out(license.id, first, DAY);
    assert_eq!(verify(first).status, 403);
    server.database.unblock(license.id, first);
    assert_granted(&verify(first));
}

/// A real Agent shows the message, and its help leads to the dashboard.
#[test]
fn license_show_says_what_helps_a_refused_server() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
    server.verify(&json!({"key": license.key, "server_ip": SERVERS[1], "hostname": "web\u{1b}[2J"}));
    assert!(eventually(SOON, || !server.database.refused(license.id).is_empty()));
    let run = |words: &[&str]| {
        let output = server.run(words);
        assert!(output.status.success(), "{words:?} {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let text = run(&["license", "show", "1"]);
    for expected in [
        SERVERS[1],
        "server_limit_reached",
        "web [2J",
        &format!("move 1 FROM {}, or revoke 1 IP, or set-plan 1 SLUG", SERVERS[1]),
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let kept_out = run(&["license", "revoke", "1", SERVERS[1], "--block", "7d"]);
    assert!(kept_out.starts_with(&format!("{} revoked and kept out until ", SERVERS[1])), "{kept_out}");
    assert_eq!(server.verify(&question(&license, SERVERS[1])).json()["reason"], "server_ip_mismatch");
    let shown: Value = serde_json::from_str(&run(&["license", "show", "1", "--json"])).unwrap();
    assert_eq!(shown["refused_servers"][0]["ip"], SERVERS[1]);
    assert_eq!(shown["refused_servers"][0]["help"], json!(["unblock", "move", "revoke", "upgrade"]));
    assert_eq!(shown["kept_out"][0]["ip"], SERVERS[1]);
    run(&["license", "unblock", "1", SERVERS[1]]);
    let shown: Value = serde_json::from_str(&run(&["license", "show", "1", "--json"])).unwrap();
    assert_eq!((&shown["kept_out"], &shown["refused_servers"][0]["help"][0]), (&json!([]), &json!("move")));
    let refused = server.run(&["license", "revoke", "1", SERVERS[0], "--block", "91d"]);
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
}

/// A server that is granted and refused in turns, next to a second one: nothing stale stays.
#[test]
fn a_server_between_grant_and_refusal_leaves_nothing_stale() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
    for _ in 0..20 {
        server.database.apply_change(license.id, Change::Suspend);
        assert_eq!(server.verify(&question(&license, SERVERS[0])).status, 403);
        server.database.apply_change(license.id, Change::Resume);
        assert_granted(&server.verify(&question(&license, SERVERS[0])));
    }
    server.verify(&question(&license, SERVERS[1]));
    assert_refused(|| server.database.refused(license.id), &[(SERVERS[1], "server_limit_reached", 1)]);
}
