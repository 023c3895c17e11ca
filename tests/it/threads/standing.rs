//! The time rules through the whole daemon: the status and the gate at the exact instants of change. The test clock stands
//! still in between, so no test waits.

use super::{BEGINNING, Daemon, SOON, UPTIME};
use crate::support::eventually;
use crate::support::http::Request;
use opterius_base::clock::{Clock as _, Timestamp};
use serde_json::json;
use std::time::Duration;
use time::OffsetDateTime;

const HOUR: Duration = Duration::from_secs(3600);
const GRACE: Duration = Duration::from_secs(48 * 3600);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn grace_ends_exactly_48_hours_after_the_grant() {
    let daemon = in_grace();
    let end = Timestamp::from_unix(BEGINNING).plus(GRACE).to_string();
    assert_eq!(daemon.status()["grace_until"], end);
    pass_until(&daemon, GRACE - SECOND);
    check_grace(&daemon);
    assert_eq!(daemon.status()["grace_until"], end);
    pass_until(&daemon, GRACE);
    check_restricted(&daemon, "unreachable");
    // Neither a failing check nor a clock set back restores it.
    daemon.reverify();
    check_restricted(&daemon, "unreachable");
    for wall in [24 * 3600, 0, -3600, -86_400] {
        daemon.clock.set_wall(wall);
        check_restricted(&daemon, "unreachable");
    }
}

#[test]
fn grace_counts_machine_time_if_the_wall_clock_is_stopped() {
    let daemon = in_grace();
    let pass = |time| {
        daemon.clock.pass(time);
        daemon.clock.set_wall(0);
    };
    for _ in 0..47 {
        pass(HOUR);
        check_grace(&daemon);
    }
    // Some seconds passed before the failed check.
    pass(UPTIME + GRACE - SECOND - daemon.clock.boot());
    check_grace(&daemon);
    pass(SECOND);
    check_restricted(&daemon, "unreachable");
}

#[test]
fn a_clock_that_is_set_ahead_does_not_shorten_grace() {
    let daemon = in_grace();
    for wall in [3600, 48 * 3600, 365 * 86_400, 0] {
        daemon.clock.set_wall(wall);
        check_grace(&daemon);
    }
    let message = |daemon: &Daemon| daemon.status()["message"].as_str().unwrap().to_owned();
    assert!(!message(&daemon).contains("Check the time"), "{}", message(&daemon));
    daemon.clock.set_wall(2 * 86_400 + 60);
    assert!(message(&daemon).contains("this server's clock is 2 d 0 h ahead of"), "{}", message(&daemon));
    daemon.clock.pass(UPTIME + GRACE - SECOND - daemon.clock.boot());
    check_grace(&daemon);
    daemon.clock.pass(SECOND);
    check_restricted(&daemon, "unreachable");
}

#[test]
fn a_license_servers_clock_that_is_wrong_changes_nothing() {
    for ahead in [3 * 3600, 49 * 3600, -40 * 3600, -49 * 3600] {
        let daemon = Daemon::start(None);
        daemon.set_server_clock(ahead);
        daemon.reply(Some(&granted(None)));
        assert_eq!(daemon.reverify()["state"], "active", "{ahead}");
        let granted = daemon.clock.boot();
        daemon.reply(None);
        daemon.reverify();
        check_grace(&daemon);
        daemon.clock.pass(granted + GRACE - SECOND - daemon.clock.boot());
        check_grace(&daemon);
        daemon.clock.pass(SECOND);
        check_restricted(&daemon, "unreachable");
    }
}

