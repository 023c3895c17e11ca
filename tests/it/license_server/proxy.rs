//! The license server behind nginx with the shipped configuration.

use super::vendor_api::{add_token, assert_api_error};
use super::*;
use crate::license::assert_active;
use crate::support::agent::Agent;
use crate::support::http::fetch;
use crate::support::nginx::Nginx;
use std::net::Ipv4Addr;

/// The address of a client, different from that of the proxy.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn behind_nginx() -> (LicenseServerProcess, Nginx) {
    let server = LicenseServerProcess::builder().set("trusted_proxies", "127.0.0.1").start();
    let nginx = Nginx::start(server.port());
    (server, nginx)
}

#[test]
fn an_agent_verifies_through_the_proxy_over_https() {
    let (server, nginx) = behind_nginx();
    let license = server.database.license("free");
    let agent = agent::builder(&server, &license, SERVERS[0])
        .set("license_server", &nginx.url())
        .set("license_ca_file", &nginx.ca_file().display().to_string())
        .start();
    assert_active(&agent.status_after_checks(1));
    assert_eq!(server.database.addresses(license.id), [SERVERS[0]]);
    server.database.apply_change(license.id, Change::Suspend);
    let status = agent.reverify().json();
    assert_eq!((&status["reason"], &status["source"]), (&json!("suspended"), &json!("server")), "{status}");

    // The error page of nginx for a stopped license server is not a verdict.
    server.database.apply_change(license.id, Change::Resume);
    assert_active(&agent.reverify().json());
    server.kill();
    let status = agent.reverify().json();
    assert_eq!((&status["state"], &status["valid"]), (&json!("grace"), &json!(true)), "{status}");
    assert!(
        status["message"].as_str().unwrap().contains("(HTTP 502) with an HTML page, “502 Bad Gateway”"),
        "{status}"
    );
}

#[test]
fn the_agent_sends_nothing_to_an_untrusted_proxy() {
    let (server, nginx) = behind_nginx();
    let license = server.database.license("free");
    let agent: Agent = agent::builder(&server, &license, SERVERS[0]).set("license_server", &nginx.url()).start();
    let status = agent.status_after_checks(1);
    assert!(status["message"].as_str().unwrap().contains("authority that is not trusted"), "{status}");
    assert_eq!(server.database.activations(license.id), []);
}

#[test]
fn a_slot_counts_for_the_address_that_the_proxy_sees() {
    let (server, nginx) = behind_nginx();
    let license = server.database.license("business");
    let ask = |request: Request, question: Value| nginx.fetch(CLIENT, request.body(question.to_string()));
    let response = ask(Request::post(VERIFY), json!({"key": license.key}));
    assert_granted(&response);
    assert!(is_signed_by(&response, &server.public_keys()), "the proxy does not change the signed response");
    assert_eq!(server.database.addresses(license.id), [CLIENT.to_string()]);

    // An X-Forwarded-For header from the client is ignored.
    for forged in ["9.9.9.9", "9.9.9.9, 127.0.0.1", "127.0.0.1"] {
        let request = Request::post(VERIFY).header("X-Forwarded-For", forged);
        assert_granted(&ask(request, json!({"key": license.key})));
    }
    assert_eq!(server.database.addresses(license.id), [CLIENT.to_string()]);
    assert_eq!(server.database.activations(license.id)[0].observed_ip, CLIENT);
    assert!(!server.lines().join("\n").contains("forwards requests, but"), "{:#?}", server.lines());
}

#[test]
fn denials_and_rate_limits_pass_through_unchanged() {
    let (server, nginx) = behind_nginx();
    let ask = |number: usize| {
        let body = json!({"key": format!("unknown {number}"), "nonce": "n"}).to_string();
        nginx.fetch(CLIENT, Request::post(VERIFY).body(body))
    };
    for number in 0..20 {
        assert_denied(&ask(number), "invalid_key", "License key is not known.");
    }
    let response = ask(20);
    assert_error(&response, 429, "rate_limited");
    assert!((1..=10).contains(&retry_after(&response)));
    assert!(is_signed_by(&response, &server.public_keys()));
    assert_error(&nginx.fetch(CLIENT, Request::get(VERIFY)), 405, "method_not_allowed");
}

