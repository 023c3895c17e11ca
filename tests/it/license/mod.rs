//! License verification by the real daemon, over real TLS with a scripted license server: the standing after each answer,
//! as seen in the status, the log and the gate.
//!
//! Verdicts; failures and grace; networks and names; causes in words; TLS, signed answers and proxies; the schedule of checks; configuration changes; expiry.

mod causes;
mod checks;
mod configuration;
mod expiry;
mod grace;
mod networks;
mod proxies;
mod several;
mod signed;
mod tls;
mod verdicts;
mod warnings;

use crate::support::agent::{Agent, AgentBuilder, LICENSE_KEY};
use crate::support::fake_license_server::{Behavior, FakeLicenseServer, Gate, ReceivedRequest, Reply, SigningKey};
use crate::support::http::{Request, Response, SECRET};
use crate::support::{SOON, eventually, pause};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The log line for the license server's usual grant.
pub(crate) const GRANTED_LINE: &str = "License: valid (plan: free, max_accounts: 5, max_servers: 1, expires: never)";

const STATUS: &str = "/license/status";

/// The minimum time between two requested checks.
const SPACING: Duration = Duration::from_secs(5);

/// The delay with which a test on a loaded machine can observe the daemon.
const JITTER: Duration = Duration::from_millis(500);

const GRACE: time::Duration = time::Duration::hours(48);

/// Longer than any check, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn assert_active(status: &Value) {
    assert_eq!(standing(status), json!([true, "active", "server", null, null]), "{status}");
}

pub(crate) fn assert_restricted(status: &Value, source: &str, reason: &str) {
    assert_eq!(standing(status), json!([false, "restricted", source, reason, null]), "{status}");
}

fn standing(status: &Value) -> Value {
    json!(["valid", "state", "source", "reason", "grace_until"].map(|key| status[key].clone()))
}

/// A signed write passes the gate; 501, because its operation is not implemented.
pub(crate) fn assert_allowed(agent: &Agent) {
    let response = write(agent);
    assert_eq!((response.status, &response.json()["code"]), (501, &json!("not_implemented")), "{}", response.text());
}

/// A signed write is rejected with this reason, this message and help; a signed read passes.
pub(crate) fn assert_refused(agent: &Agent, reason: &str, message: &str) {
    let response = write(agent);
    let answer = response.json();
    assert_eq!(response.status, 403, "{answer}");
    let actual = ["error", "code", "reason", "message"].map(|key| answer[key].clone());
    assert_eq!(json!(actual), json!(["license_required", "license_required", reason, message]));
    assert!(answer["help"].as_str().is_some_and(|help| !help.is_empty()), "{answer}");
    let read = agent.fetch(Request::post("/analytics/live").body("{}").signed());
    assert_eq!(read.status, 501, "{}", read.text());
}

fn write(agent: &Agent) -> Response {
    agent.fetch(Request::post("/email/create").body("{}").signed())
}

pub(crate) fn assert_line(agent: &Agent, wanted: &str) {
    let line = agent.wait_for_line(|line| line == wanted, PATIENCE);
    assert!(line.is_some(), "no line {wanted}: {:#?}", agent.lines());
}

/// Runs `check` on all rows in parallel: each mostly waits.
pub(crate) fn at_once<T: Sync>(rows: &[T], check: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        let threads: Vec<_> = rows.iter().map(|row| scope.spawn(|| check(row))).collect();
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

pub(crate) fn grant() -> Value {
    serde_json::from_slice(&Reply::granted().body).unwrap()
}

pub(crate) fn denial(reason: &str, message: &str) -> Reply {
    Reply::json(200, json!({"valid": false, "reason": reason, "message": message}))
}

/// The members of `first`, overridden and extended by those of `second`.
pub(crate) fn with(mut first: Value, second: Value) -> Value {
    let Value::Object(second) = second else { panic!("not an object: {second}") };
    first.as_object_mut().unwrap().extend(second);
    first
}

/// A string member of the request; empty if absent.
fn text(received: &ReceivedRequest, member: &str) -> String {
    let json = received.json.as_ref().expect("the request is JSON");
    json[member].as_str().unwrap_or_default().to_owned()
}

/// Now, in whole seconds, the resolution of all timestamps.
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc().replace_nanosecond(0).unwrap()
}