#[test]
fn an_expiry_follows_the_license_servers_clock_if_this_servers_is_wrong() {
    for ahead in [2 * 86_400, -2 * 86_400] {
        let daemon = Daemon::start(None);
        daemon.set_server_clock(ahead);
        let servers_time = i64::try_from(daemon.clock.boot().as_secs()).unwrap();
        let end = Timestamp::from_unix(BEGINNING + ahead).plus(HOUR);
        daemon.reply(Some(&granted(Some(end))));
        assert_eq!(daemon.reverify()["state"], "active", "{ahead}");
        let passed = i64::try_from(daemon.clock.boot().as_secs()).unwrap() - servers_time;
        daemon.reply(None);
        daemon.clock.pass(HOUR - SECOND - Duration::from_secs(u64::try_from(passed).unwrap()));
        assert_eq!(daemon.status()["valid"], true, "{ahead}: {}", daemon.status());
        daemon.clock.pass(SECOND);
        check_restricted(&daemon, "expired");
        assert!(daemon.status()["message"].as_str().unwrap().contains("Check the time"), "{}", daemon.status());
    }
}

#[test]
fn a_clock_more_than_an_hour_behind_the_grant_prevents_grace() {
    let daemon = in_grace();
    daemon.clock.set_wall(-3600);
    check_grace(&daemon);
    daemon.clock.set_wall(-3601);
    check_restricted(&daemon, "unreachable");
    let message = daemon.status()["message"].to_string();
    assert!(message.contains("clock_rolled_back"), "{message}");
    // Correcting the clock resolves it, and so does the next verdict, whatever the clock shows.
    daemon.clock.set_wall(-3600);
    check_grace(&daemon);
    daemon.clock.set_wall(-86_400);
    daemon.reply(Some(&granted(None)));
    assert_eq!(daemon.reverify()["state"], "active");
}

#[test]
fn failing_checks_do_not_extend_grace() {
    let daemon = in_grace();
    let end = daemon.status()["grace_until"].clone();
    for _ in 0..10 {
        daemon.clock.pass(4 * HOUR);
        let status = daemon.reverify();
        assert_eq!((&status["state"], &status["grace_until"]), (&json!("grace"), &end), "{status}");
    }
    pass_until(&daemon, GRACE);
    check_restricted(&daemon, "unreachable");
}

#[test]
fn a_license_expires_on_time_without_a_check() {
    let expiry = Timestamp::from_unix(BEGINNING).plus(HOUR);
    let daemon = verified(Some(&granted(Some(expiry))));
    pass_until(&daemon, HOUR - SECOND);
    let status = daemon.status();
    assert_eq!((&status["valid"], &status["state"]), (&json!(true), &json!("active")), "{status}");
    assert_eq!(status["expires_at"], expiry.to_string());
    assert_eq!(write(&daemon), 501);
    daemon.reply(None);
    pass_until(&daemon, HOUR);
    check_restricted(&daemon, "expired");
    daemon.clock.set_wall(3599);
    // Setting the clock back gives grace at most.
    assert_eq!(daemon.status()["expires_at"], expiry.to_string());
    // A renewal takes effect at once.
    daemon.clock.set_wall(3600);
    daemon.reply(Some(&granted(None)));
    assert_eq!(daemon.reverify()["state"], "active");
}

#[test]
fn grace_does_not_outlast_the_expiry() {
    let expiry = Timestamp::from_unix(BEGINNING).plus(24 * HOUR);
    let daemon = verified(Some(&granted(Some(expiry))));
    daemon.reply(None);
    assert_eq!(daemon.reverify()["grace_until"], expiry.to_string());
    pass_until(&daemon, 24 * HOUR - SECOND);
    check_grace(&daemon);
    pass_until(&daemon, 24 * HOUR);
    check_restricted(&daemon, "expired");
}

#[test]
fn a_denial_has_no_grace_and_outlives_the_outage() {
    let daemon = verified(Some(&granted(None)));
    let denial = json!({ "valid": false, "reason": "suspended", "message": "The account is suspended." });
    daemon.reply(Some(&denial.to_string()));
    assert_eq!(daemon.reverify()["reason"], "suspended");
    daemon.reply(None);
    for _ in 0..3 {
        daemon.reverify();
        check_restricted(&daemon, "suspended");
        daemon.clock.pass(30 * HOUR);
        check_restricted(&daemon, "suspended");
    }
}