#[test]
fn metrics_are_not_proxied_and_http_redirects_to_https() {
    let (_server, nginx) = behind_nginx();
    assert_eq!(nginx.fetch(CLIENT, Request::get("/health")).json()["status"], "ok");
    assert_eq!(nginx.fetch(CLIENT, Request::get("/metrics")).status, 404);
    let large = Request::post(VERIFY).body(vec![b'x'; 1024 * 1024]);
    assert_eq!(nginx.fetch(CLIENT, large).status, 413);
    let response = fetch(nginx.plain_port(), Request::post(VERIFY).body("{}")).unwrap();
    assert_eq!(response.status, 301);
    assert!(response.header("Location").unwrap().starts_with("https://localhost/"), "{}", response.head_text());
    let header = nginx.fetch(CLIENT, Request::get("/health")).header("Strict-Transport-Security").map(str::to_owned);
    assert_eq!(header.as_deref(), Some("max-age=31536000"));
}

/// nginx refuses a large body itself, and answers itself for a stopped server: in the form of the API below `/api/v1`.
#[test]
fn what_nginx_answers_for_the_vendor_api_has_its_form() {
    let (server, nginx) = behind_nginx();
    let token = add_token(&server, "shop", "licenses:read,licenses:write", &[]);
    let call = |method: &str, body: Vec<u8>| {
        let request = Request::new(method, "/api/v1/licenses").header("Authorization", &format!("Bearer {token}"));
        nginx.fetch(CLIENT, request.header("Content-Type", "application/json").body(body))
    };
    let own = call("POST", b"{}".to_vec());
    assert_api_error(&own, 422, "validation_failed", Some("owner"));
    // Both sides of the limit, which is the license server's own: below it answers, above it nginx does.
    assert_api_error(&call("POST", vec![b' '; 64 * 1024]), 400, "bad_request", None);
    for size in [64 * 1024 + 1, 1024 * 1024] {
        assert_api_error(&call("POST", vec![b' '; size]), 413, "body_too_large", None);
    }
    let direct = Request::post("/api/v1/licenses").body(vec![b' '; 64 * 1024 + 1]);
    assert_api_error(&server.fetch(direct), 413, "body_too_large", None);

    server.kill();
    let down = call("GET", Vec::new());
    assert_api_error(&down, 503, "unavailable", None);
    assert_eq!(retry_after(&down), 5);
    for answer in [own, down] {
        assert_eq!(answer.header("Strict-Transport-Security"), Some("max-age=31536000"));
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
    }
    assert_eq!(nginx.fetch(CLIENT, Request::get("/health")).status, 502, "monitoring and Agents see what nginx says");
}

#[test]
fn behind_a_cdn_or_a_load_balancer_slots_count_for_the_client() {
    // The block of the shipped file, by its last line, and the header that the CDN sets.
    let table = [
        ("real_ip_header CF-Connecting-IP;", "CF-Connecting-IP", "9.9.9.9", "9.9.9.9"),
        ("real_ip_header CF-Connecting-IP;", "CF-Connecting-IP", "2a01:4f8::1", "2a01:4f8::1"),
        ("real_ip_recursive on;", "X-Forwarded-For", "8.8.8.8, 9.9.9.9", "9.9.9.9"),
        ("real_ip_recursive on;", "X-Forwarded-For", "9.9.9.9, 10.0.3.4", "9.9.9.9"),
    ];
    for (last, header, value, expected) in table {
        let server = LicenseServerProcess::builder().set("trusted_proxies", "127.0.0.1").start();
        let nginx = Nginx::start_edited(server.port(), |site| {
            let lines: Vec<&str> = site.lines().collect();
            let end = lines.iter().position(|line| line.trim() == format!("#{last}")).expect(last);
            let directives = lines[..=end].iter().rposition(|line| line.trim().starts_with("# ") || line.trim() == "#");
            let begin = directives.expect("a comment before the block") + 1;
            let is_in_block = |number: usize| (begin..=end).contains(&number);
            let uncommented = lines.iter().enumerate().map(|(number, line)| {
                // The test is the CDN.
                let here = if number == end { "set_real_ip_from 127.0.0.0/8;" } else { "" };
                let line = if is_in_block(number) { line.replacen('#', here, 1) } else { (*line).to_owned() };
                line + "\n"
            });
            uncommented.collect()
        });
        let license = server.database.license("free");
        let request = Request::post(VERIFY).header(header, value).body(json!({"key": license.key}).to_string());
        assert_granted(&nginx.fetch(CLIENT, request));
        assert_eq!(server.database.addresses(license.id), [expected], "{header}: {value}");
    }
}