fn http_date(instant: OffsetDateTime) -> String {
    httpdate::fmt_http_date(instant.into())
}

fn instant(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().unwrap(), &Rfc3339).unwrap()
}

/// The wait according to the status. Its timestamps are whole seconds, so the real wait can be almost a second longer.
fn seconds_to_next_check(status: &Value) -> i64 {
    (instant(&status["next_check_at"]) - instant(&status["last_checked_at"])).whole_seconds() + 1
}

/// The server ID that the Agent reports to the license server.
pub(crate) fn server_id() -> String {
    let machine_id = fs::read_to_string("/etc/machine-id").unwrap();
    sha256(format!("opterius-agent/server-id/v1\n{}", machine_id.trim()).as_bytes())
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Reply {
    pub(crate) fn body_text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The seconds in its `Retry-After`.
    fn asks_to_wait(&self) -> Option<i64> {
        let (_, seconds) = self.headers.iter().find(|(name, _)| name == "Retry-After")?;
        seconds.parse().ok()
    }
}

/// Valid on the cached license until 48 hours after the latest grant, logged in two lines; writes pass.
fn assert_grace(agent: &Agent, status: &Value, cause: &str) {
    let actual = ["valid", "state", "source", "reason"].map(|key| status[key].clone());
    assert_eq!(json!(actual), json!([true, "grace", "cache", null]), "{cause}: {status}");
    let until = instant(&status["last_verified_at"]) + GRACE;
    assert_eq!(instant(&status["grace_until"]), until, "{status}");
    let until = status["grace_until"].as_str().unwrap();
    let message = status["message"].as_str().unwrap();
    let actual = message.strip_prefix("License server unreachable: ").unwrap_or_else(|| panic!("{cause}: {message}"));
    let actual = actual.strip_suffix(&format!("; running on the cached license until {until}.")).unwrap();
    assert!(actual.contains(cause), "{actual}, not {cause}");
    assert_eq!(status["recent_checks"][0]["verdict"], format!("unreachable: {actual}"));
    let second = format!("License: unreachable — {actual}; running on the cached license until {until}");
    assert_line(agent, &second);
    let lines = agent.lines();
    let pair = lines.windows(2).any(|pair| pair[0] == GRANTED_LINE && pair[1] == second);
    assert!(pair, "no line before {second}: {lines:#?}");
    assert_allowed(agent);
}

/// The first status with an invalid license, which must appear exactly at `end`.
pub(crate) fn restricted_at(agent: &Agent, end: OffsetDateTime) -> Value {
    restricted_around(agent, end, time::Duration::ZERO)
}

/// The same at most `tolerance` before or after `end`.
fn restricted_around(agent: &Agent, end: OffsetDateTime, tolerance: time::Duration) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (before, status, after) = (OffsetDateTime::now_utc(), agent.status(), OffsetDateTime::now_utc());
        if status["valid"] == false {
            assert!(after >= end - tolerance, "restricted at {after}, before {end}");
            return status;
        }
        assert!(before < end + tolerance, "valid at {before}, after {end}");
        assert!(Instant::now() < deadline, "still valid: {status}");
        pause(Duration::from_millis(2));
    }
}

/// Waits until the cache file has this `valid`, `reason` and `message`.
fn cache_turns(agent: &Agent, wanted: &Value) -> bool {
    eventually(SOON, || {
        let cache: Value = serde_json::from_slice(&fs::read(agent.cache_path()).unwrap()).unwrap();
        json!([cache["valid"], cache["reason"], without_clocks(&cache["message"])]) == *wanted
    })
}

/// A message without the times that it names, second by second, if the clocks differ.
fn without_clocks(message: &Value) -> String {
    message.as_str().unwrap().split(" Check the time: ").next().unwrap().to_owned()
}

fn assert_unverified(agent: &Agent, causes: &[&str]) {
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    let message = status["message"].as_str().unwrap();
    assert!(causes.iter().all(|cause| message.contains(cause)), "{message}");
}
