//! `GET /metrics` of the Agent: valid by Prometheus's own tool, correct in its values, and free of text from clients; and
//! what is shipped for Prometheus.

mod examples;

use crate::license::{denial, grant, with};
use crate::support::agent::Agent;
use crate::support::fake_license_server::Reply;
use crate::support::http::Request;
use crate::support::license_server_process::LicenseServerProcess;
use crate::support::{SOON, eventually};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Every metric with its type and labels.
pub const FAMILIES: [(&str, &str, &[&str]); 16] = [
    ("opterius_agent_build_info", "gauge", &["version"]),
    ("opterius_agent_certificates", "gauge", &["state"]),
    ("opterius_agent_gate_refusals_total", "counter", &["error"]),
    ("opterius_agent_http_connections", "gauge", &[]),
    ("opterius_agent_http_evictions_total", "counter", &[]),
    ("opterius_agent_http_requests_total", "counter", &["route", "code"]),
    ("opterius_agent_license_cache_failing", "gauge", &[]),
    ("opterius_agent_license_checks_total", "counter", &["outcome"]),
    ("opterius_agent_license_requests_total", "counter", &["server", "outcome"]),
    ("opterius_agent_license_expiry_timestamp_seconds", "gauge", &[]),
    ("opterius_agent_license_grace_end_timestamp_seconds", "gauge", &[]),
    ("opterius_agent_license_last_success_timestamp_seconds", "gauge", &[]),
    ("opterius_agent_license_state", "gauge", &["state"]),
    ("opterius_agent_license_valid", "gauge", &[]),
    ("opterius_agent_operation_duration_seconds", "histogram", &["operation"]),
    ("opterius_agent_operations_total", "counter", &["operation", "result"]),
];

/// A valid request for a change. With host operations off, the Agent starts the operation and it fails.
const SUSPEND: &str = r#"{"username":"alice","action":"suspend","domains":[]}"#;

fn metrics(agent: &Agent) -> String {
    let response = agent.fetch(Request::get("/metrics"));
    assert_eq!(response.status, 200);
    assert_eq!(response.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    response.text()
}

/// The value of the sample with this name, without the prefix, and these labels.
fn sample(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("opterius_agent_{series} ")));
    line.map(|value| value.parse().unwrap_or_else(|_| panic!("{series} {value}")))
}

/// Waits until the sample has this value, because the Agent renders its metrics at most once a second.
fn assert_sample(agent: &Agent, series: &str, value: Option<f64>) {
    let found = eventually(SOON, || sample(&metrics(agent), series) == value);
    assert!(found, "no {series} {value:?}: {}", metrics(agent));
}

/// The problems that Prometheus's own tool reports.
fn complaints(text: &str) -> String {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool: {error}"));
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let report = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.success(), report.is_empty(), "{report}");
    report
}

/// An Agent that exports every metric: in its grace period, with an expiring license, after one operation.
fn agent_with_all_metrics() -> Agent {
    let mut agent = Agent::builder().set("operations", "off").start_licensed();
    let expiry = json!({"expires_at": "2126-03-01T00:00:00Z"});
    agent.license_server().reply(Reply::json(200, with(grant(), expiry)));
    agent.reverify();
    agent.license_server().pause();
    agent.restart();
    agent.fetch(Request::post("/account/suspend").body(SUSPEND).signed());
    assert_sample(&agent, "license_state{state=\"grace\"}", Some(1.0));
    assert_sample(&agent, "operation_duration_seconds_count{operation=\"/account/suspend\"}", Some(1.0));
    agent
}

#[test]
fn every_metric_is_exported_in_prometheus_format() {
    let text = metrics(&agent_with_all_metrics());
    assert_eq!(complaints(&text), "");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let expected = FAMILIES.iter().map(|(name, kind, _)| (*name, *kind));
    assert_eq!(types.collect::<BTreeSet<_>>(), expected.collect(), "{text}");
    for (name, kind, labels) in FAMILIES {
        let ending = if kind == "histogram" { "_count" } else { "" };
        let sample = text.lines().find_map(|line| line.strip_prefix(&format!("{name}{ending}"))).unwrap();
        assert_eq!(sample.matches("=\"").count(), labels.len(), "{name}{sample}");
        assert!(labels.iter().all(|label| sample.contains(&format!("{label}=\""))), "{name}{sample}");
    }
    // Most metrics of an Agent that has never verified a license are absent.
    let text = metrics(&Agent::unlicensed());
    assert_eq!(complaints(&text), "");
    let license_server = LicenseServerProcess::start();
    assert_eq!(complaints(&license_server.fetch(Request::get("/metrics")).text()), "");
    assert_ne!(complaints("x{a=\"1} 1\n"), "", "promtool does not report a syntax error");
}

#[test]
fn the_license_metrics_agree_with_the_status() {
    let mut agent = Agent::licensed();
    let unix = |text: &serde_json::Value| {
        opterius_base::clock::Timestamp::parse_rfc3339(text.as_str().unwrap()).unwrap().unix() as f64
    };
    let status = agent.status();
    assert_sample(&agent, "license_valid", Some(1.0));
    assert_sample(&agent, "license_state{state=\"active\"}", Some(1.0));
    assert_sample(&agent, "license_expiry_timestamp_seconds", None);
    assert_sample(&agent, "license_grace_end_timestamp_seconds", None);
    assert_sample(&agent, "license_last_success_timestamp_seconds", Some(unix(&status["last_verified_at"])));
    assert_sample(&agent, "license_checks_total{outcome=\"granted\"}", Some(1.0));
    assert_sample(&agent, "license_checks_total{outcome=\"http\"}", Some(0.0));
    assert_sample(&agent, "license_cache_failing", Some(0.0));

    agent.license_server().reply(Reply::raw(500, ""));
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_sample(&agent, "license_checks_total{outcome=\"http\"}", Some(1.0));
    assert_sample(&agent, "license_grace_end_timestamp_seconds", Some(unix(&status["grace_until"])));
    assert_sample(&agent, "license_valid", Some(1.0));

    agent.license_server().reply(denial("suspended", "Unpaid."));
    agent.restart();
    agent.status_after_checks(1);
    assert_sample(&agent, "license_valid", Some(0.0));
    assert_sample(&agent, "license_state{state=\"restricted\"}", Some(1.0));
    assert_sample(&agent, "license_state{state=\"active\"}", Some(0.0));
    assert_sample(&agent, "license_checks_total{outcome=\"denied\"}", Some(1.0));
}

