//! `GET /`: the license page of the real daemon.

mod looks;

use crate::license::denial;
use crate::support::agent::{Agent, LICENSE_KEY};
use crate::support::fake_license_server::Reply;
use crate::support::http::{PROMPTLY, Request, Response, SECRET};
use crate::support::{SOON, eventually};
use serde_json::json;

fn page(agent: &Agent) -> Response {
    let response = agent.fetch(Request::get("/"));
    assert_eq!(response.status, 200, "{}", response.text());
    response
}

#[test]
fn the_page_is_not_cached_not_framed_and_runs_no_scripts() {
    let response = page(&Agent::unlicensed());
    let header = |name: &str| response.header(name).unwrap_or_else(|| panic!("no {name}")).to_owned();
    assert_eq!(header("Content-Type"), "text/html; charset=utf-8");
    assert_eq!(header("Cache-Control"), "no-store");
    assert_eq!(header("X-Content-Type-Options"), "nosniff");
    assert_eq!(header("X-Frame-Options"), "DENY");
    assert_eq!(header("Referrer-Policy"), "no-referrer");
    let policy = header("Content-Security-Policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
    assert!(!response.text().contains("<script"), "{}", response.text());
}

#[test]
fn the_page_follows_the_standing_and_reveals_no_secrets() {
    let mut agent = Agent::licensed();
    assert!(page(&agent).text().contains("<h1>License valid</h1>"), "{}", page(&agent).text());
    agent
        .license_server()
        .reply(denial("server_limit_reached", "License is already activated on 1 of 1 allowed servers."));
    agent.restart();
    agent.status_after_checks(1);
    let text = page(&agent).text();
    let expected = [
        "License Required",
        "server_limit_reached",
        "License is already activated on 1 of 1 allowed servers.",
        "revoke a server that is no longer in use",
        "denied: server_limit_reached",
    ];
    for expected in expected {
        assert!(text.contains(expected), "no {expected}: {text}");
    }
    assert!(!text.contains(SECRET) && !text.contains(LICENSE_KEY), "{text}");
    // A change is on the page at once, despite the response cache.
    agent.license_server().reply(Reply::granted());
    let changed = eventually(SOON, || {
        let active = agent.reverify().json()["state"] == json!("active");
        active && page(&agent).text().contains("<h1>License valid</h1>")
    });
    assert!(changed, "{}", page(&agent).text());
}

#[test]
fn the_page_supports_get_and_head_only_and_rejects_other_sites() {
    let agent = Agent::unlicensed();
    let mut connection = agent.send(Request::new("HEAD", "/"));
    let head = connection.receive_head(PROMPTLY).unwrap();
    assert_eq!((head.status, head.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(agent.fetch(Request::post("/")).status, 405);
    assert_eq!(agent.fetch(Request::get("/").header("Host", "panel.example.com")).status, 421);
    assert_eq!(agent.fetch(Request::get("/").header("Origin", "https://example.com")).status, 403);
}
