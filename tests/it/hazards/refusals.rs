//! Rejected requests with valid framing.

use super::{
    BAD_REQUEST, FORBIDDEN_ORIGIN, LARGE_WRITE, METHOD_NOT_ALLOWED, NOT_FOUND, NOT_IMPLEMENTED, SMALL_READ, STATUS,
    UNKNOWN_HOST, assert_error_body, check,
};
use crate::support::agent::Agent;
use crate::support::http::Request;

#[test]
fn unknown_paths_are_refused() {
    let agent = Agent::licensed();
    for target in ["/nowhere", "/license", "/license/status/", "/LICENSE/STATUS", "/files/write/x"] {
        check(&agent, Request::get(target), NOT_FOUND);
        check(&agent, Request::post(target).body("{}").signed(), NOT_FOUND);
    }
}

#[test]
fn wrong_methods_are_refused_with_the_right_ones() {
    let agent = Agent::licensed();
    for (method, target, allowed) in [
        ("DELETE", STATUS, vec!["GET"]),
        ("POST", STATUS, vec!["GET"]),
        ("BREW", "/health", vec!["GET"]),
        ("GET", SMALL_READ, vec!["POST"]),
        ("PUT", LARGE_WRITE, vec!["POST"]),
        ("DELETE", "/php/config", vec!["GET", "POST"]),
    ] {
        let response = check(&agent, Request::new(method, target), METHOD_NOT_ALLOWED);
        let header = response.header("Allow").expect("an Allow header");
        let mut names: Vec<&str> = header.split(", ").filter(|name| *name != "HEAD").collect();
        names.sort_unstable();
        assert_eq!(names, allowed, "{method} {target}");
    }
}

#[test]
fn a_query_is_not_part_of_the_path() {
    let agent = Agent::licensed();
    assert_eq!(agent.fetch(Request::get("/license/status?a=b/../c")).status, 200);
    for target in ["/ssl/wildcard/progress?domain=x", "/ssl/wildcard/progress?domain=%2e%00"] {
        check(&agent, Request::get(target).signed(), NOT_IMPLEMENTED);
    }
}

#[test]
fn a_percent_in_a_signed_path_is_refused() {
    let agent = Agent::licensed();
    for target in ["/files/%77rite", "/stats%2Fserver", "/files/write%00", "/files/write%"] {
        check(&agent, Request::post(target).body("{}").signed(), BAD_REQUEST);
    }
}

#[test]
fn an_unknown_host_name_is_rejected() {
    let agent = Agent::builder().set("allowed_hosts", "panel.example.com").start_licensed();
    for host in [
        "127.0.0.1",
        "127.0.0.1:7443",
        "192.0.2.7:7443",
        "[::1]",
        "[::1]:7443",
        "localhost",
        "LocalHost:7443",
        "panel.example.com",
        "PANEL.example.com:7443",
    ] {
        let response = agent.fetch(Request::get(STATUS).header("Host", host));
        assert_eq!(response.status, 200, "Host: {host}");
    }
    for host in [
        "evil.example",
        "evil.example:7443",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-panel.example.com",
        "panel.example.com.evil.example",
        "example.com",
    ] {
        eprintln!("Host: {host}");
        check(&agent, Request::get(STATUS).header("Host", host), UNKNOWN_HOST);
        let write = Request::post(LARGE_WRITE).header("Host", host).signed();
        check(&agent, write, UNKNOWN_HOST);
    }
}

#[test]
fn a_foreign_origin_is_refused() {
    let agent = Agent::licensed();
    let host = format!("127.0.0.1:{}", agent.port());
    let own = Request::get(STATUS).header("Host", &host);
    let same_origin = own.clone().header("Origin", &format!("http://{host}"));
    assert_eq!(agent.fetch(same_origin).status, 200);
    for origin in ["null", "https://evil.example", "http://127.0.0.1.evil.example"] {
        eprintln!("Origin: {origin}");
        check(&agent, own.clone().header("Origin", origin), FORBIDDEN_ORIGIN);
        let write = Request::post(LARGE_WRITE).header("Origin", origin).signed();
        check(&agent, write, FORBIDDEN_ORIGIN);
    }
}

#[test]
fn nothing_a_client_sends_is_reflected_in_a_response_head() {
    let agent = Agent::licensed();
    let marker = "zq-marker";
    for request in [
        Request::get("/zq-marker"),
        Request::get("/zq-marker/"),
        Request::get("/license/status?zq-marker=zq-marker"),
        Request::get("/%0d%0azq-marker:%20x"),
        Request::new(marker, STATUS),
        Request::get(STATUS).header("Host", "zq-marker.example"),
        Request::get(STATUS).header("Origin", "https://zq-marker.example"),
        Request::get(STATUS).header(marker, marker),
        Request::get(STATUS).header("X-Request-Id", marker).header("Connection", marker),
        Request::get(STATUS).header("Cookie", marker).header("Accept", marker),
        Request::get(STATUS).header("Expect", marker),
        Request::get(STATUS).header("Content-Length", marker),
        Request::get(STATUS).header("Transfer-Encoding", marker),
        Request::post(SMALL_READ).header("X-Signature", marker).header("X-Timestamp", marker),
        Request::post(SMALL_READ).body(marker),
        Request::post(SMALL_READ).body(marker).signed(),
    ] {
        let response = agent.fetch(request);
        let head = response.head_text();
        assert!(!head.contains(marker), "{head}");
        if response.status != 200 {
            assert_error_body(&response);
        }
    }
}
