//! The license server's monitoring endpoints: `/metrics` in the Prometheus text exposition format 0.0.4, and `/health`.

use super::vendor_api::{add_token, request};
use super::*;
use crate::support::http::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// All samples by name and labels; panics if the text violates the format.
fn samples(server: &LicenseServerProcess) -> BTreeMap<String, f64> {
    let response = server.fetch(Request::get("/metrics"));
    assert_eq!(response.status, 200);
    assert_eq!(response.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = response.text();
    assert!(text.ends_with('\n'), "no newline at the end: {text}");
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line.strip_prefix("# HELP ").unwrap_or_else(|| panic!("{line}")).split_once(' ').unwrap();
        assert!(help.ends_with('.'), "{line}");
        assert!(name.starts_with("opterius_license_server_"), "{line}");
        assert!(families.insert(name.to_owned()), "{name} appears twice");
        let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).unwrap();
        assert!(matches!(kind, "counter" | "gauge"), "{name}: {kind}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}: {kind}");
        let mut count = 0;
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = sample.rsplit_once(' ').unwrap();
            let (own, labels) = series.split_once('{').map_or((series, "}"), |(own, labels)| (own, labels));
            assert!(own == name && labels.ends_with('}'), "{sample} in {name}");
            let value = value.parse().unwrap_or_else(|_| panic!("{sample}"));
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} appears twice");
            count += 1;
        }
        assert!(count > 0, "{name} has no samples");
    }
    samples
}

fn outcome(samples: &BTreeMap<String, f64>, label: &str) -> f64 {
    samples[&format!("opterius_license_server_verifications_total{{outcome=\"{label}\"}}")]
}

#[test]
fn every_verification_is_counted_once_and_no_label_comes_from_a_client() {
    let server = LicenseServerProcess::start();
    let before = samples(&server);
    let names: Vec<String> = before.keys().cloned().collect();
    let (license, suspended) = (server.database.license("free"), server.database.license("free"));
    server.database.apply_change(suspended.id, Change::Suspend);
    server.verify(&question(&license, SERVERS[0]));
    server.verify(&question(&license, SERVERS[0]));
    server.verify(&question(&license, SERVERS[1]));
    server.verify(&question(&suspended, SERVERS[0]));
    server.verify_bytes("{");
    for number in 0..22 {
        server.verify(&json!({"key": format!("unknown \"}} {number}"), "os": "os\"} 1\nforged 1"}));
    }
    let after = samples(&server);
    let counted = [
        ("granted", 2.0),
        ("server_limit_reached", 1.0),
        ("suspended", 1.0),
        ("malformed", 1.0),
        ("invalid_key", 20.0),
        ("rate_limited", 2.0),
        ("cancelled", 0.0),
        ("unavailable", 0.0),
    ];
    for (label, times) in counted {
        assert_eq!(outcome(&after, label) - outcome(&before, label), times, "{label}");
    }
    assert!(after["opterius_license_server_commits_total"] > before["opterius_license_server_commits_total"]);
    assert!(after["opterius_license_server_changes_total"] >= after["opterius_license_server_commits_total"]);
    assert!(after["opterius_license_server_commit_seconds_total"] > 0.0);
    assert_eq!(after["opterius_license_server_storage_failing"], 0.0);
    let version = format!("opterius_license_server_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(after[&version], 1.0);
    assert_eq!(after.keys().cloned().collect::<Vec<_>>(), names, "a series was added or removed");
}

#[test]
fn health_needs_no_authentication() {
    let server = LicenseServerProcess::start();
    let response = server.fetch(Request::get("/health"));
    let expected = json!({"status": "ok", "version": env!("CARGO_PKG_VERSION"), "storage": "ok"});
    assert_eq!((response.status, response.json()), (200, expected));
    for path in ["/health", "/metrics"] {
        let response = server.fetch(Request::post(path).body("{}"));
        assert_error(&response, 405, "method_not_allowed");
        assert_eq!(response.header("Allow"), Some("GET, HEAD"), "{path}");
    }
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let server = LicenseServerProcess::start();
    for (path, status) in [("/health", 200), ("/metrics", 200), (VERIFY, 405)] {
        let mut connection = Connection::open(server.port()).unwrap();
        connection.send(Request::new("HEAD", path).bytes()).unwrap();
        let head = connection.receive_head(PROMPTLY).unwrap();
        // A body would be read as the next response on this connection.
        let get = connection.exchange(Request::get(path)).unwrap();
        assert_eq!((get.status, head.status), (status, status), "{path}");
        for header in ["Content-Type", "Content-Length", "Allow", "Cache-Control"] {
            assert_eq!(head.header(header), get.header(header), "{header} of {path}");
        }
    }
}

#[test]
fn every_call_of_the_vendor_api_is_counted_once_by_its_result() {
    let server = LicenseServerProcess::start();
    let token = add_token(&server, "shop", "licenses:read,licenses:write", &[]);
    let before = samples(&server);
    let names: Vec<String> = before.keys().cloned().collect();
    let sell = || {
        let body = json!({"owner": {"name": "carol"}, "plan": "free"});
        server.fetch(request(&token, "POST", "/licenses", Some(&body)).header("Idempotency-Key", "k")).status
    };
    assert_eq!((sell(), sell()), (201, 201));
    let get = |token: &str, path: &str| server.fetch(request(token, "GET", path, None)).status;
    let forged = "x\"} 1\nforged";
    assert_eq!(get(&token, "/licenses/1"), 200);
    assert_eq!(get(&token, "/licenses/99"), 404);
    assert_eq!(get(&token, "/licenses?owner%22%7D=1"), 422);
    assert_eq!(get(&token, "/nothing%22%7D%0A"), 404);
    assert_eq!(get(&token, "/licenses/%ff"), 400);
    assert_eq!(get("opl_1_x", "/licenses"), 401);
    assert_eq!(get(&token, "/users"), 403);
    assert_eq!(server.fetch(request(&token, "PUT", "/licenses", None)).status, 405);
    let body = json!({"owner": forged, "plan": "free"});
    assert_eq!(server.fetch(request(&token, "POST", "/licenses", Some(&body))).status, 422);
    let huge = Request::post("/api/v1/licenses").body(vec![b' '; 64 * 1024 + 1]);
    assert_eq!(server.fetch(huge).status, 413);
    assert_eq!(server.fetch(Request::get("/api/v1/openapi.json")).status, 200);
    let after = samples(&server);
    let counted = [
        ("2xx", "done", 3.0),
        ("2xx", "replayed", 1.0),
        ("4xx", "not_found", 2.0),
        ("4xx", "validation_failed", 2.0),
        ("4xx", "bad_request", 1.0),
        ("4xx", "token_invalid", 1.0),
        ("4xx", "scope_missing", 1.0),
        ("4xx", "method_not_allowed", 1.0),
        ("4xx", "body_too_large", 1.0),
        ("5xx", "unavailable", 0.0),
    ];
    let name = |class: &str, result: &str| {
        format!("opterius_license_server_api_calls_total{{class=\"{class}\",result=\"{result}\"}}")
    };
    for (class, result, times) in counted {
        let name = name(class, result);
        assert_eq!(after[&name] - before[&name], times, "{name}");
    }
    let all: f64 = after.iter().filter(|(name, _)| name.contains("api_calls_total")).map(|(_, count)| count).sum();
    assert_eq!(all, 13.0);
    assert_eq!(after.keys().cloned().collect::<Vec<_>>(), names, "a series was added or removed");
}
