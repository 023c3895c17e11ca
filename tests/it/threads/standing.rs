//! The rules about time, through the whole daemon: what the status says, and what the gate lets through, at their exact
//! instants. The clock stands still between them, and no test waits for it.

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
fn grace_ends_48_hours_after_the_grant_and_not_a_second_later() {
    let daemon = in_grace();
    let end = Timestamp::from_unix(BEGINNING).plus(GRACE).to_string();
    assert_eq!(daemon.status()["grace_until"], end);
    pass_until(&daemon, GRACE - SECOND);
    check_grace(&daemon);
    assert_eq!(daemon.status()["grace_until"], end);
    pass_until(&daemon, GRACE);
    check_restricted(&daemon, "unreachable");
    // No check that fails, and no clock that is set back, brings it again.
    daemon.reverify();
    check_restricted(&daemon, "unreachable");
    for wall in [24 * 3600, 0, -3600, -86_400] {
        daemon.clock.set_wall(wall);
        check_restricted(&daemon, "unreachable");
    }
}

#[test]
fn grace_counts_the_machines_time_where_the_wall_clock_stands_still() {
    let daemon = in_grace();
    let pass = |time| {
        daemon.clock.pass(time);
        daemon.clock.set_wall(0);
    };
    for _ in 0..47 {
        pass(HOUR);
        check_grace(&daemon);
    }
    // Some seconds have passed until the check that failed.
    pass(UPTIME + GRACE - SECOND - daemon.clock.boot());
    check_grace(&daemon);
    pass(SECOND);
    check_restricted(&daemon, "unreachable");
}

#[test]
fn grace_counts_the_wall_clock_where_the_machine_was_off() {
    let daemon = in_grace();
    daemon.clock.set_wall(48 * 3600 - 1);
    check_grace(&daemon);
    daemon.clock.set_wall(48 * 3600);
    check_restricted(&daemon, "unreachable");
}

#[test]
fn a_clock_more_than_an_hour_behind_the_grant_gives_no_grace() {
    let daemon = in_grace();
    daemon.clock.set_wall(-3600);
    check_grace(&daemon);
    daemon.clock.set_wall(-3601);
    check_restricted(&daemon, "unreachable");
    let message = daemon.status()["message"].to_string();
    assert!(message.contains("clock_rolled_back"), "{message}");
    // It heals with the clock, or with the next verdict, whatever the clock shows.
    daemon.clock.set_wall(-3600);
    check_grace(&daemon);
    daemon.clock.set_wall(-86_400);
    daemon.reply(Some(&granted(None)));
    assert_eq!(daemon.reverify()["state"], "active");
}

#[test]
fn failing_checks_do_not_prolong_grace() {
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
fn a_license_expires_at_its_instant_without_a_check() {
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
    // Whoever sets the clock back gets grace at the most.
    assert_eq!(daemon.status()["expires_at"], expiry.to_string());
    // A renewal is believed at once.
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

/// A daemon that has made its first check.
fn verified(reply: Option<&str>) -> Daemon {
    let daemon = Daemon::start(reply);
    let checked = || !daemon.status()["last_checked_at"].is_null();
    assert!(eventually(SOON, checked), "no check was made: {}", daemon.status());
    daemon
}

/// A daemon that was granted a license at the beginning and could not verify it some seconds later.
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

/// Lets time pass until this much has passed since the beginning.
fn pass_until(daemon: &Daemon, since_beginning: Duration) {
    let target = Timestamp::from_unix(BEGINNING).plus(since_beginning);
    daemon.clock.pass(target.since(daemon.clock.wall()));
}

/// The status of a signed write: 501, for the gate lets it through to an operation that does not exist, or 403.
fn write(daemon: &Daemon) -> u16 {
    let now = OffsetDateTime::from_unix_timestamp(daemon.clock.wall().unix()).unwrap();
    daemon.fetch(Request::post("/databases/create").body("{}").signed_at(now)).status
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
