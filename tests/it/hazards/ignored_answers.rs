//! Calls whose answers the Panel ignores: each refusal is one line in the log, with the call, its subject and the cause.

use super::KIB;
use crate::support::agent::Agent;
use crate::support::fake_license_server::Reply;
use crate::support::http::{PROMPTLY, Request, SECRET, timestamp};
use crate::support::{SOON, eventually};
use serde_json::json;
use time::OffsetDateTime;

const DONE: &str = "was rejected, but the Panel treats it as done";

/// Waits for exactly one line about a refusal of this account, with its cause.
fn is_logged(agent: &Agent, path: &str, subject: &str, cause: &str) {
    let lines = || -> Vec<String> { agent.lines().into_iter().filter(|line| line.contains(subject)).collect() };
    assert!(eventually(SOON, || !lines().is_empty()), "no line about {subject}: {:#?}", agent.lines());
    let lines = lines();
    let expected = format!("POST {path} for ");
    assert!(
        matches!(&lines[..], [line] if line.contains(&expected) && line.contains(DONE) && line.contains(cause)),
        "{cause}: {lines:#?}"
    );
}

fn body(username: &str) -> String {
    json!({"username": username, "domains": []}).to_string()
}

#[test]
fn every_cause_is_one_line_with_call_and_subject() {
    let agent = Agent::builder().set("operations", "off").start_licensed();
    let path = "/account/delete";
    let now = timestamp(OffsetDateTime::now_utc());
    let deletion = |name: &str| Request::post(path).body(body(name));
    let late = deletion("late").signed_with(SECRET, "2020-01-01T00:00:00+00:00");
    let chunked = format!("{path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}", body("chunked"));
    let requests: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("unsigned", deletion("unsigned").into(), 401, "401 signature_missing"),
        ("wrong", deletion("wrong").signed_with("another secret", &now).into(), 401, "401 signature_invalid"),
        ("late", late.into(), 401, "401 timestamp_outside_window"),
        ("method", Request::new("PUT", path).body(body("method")).signed().into(), 405, "405 method_not_allowed"),
        ("foreign", deletion("foreign").signed().header("Origin", "https://evil.example").into(), 403, "403 forbidden"),
        ("host", deletion("host").signed().header("Host", "evil.example").into(), 421, "421 unknown_host"),
        ("Invalid", deletion("Invalid").signed().into(), 422, "422 validation_failed"),
        ("chunked", format!("POST {chunked}").into(), 501, "501 transfer_encoding_not_supported"),
    ];
    for (name, request, status, cause) in requests {
        assert_eq!(agent.fetch(request).status, status, "{name}");
        is_logged(&agent, path, &format!("username “{name}”"), cause);
    }
    for (path, member, code) in [
        ("/ftp/delete", "username", "501 not_implemented"),
        ("/migration/cleanup", "backup_dir", "501 not_implemented"),
        ("/ssl/issue-async", "domain", "422 validation_failed"),
    ] {
        let subject = format!("subject-of-{}", &path[1..5]);
        agent.fetch(Request::post(path).body(json!({member: subject}).to_string()).signed());
        is_logged(&agent, path, &subject, code);
    }
    // The head says that the body is too large, so that no subject arrives.
    let large = Request::post("/domains/delete").body(vec![b' '; 65 * KIB]).signed();
    assert_eq!(agent.fetch(&large.bytes()[..large.head().len()]).status, 413);
    assert!(
        agent
            .wait_for_line(
                |line| line.contains("/domains/delete for an unnamed object") && line.contains("413"),
                PROMPTLY
            )
            .is_some()
    );
    // An operation that was begun has its own line.
    assert_eq!(agent.fetch(deletion("unable").signed()).status, 503);
    let line = agent.wait_for_line(|line| line.contains("Operation /account/delete for username “unable”: 503"), SOON);
    assert!(line.is_some_and(|line| line.contains("operations=off")), "{:#?}", agent.lines());
    // A call whose answer the Panel shows has no such line.
    agent.fetch(Request::post("/account/password").body(json!({"username": "shown"}).to_string()).signed());
    assert!(!agent.lines().iter().any(|line| line.contains("shown")), "{:#?}", agent.lines());
    assert!(agent.serves().is_ok());
}

#[test]
fn a_call_without_a_license_is_a_line_too() {
    let agent = Agent::builder().license(Reply::json(200, json!({"valid": false, "reason": "suspended"}))).start();
    assert!(eventually(SOON, || agent.status()["reason"] == "suspended"), "{}", agent.status());
    assert_eq!(agent.fetch(Request::post("/account/delete").body(body("carol")).signed()).status, 403);
    is_logged(&agent, "/account/delete", "username “carol”", "403 license_required");
}

#[test]
fn clients_without_a_signature_cannot_hide_the_panels_calls() {
    let agent = Agent::licensed();
    for number in 0..200 {
        assert_eq!(agent.fetch(Request::post("/account/delete").body(body(&format!("x{number}")))).status, 401);
    }
    assert_eq!(agent.fetch(Request::post("/account/delete").body(body("Invalid")).signed()).status, 422);
    is_logged(&agent, "/account/delete", "username “Invalid”", "422");
    let lines = agent.lines().iter().filter(|line| line.contains("username “x")).count();
    assert_eq!(lines, 20, "limited per minute");
}