#[test]
fn warnings_appear_at_their_instant_without_a_check() {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let starts_with = |daemon: &Daemon, start: &str| {
        let warnings = daemon.status()["warnings"].clone();
        let first = warnings[0].as_str().unwrap_or_default();
        assert!(first.starts_with(start) && warnings.as_array().unwrap().len() == 1, "{start}: {warnings}");
    };
    let daemon = in_grace();
    pass_until(&daemon, GRACE - 12 * HOUR);
    assert_eq!(daemon.status()["warnings"], json!([]));
    pass_until(&daemon, GRACE - 12 * HOUR + SECOND);
    starts_with(&daemon, "The grace period ends in 11 h 59 min, at 2026-05-03T12:00:00Z");
    pass_until(&daemon, GRACE - 12 * HOUR + minutes(2));
    starts_with(&daemon, "The grace period ends in 11 h 58 min, at 2026-05-03T12:00:00Z");
    pass_until(&daemon, GRACE);
    assert_eq!(daemon.status()["warnings"], json!([]), "the message says more");

    let expiry = Timestamp::from_unix(BEGINNING).plus(30 * 24 * HOUR);
    let daemon = verified(Some(&granted(Some(expiry))));
    pass_until(&daemon, 16 * 24 * HOUR - SECOND);
    assert_eq!(daemon.status()["warnings"], json!([]));
    pass_until(&daemon, 16 * 24 * HOUR);
    starts_with(&daemon, "The license expires in 14 days, at 2026-05-31T12:00:00Z");
    pass_until(&daemon, 30 * 24 * HOUR - SECOND);
    starts_with(&daemon, "The license expires in a moment");
}

/// A daemon after its first check.
fn verified(reply: Option<&str>) -> Daemon {
    let daemon = Daemon::start(reply);
    let checked = || !daemon.status()["last_checked_at"].is_null();
    assert!(eventually(SOON, checked), "no check finished: {}", daemon.status());
    daemon
}

/// A daemon with a license granted at the beginning, whose check failed some seconds later.
fn in_grace() -> Daemon {
    let daemon = verified(Some(&granted(None)));
    assert_eq!(daemon.status()["state"], "active");
    daemon.reply(None);
    daemon.reverify();
    check_grace(&daemon);
    daemon
}

fn granted(expires_at: Option<Timestamp>) -> String {
    let expires_at = expires_at.map(|instant| instant.to_string());
    json!({ "valid": true, "plan": "free", "max_accounts": 5, "expires_at": expires_at }).to_string()
}

/// Advances the time to `since_beginning`.
fn pass_until(daemon: &Daemon, since_beginning: Duration) {
    let target = Timestamp::from_unix(BEGINNING).plus(since_beginning);
    daemon.clock.pass(target.since(daemon.clock.wall()));
}

/// The status of a signed write: 501 if the gate allows it (the operation is not implemented), otherwise 403.
fn write(daemon: &Daemon) -> u16 {
    let now = OffsetDateTime::from_unix_timestamp(daemon.clock.wall().unix()).unwrap();
    daemon.fetch(Request::post("/email/create").body("{}").signed_at(now)).status
}

fn check_grace(daemon: &Daemon) {
    let status = daemon.status();
    assert_eq!((&status["valid"], &status["state"]), (&json!(true), &json!("grace")), "{status}");
    assert_eq!(status["source"], "cache", "{status}");
    assert_eq!(write(daemon), 501, "{status}");
}

fn check_restricted(daemon: &Daemon, reason: &str) {
    let status = daemon.status();
    assert_eq!((&status["valid"], &status["state"]), (&json!(false), &json!("restricted")), "{status}");
    assert_eq!(status["reason"], reason, "{status}");
    assert_eq!(status["grace_until"], json!(null), "{status}");
    assert_eq!(write(daemon), 403, "{status}");
}