#[test]
fn a_cache_that_cannot_be_written_is_failing() {
    let agent = Agent::builder().set("license_cache", "/proc/license-cache.json").start_licensed();
    assert!(agent.status()["cache"].as_str().unwrap().starts_with("not written: "), "{}", agent.status());
    assert_sample(&agent, "license_cache_failing", Some(1.0));
}

#[test]
fn requests_refusals_and_operations_are_counted_by_their_result() {
    let agent = Agent::builder().set("operations", "off").start_licensed();
    let suspend = || Request::post("/account/suspend");
    let requests = [
        (suspend().body(SUSPEND).signed(), 503),
        (suspend().body("{}").signed(), 422),
        (suspend().body(SUSPEND), 401),
        (suspend().body(SUSPEND).signed_with("another", "2026-03-01T00:00:00Z"), 401),
        (Request::get("/version").signed(), 200),
    ];
    for (request, status) in requests {
        assert_eq!(agent.fetch(request).status, status);
    }
    for (code, count) in [("503", 1.0), ("422", 1.0), ("401", 2.0)] {
        let series = format!("http_requests_total{{route=\"/account/suspend\",code=\"{code}\"}}");
        assert_sample(&agent, &series, Some(count));
    }
    // Answered by a lane rather than by the event loop, and counted all the same.
    assert_sample(&agent, "http_requests_total{route=\"/version\",code=\"200\"}", Some(1.0));
    assert_sample(&agent, "gate_refusals_total{error=\"signature_missing\"}", Some(1.0));
    assert_sample(&agent, "gate_refusals_total{error=\"timestamp_outside_window\"}", Some(1.0));
    assert_sample(&agent, "gate_refusals_total{error=\"license_required\"}", Some(0.0));
    for (result, count) in [("done", 0.0), ("refused", 1.0), ("failed", 1.0)] {
        let series = format!("operations_total{{operation=\"/account/suspend\",result=\"{result}\"}}");
        assert_sample(&agent, &series, Some(count));
    }
    let unlicensed = Agent::unlicensed();
    assert_eq!(unlicensed.fetch(suspend().body(SUSPEND).signed()).status, 403);
    assert_sample(&unlicensed, "gate_refusals_total{error=\"license_required\"}", Some(1.0));
}

#[test]
fn no_text_from_a_client_becomes_a_label() {
    let agent = Agent::unlicensed();
    let before: BTreeSet<String> = series(&metrics(&agent));
    for number in 0..20 {
        agent.fetch(Request::get(&format!("/made-up-{number}\"}}")));
        agent.fetch(Request::new(&format!("MADEUP{number}"), "/health"));
        agent.fetch(Request::get("/health").header("Host", &format!("made-up-{number}")));
        agent.fetch(Request::post("/account/suspend").header("X-Signature", &format!("made-up-{number}")));
    }
    agent.fetch(&b"made-up nonsense\r\n\r\n"[..]);
    assert_sample(&agent, "http_requests_total{route=\"unknown\",code=\"404\"}", Some(20.0));
    assert_sample(&agent, "http_requests_total{route=\"unknown\",code=\"405\"}", Some(20.0));
    assert_sample(&agent, "http_requests_total{route=\"unknown\",code=\"400\"}", Some(1.0));
    assert_sample(&agent, "http_requests_total{route=\"/health\",code=\"421\"}", Some(20.0));
    let text = metrics(&agent);
    assert!(!text.to_lowercase().contains("made"), "{text}");
    let added: Vec<String> = series(&text).difference(&before).cloned().collect();
    assert!(added.len() <= 6, "{added:#?}");
    assert_eq!(complaints(&text), "");
}

/// The name and labels of every sample.
fn series(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| Some(line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?.0.to_owned()))
        .collect()
}

#[test]
fn open_and_evicted_connections_are_counted() {
    let agent = Agent::builder().set("max_connections", "16").start();
    let crowd = |size: usize| -> Vec<_> {
        let mut crowd: Vec<_> = (0..size).map(|_| agent.connect()).collect();
        // A response means that the connection has been accepted.
        crowd.last_mut().unwrap().exchange(Request::get("/health")).unwrap();
        crowd
    };
    let few = crowd(10);
    assert_sample(&agent, "http_connections", Some(11.0));
    assert_sample(&agent, "http_evictions_total", Some(0.0));
    drop(few);
    assert_sample(&agent, "http_connections", Some(1.0));
    drop(crowd(20));
    // Four of the crowd, and up to two more: the requests for metrics before and after it can each evict one while the
    // Agent has not noticed yet that earlier connections are closed.
    let counted = eventually(SOON, || {
        sample(&metrics(&agent), "http_evictions_total").is_some_and(|count| (4.0..=6.0).contains(&count))
    });
    assert!(counted, "{}", metrics(&agent));
}
