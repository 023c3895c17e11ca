//! The license standing of the real daemon, verified over real TLS with a scripted license server: what each answer
//! makes of it, and what people then see in the status, in the log and at the gate.
//!
//! First verdicts; then what is no verdict, and grace; then TLS, signed answers and proxies; then when checks are made,
//! and what a new configuration or time alone changes.

use crate::support::agent::{Agent, AgentBuilder, LICENSE_KEY};
use crate::support::http::{PROMPTLY, Request, Response, SECRET};
use crate::support::license_server::{Asked, Behavior, Gate, LicenseServer, Reply, SigningKey};
use crate::support::{eventually, pause};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const STATUS: &str = "/license/status";

/// The least time between two checks that somebody asks for.
const SPACING: Duration = Duration::from_secs(5);

/// How much later than in the daemon a moment may be seen here, on a loaded machine.
const JITTER: Duration = Duration::from_millis(500);

const GRACE: time::Duration = time::Duration::hours(48);

/// Longer than any check, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

// --------------------------------------------------------------------------------------------------------------------
// Verdicts.

#[test]
fn every_form_of_grant_is_told_in_the_documented_line_and_in_the_status() {
    let never = Value::Null;
    let end = json!("2126-03-01T00:00:00Z");
    let table = [
        (
            json!({"plan": "free", "max_accounts": 5, "max_servers": 1, "expires_at": end}),
            "plan: free, max_accounts: 5, max_servers: 1, expires: 2126-03-01T00:00:00Z",
            json!(["free", 5, 1, end]),
        ),
        (
            json!({"plan": "free", "max_accounts": 5, "max_servers": 1, "expires_at": null}),
            "plan: free, max_accounts: 5, max_servers: 1, expires: never",
            json!(["free", 5, 1, never]),
        ),
        (
            json!({"plan": "datacenter", "max_accounts": 0, "max_servers": 0}),
            "plan: datacenter, max_accounts: unlimited, max_servers: unlimited, expires: never",
            json!(["datacenter", 0, 0, never]),
        ),
        (
            json!({"plan": {"slug": "business", "name": "Name", "title": "Title"}, "max_accounts": 50, "max_servers": 5}),
            "plan: business, max_accounts: 50, max_servers: 5, expires: never",
            json!(["business", 50, 5, never]),
        ),
        (
            json!({"plan": {"name": "Starter", "title": "Title"}, "max_accounts": 20, "max_servers": 1}),
            "plan: starter, max_accounts: 20, max_servers: 1, expires: never",
            json!(["starter", 20, 1, never]),
        ),
        (
            json!({"plan": {"title": "Free"}, "max_accounts": 5, "max_servers": 1}),
            "plan: free, max_accounts: 5, max_servers: 1, expires: never",
            json!(["free", 5, 1, never]),
        ),
        (
            json!({"tier": "pro", "max_domains": 7, "max_servers": 2, "expires_at": "2126-02-28"}),
            "plan: pro, max_accounts: 7, max_servers: 2, expires: 2126-03-01T00:00:00Z",
            json!(["pro", 7, 2, end]),
        ),
    ];
    let mut agent = Agent::licensed();
    for (answer, terms, shown) in table {
        agent.license_server().reply(Reply::json(200, with(answer, json!({"valid": true}))));
        agent.restart();
        assert_line(&agent, &format!("License: valid ({terms})"));
        let status = agent.status_after_checks(1);
        let told = ["plan", "max_accounts", "max_servers", "expires_at"].map(|key| status[key].clone());
        assert_eq!(json!(told), shown, "{status}");
        assert_eq!(status["tier"], shown[0], "{status}");
        assert_eq!(status["message"], "License is valid.", "{status}");
        assert_active(&status);
        assert_allowed(&agent);
    }
}

#[test]
fn the_status_begins_with_the_six_documented_keys_in_their_order() {
    let agent = Agent::licensed();
    let answer = json!({"valid": true, "plan": "free", "max_accounts": 5, "max_servers": 1,
                        "expires_at": "2126-03-01T00:00:00Z", "message": "Welcome."});
    agent.license_server().reply(Reply::json(200, answer));
    agent.reverify();
    let text = agent.fetch(Request::get(STATUS)).text();
    let first = r#"{"valid":true,"plan":"free","max_accounts":5,"max_servers":1,"expires_at":"2126-03-01T00:00:00Z","message":"Welcome.","#;
    assert!(text.starts_with(first), "{text}");
    let others = ["reason", "tier", "state", "source", "accounts_used", "last_verified_at", "last_checked_at"];
    let status = agent.status();
    for key in others.into_iter().chain(["next_check_at", "grace_until", "cache", "recent_checks"]) {
        assert!(status.get(key).is_some(), "no {key}: {status}");
    }
}

#[test]
fn the_question_has_the_documented_members_and_a_new_nonce_each_time() {
    let mut agent = Agent::licensed();
    agent.restart();
    agent.status_after_checks(1);
    let asked = agent.license_server().asked();
    assert_eq!(asked.len(), 2);
    let nonces: BTreeSet<String> = asked.iter().map(|asked| text(asked, "nonce")).collect();
    assert_eq!(nonces.len(), 2, "{nonces:?}");
    assert!(nonces.iter().all(|nonce| nonce.len() == 32), "{nonces:?}");
    for asked in &asked {
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/api/license/verify"));
        assert_eq!(asked.header("Accept"), Some("application/json"));
        assert_eq!(asked.header("Content-Type"), Some("application/json"));
        let mut members: BTreeSet<_> = asked.json.as_ref().unwrap().as_object().unwrap().keys().cloned().collect();
        if members.remove("server_ip") {
            // Only where this machine's own address is one of the Internet.
            let address: Ipv4Addr = text(asked, "server_ip").parse().unwrap();
            assert!(!address.is_loopback() && !address.is_private(), "{address}");
        }
        let documented = ["agent_version", "hostname", "key", "nonce", "os", "server_id"];
        assert!(members.iter().eq(documented.iter()), "{members:?}");
        assert_eq!(text(asked, "key"), LICENSE_KEY);
        assert_eq!(text(asked, "agent_version"), env!("CARGO_PKG_VERSION"));
        assert!(text(asked, "os").starts_with("Linux "), "{}", text(asked, "os"));
        assert_eq!(text(asked, "server_id"), server_id());
    }
}

#[test]
fn a_configured_server_ip_is_reported() {
    let agent = Agent::builder().set("server_ip", "203.0.113.5").start_licensed();
    assert_eq!(text(&agent.license_server().asked()[0], "server_ip"), "203.0.113.5");
}

#[test]
fn a_license_server_on_this_machine_asks_nobody_for_our_address() {
    let discovery = LicenseServer::start_plain();
    discovery.reply(Reply::raw(200, "93.184.216.34"));
    let agent = Agent::builder().set("ip_discovery_url", &discovery.url()).start_licensed();
    assert_eq!(agent.license_server().count(), 1);
    assert_eq!(discovery.count(), 0);
}

#[test]
fn every_reason_of_a_denial_reaches_people_with_its_message() {
    let limit = "License is already activated on 1 of 1 allowed servers.";
    let table = [
        // The reasons of both documentation texts, and one of tomorrow.
        (200, json!({"reason": "expired", "message": "Expired on 1 March."}), "expired", "Expired on 1 March."),
        (200, json!({"reason": "suspended", "message": "Unpaid."}), "suspended", "Unpaid."),
        (200, json!({"reason": "cancelled", "message": "Gone."}), "cancelled", "Gone."),
        (401, json!({"reason": "invalid_key", "message": "Unknown key."}), "invalid_key", "Unknown key."),
        (403, json!({"reason": "server_limit_reached", "message": limit}), "server_limit_reached", limit),
        (409, json!({"reason": "server_ip_mismatch", "message": "Locked."}), "server_ip_mismatch", "Locked."),
        (404, json!({"reason": "not_found", "message": "Nothing here."}), "not_found", "Nothing here."),
        (422, json!({"reason": "verification_failed", "message": "No."}), "verification_failed", "No."),
        (402, json!({"reason": "of_tomorrow", "message": "Später – ja."}), "of_tomorrow", "Später – ja."),
        // The example of the newer text has no reason; an answer without a sentence gets ours.
        (200, json!({"message": limit}), "server_limit_reached", limit),
        (410, json!({"message": "No."}), "invalid", "No."),
        (200, json!({"reason": "suspended"}), "suspended", "The license is suspended."),
        (200, json!({}), "invalid", "The license server refused this license."),
    ];
    let mut agent = Agent::builder().own_license_server().start();
    for (status, answer, reason, message) in table {
        agent.license_server().reply(Reply::json(status, with(answer, json!({"valid": false}))));
        agent.restart();
        assert_line(&agent, &format!("License: INVALID — {message}"));
        let status = agent.status_after_checks(1);
        assert_restricted(&status, "server", reason);
        assert_eq!(status["message"], message);
        assert_refused(&agent, reason, message);
        let limits = ["plan", "max_accounts", "max_servers", "expires_at", "last_verified_at"];
        assert!(limits.iter().all(|key| status[key].is_null()), "nobody said anything about these: {status}");
    }
}

#[test]
fn after_a_denial_the_plan_is_that_of_the_denial_or_else_of_the_last_grant() {
    let agent = Agent::licensed();
    let denial = json!({"valid": false, "reason": "suspended", "message": "Unpaid.", "max_servers": 3});
    agent.license_server().reply(Reply::json(200, denial));
    let status = agent.reverify().json();
    let shown = ["plan", "tier", "max_accounts", "max_servers"].map(|key| status[key].clone());
    assert_eq!(json!(shown), json!(["free", "free", 5, 3]), "{status}");
    assert!(status["last_verified_at"].is_string(), "{status}");
}

#[test]
fn a_denial_is_remembered_until_a_new_grant_comes() {
    let mut agent = Agent::licensed();
    agent.license_server().reply(denial("suspended", "Unpaid."));
    agent.signal(Signal::HUP);
    let status = agent.status_after_checks(2);
    assert_restricted(&status, "server", "suspended");
    assert_line(&agent, "License: INVALID — Unpaid.");
    agent.license_server().pause();
    for _ in 0..3 {
        agent.restart();
        // Before the first check and after it.
        assert_refused(&agent, "suspended", "Unpaid.");
        let status = agent.status_after_checks(1);
        assert_restricted(&status, "cache", "suspended");
        assert_line(&agent, "License: INVALID — Unpaid.");
        assert_refused(&agent, "suspended", "Unpaid.");
    }
    agent.license_server().reply(Reply::granted());
    agent.license_server().resume();
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_active(&status);
    assert_allowed(&agent);
}

#[test]
fn what_the_server_says_is_one_short_line() {
    let agent = Agent::licensed();
    let forged = format!("No.\r\n{GRANTED_LINE}\u{1b}[2K\u{2028}{}", "x".repeat(2000));
    agent.license_server().reply(denial("suspended\nLicense: valid", &forged));
    let status = agent.reverify().json();
    assert_eq!(status["reason"], "suspended License: valid");
    let message = status["message"].as_str().unwrap();
    assert!(message.starts_with("No.  License: valid (plan: free") && message.ends_with("x…"), "{message}");
    assert_eq!(message.chars().count(), 500);
    assert!(!message.contains(|character: char| character.is_control()), "{message:?}");
    assert_line(&agent, &format!("License: INVALID — {message}"));
    let lines = agent.lines();
    assert_eq!(lines.iter().filter(|line| *line == GRANTED_LINE).count(), 1, "{lines:#?}");
}

#[test]
fn without_a_license_key_nobody_is_asked_and_the_status_says_so() {
    let server = LicenseServer::start();
    let agent = Agent::builder().license_server(&server).unset("license_key").start();
    assert_line(&agent, "License: INVALID — No license key is configured.");
    let status = agent.status();
    assert_restricted(&status, "none", "no_key");
    assert_eq!(status["next_check_at"], Value::Null);
    assert_refused(&agent, "no_key", "No license key is configured.");
    let status = agent.reverify().json();
    assert_eq!(status["reason"], "no_key");
    assert_eq!(server.count(), 0);
}

#[test]
fn reverify_answers_with_the_status_after_the_check() {
    let agent = Agent::licensed();
    agent.license_server().reply(denial("suspended", "Unpaid."));
    let answer = agent.reverify();
    assert_eq!(answer.status, 200);
    let told = answer.json();
    assert_eq!(told["reason"], "suspended", "{told}");
    assert_eq!(told["recent_checks"][0]["verdict"], "denied: suspended");
    assert_eq!(told["recent_checks"][0]["at"], told["last_checked_at"]);
    assert_eq!(told, agent.status());
    assert_eq!(agent.license_server().count(), 2);
    let unsigned = agent.fetch(Request::post("/license/reverify"));
    assert_eq!(unsigned.status, 401, "{}", unsigned.text());
}

#[test]
fn an_echoed_license_key_is_seen_nowhere() {
    let escaped: String = LICENSE_KEY.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let echo = format!("Key {LICENSE_KEY} it is");
    let billing = json!({"subscription_status": echo, "current_period_end": LICENSE_KEY, "message": echo});
    let grant = |more: Value| Reply::json(200, with(grant(), with(billing.clone(), more)));
    let deny = |more: Value| Reply::json(200, with(json!({"valid": false}), with(billing.clone(), more)));
    let raw = Reply::granted().body_text().replace("free", LICENSE_KEY).replace("is valid", &escaped);
    let table = [
        ("a plan", grant(json!({"plan": LICENSE_KEY}))),
        ("a plan's slug", grant(json!({"plan": {"slug": LICENSE_KEY}}))),
        ("a plan's name, in a text", grant(json!({"plan": {"name": echo}}))),
        ("a member that nobody knows", grant(json!({"key": LICENSE_KEY}))),
        ("a reason", deny(json!({"reason": LICENSE_KEY}))),
        ("a reason, in a text", deny(json!({"reason": echo}))),
        ("a denial's message", deny(json!({"reason": "invalid_key"}))),
        ("a message and no reason", deny(json!({}))),
        ("an escaped text", Reply::raw(200, raw)),
        ("only an escaped text", Reply::raw(200, Reply::granted().body_text().replace("is valid", &escaped))),
        ("a header", Reply::granted().header("Opterius-Signature", &format!("keyid=\"{LICENSE_KEY}\""))),
        ("an error", Reply::json(500, json!({"error": echo}))),
        ("a redirect", Reply::raw(302, "").header("Location", &format!("https://localhost/{LICENSE_KEY}"))),
    ];
    let mut agent = Agent::builder().own_license_server().start();
    let mut seen = Vec::new();
    for (place, reply) in table {
        agent.license_server().reply(reply);
        agent.kill();
        let _ = fs::remove_file(agent.cache_path());
        agent.restart();
        agent.status_after_checks(1);
        let told = [
            ("status", agent.fetch(Request::get(STATUS)).text()),
            ("refusal", write(&agent).text()),
            ("log", agent.lines().join("\n")),
            ("cache", cache_with_answer(&agent)),
        ];
        seen.extend(told.into_iter().filter(|(_, text)| text.contains(LICENSE_KEY)).map(|(where_, _)| (place, where_)));
    }
    assert!(seen.is_empty(), "the license key, echoed in …, is in …: {seen:?}");
}

/// The cache file, and the stored answer in it as anybody can decode it.
fn cache_with_answer(agent: &Agent) -> String {
    let Ok(file) = fs::read_to_string(agent.cache_path()) else { return String::new() };
    let cache: Value = serde_json::from_str(&file).unwrap();
    let stored = cache["agent"]["answer"]["body"].as_str().unwrap_or_default();
    let body = BASE64.decode(stored).unwrap();
    let plain = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    format!("{file}\n{}\n{plain}", String::from_utf8_lossy(&body))
}

// --------------------------------------------------------------------------------------------------------------------
// No verdict, and grace.

#[test]
fn an_answer_that_is_no_verdict_leaves_a_license_in_grace() {
    let redirected = LicenseServer::start();
    let elsewhere = format!("{}/api/license/verify", redirected.url());
    let redirect = |status| Reply::raw(status, "").header("Location", &elsewhere);
    let granted = |more: Value| Reply::json(200, with(grant(), more));
    let error = |status| Reply::raw(status, "<h1>Oops</h1>");
    let captive = "not a JSON object (a captive portal or proxy page?)";
    let table = [
        (error(500), "the server answered HTTP 500"),
        (error(503).header("Retry-After", "120"), "the server answered HTTP 503"),
        (error(429).header("Retry-After", "120"), "asked less often (HTTP 429)"),
        (error(404), "the server answered HTTP 404"),
        (error(200), captive),
        (Reply::json(500, json!({"valid": false, "reason": "suspended"})), "HTTP 500"),
        (Reply::json(400, json!({"valid": false, "reason": "suspended"})), "HTTP 400"),
        (Reply::json(429, json!({"valid": false, "reason": "suspended"})), "HTTP 429"),
        (Reply::json(201, json!({"valid": "true", "max_accounts": 9})), "neither true nor false"),
        (Reply::json(200, json!({"valid": "false"})), "neither true nor false"),
        (Reply::json(200, json!({"max_accounts": 9})), "does not say whether the license is valid"),
        (Reply::json(200, json!({"valid": true, "plan": "free"})), "names no account limit"),
        (Reply::json(200, json!([true])), captive),
        (granted(json!({"max_accounts": "9"})), "“max_accounts” is not a non-negative integer"),
        (granted(json!({"max_accounts": 9.0})), "“max_accounts” is not a non-negative integer"),
        (granted(json!({"max_accounts": -1})), "“max_accounts” is not a non-negative integer"),
        (granted(json!({"max_accounts": true})), "“max_accounts” is not a non-negative integer"),
        (granted(json!({"max_servers": [9]})), "“max_servers” is not a non-negative integer"),
        (granted(json!({"expires_at": "soon"})), "“expires_at” is not a date"),
        (Reply::raw(200, r#"{"valid": true, "max_accounts": 9"#), captive),
        (Reply::raw(200, ""), captive),
        (Reply::raw(200, &b"{\"valid\": true, \"max_accounts\": 9, \"plan\": \"\xff\"}"[..]), captive),
        (Reply::raw(200, "[".repeat(60_000)), captive),
        (Reply::raw(200, r#"{"valid": true, "max_accounts": 18446744073709551616}"#), "“max_accounts” is not"),
        (Reply::granted().header("X-Long", &"x".repeat(1024 * 1024)), "response header is too big"),
        (Reply::raw(200, grant_of_length(64 * 1024 + 1)), "longer than 64 KiB"),
        (Reply::raw(200, grant_of_length(4 * 1024 * 1024)), "longer than 64 KiB"),
        (granted(json!({})).header("Content-Length", "1000"), "closed the connection before it had answered"),
        (Reply::granted().behavior(Behavior::CloseAtOnce), "closed the connection before it had answered"),
        (Reply::granted().behavior(Behavior::Reset), "localhost: "),
        (Reply::granted().behavior(Behavior::Hang), "did not answer within 10 s"),
        (Reply::granted().behavior(SLOW), "did not answer within 10 s"),
        (redirect(301), "redirect (HTTP 301), which is not followed"),
        (redirect(302), "redirect (HTTP 302), which is not followed"),
        (redirect(307), "redirect (HTTP 307), which is not followed"),
        (redirect(308), "redirect (HTTP 308), which is not followed"),
    ];
    at_once(&table, |(reply, cause)| {
        let builder = trusting_too(Agent::builder(), &redirected);
        let agent = builder.start_licensed();
        let before = agent.status();
        agent.license_server().reply(reply.clone());
        agent.reverify();
        let status = agent.status();
        assert_grace(&agent, &status, cause);
        for key in ["plan", "max_accounts", "max_servers", "expires_at", "last_verified_at"] {
            assert_eq!(status[key], before[key], "{key} {cause}: {status}");
        }
        let wait = seconds_to_next_check(&status);
        assert!(reply.asks_to_wait().is_none_or(|least| wait >= least), "{cause}: again in {wait} s");
    });
    assert_eq!(redirected.count(), 0, "a redirect was followed");
}

/// One byte a second: the answer begins at once and is never whole in time.
const SLOW: Behavior = Behavior::SlowBody { bytes: 1, tick: Duration::from_secs(1) };

/// A builder whose Agent trusts this server's certificate beside that of its own.
fn trusting_too(builder: AgentBuilder, other: &LicenseServer) -> AgentBuilder {
    let builder = builder.own_license_server();
    let ca_file = builder.directory().join("license-ca.pem");
    let both = fs::read_to_string(&ca_file).unwrap() + other.ca_pem();
    fs::write(ca_file, both).unwrap();
    builder
}

#[test]
fn an_answer_of_exactly_64_kib_counts() {
    let agent = Agent::licensed();
    agent.license_server().reply(Reply::raw(200, grant_of_length(64 * 1024)));
    let status = agent.reverify().json();
    assert_active(&status);
}

#[test]
fn a_host_that_was_never_licensed_stays_restricted_and_says_why() {
    let table = [
        (Reply::raw(503, ""), "the server answered HTTP 503"),
        (Reply::json(200, json!({"valid": true})), "the answer says valid but names no account limit"),
        (Reply::granted().behavior(Behavior::CloseAtOnce), "localhost closed the connection before it had answered"),
    ];
    let mut agent = Agent::builder().own_license_server().start();
    for (reply, cause) in table {
        agent.license_server().reply(reply);
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_restricted(&status, "none", "unreachable");
        let message = format!("The license could not be verified: {cause}.");
        assert_eq!(status["message"], message.as_str());
        assert_line(&agent, &format!("License: INVALID — {message}"));
        assert_refused(&agent, "unreachable", &message);
        assert!(!agent.cache_path().exists(), "a cache without a verdict");
    }
}

#[test]
fn retry_after_is_heeded_up_to_five_minutes_while_restricted() {
    let mut agent = Agent::builder().own_license_server().start();
    for (header, least, most) in [("120", 120, 122), ("86400", 300, 302)] {
        agent.license_server().reply(Reply::raw(429, "").header("Retry-After", header));
        agent.restart();
        let status = agent.status_after_checks(1);
        let wait = seconds_to_next_check(&status);
        assert!((least..=most).contains(&wait), "Retry-After {header}: again in {wait} s");
    }
}

#[test]
fn grace_ends_48_hours_after_the_last_grant_whatever_happens_in_between() {
    let mut agent = Agent::licensed();
    agent.license_server().pause();
    agent.reverify();
    let until = agent.status()["grace_until"].clone();
    for _ in 0..4 {
        agent.restart();
        let early = agent.status();
        assert_eq!((&early["grace_until"], &early["valid"]), (&until, &json!(true)), "{early}");
        let status = agent.status_after_checks(1);
        assert_eq!(status["grace_until"], until);
        assert_grace(&agent, &status, "localhost: Connection refused");
    }
    for _ in 0..2 {
        agent.signal(Signal::HUP);
        let status = agent.reverify().json();
        assert_eq!(status["grace_until"], until);
        assert_grace(&agent, &status, "localhost: Connection refused");
    }
    agent.license_server().resume();
    let status = agent.reverify().json();
    assert_active(&status);
    let told = eventually(PROMPTLY, || agent.lines().last().is_some_and(|line| line == GRANTED_LINE));
    assert!(told, "{:#?}", agent.lines());
}

#[test]
fn grace_that_is_over_restricts_at_that_very_instant() {
    let mut agent = Agent::licensed();
    // The license server's clock is what counts: it said yes 48 h ago, but for some seconds.
    let until = now() + time::Duration::seconds(9);
    agent.license_server().reply(Reply::granted().header("Date", &http_date(until - GRACE)));
    agent.restart();
    assert_active(&agent.status_after_checks(1));
    agent.license_server().pause();
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_eq!(instant(&status["grace_until"]), until, "{status}");
    let status = restricted_at(&agent, until);
    assert_restricted(&status, "cache", "unreachable");
    let message = status["message"].as_str().unwrap();
    let told = "The license server has not confirmed the license for 48 hours: localhost: Connection refused";
    assert!(message.starts_with(told), "{message}");
    assert_refused(&agent, "unreachable", message);
    assert_line(&agent, &format!("License: INVALID — {message}"));
    assert!(cache_turns(&agent, &json!([false, "unreachable", message])), "{}", agent.status());

    // And it stays so.
    agent.restart();
    assert_refused(&agent, "unreachable", agent.status_after_checks(1)["message"].as_str().unwrap());
    agent.license_server().reply(Reply::granted());
    agent.license_server().resume();
    agent.restart();
    assert_active(&agent.status_after_checks(1));
}

#[test]
fn a_machine_that_ran_for_48_hours_has_used_its_grace_up_whatever_its_clock_says() {
    // A time namespace in which the machine has been running for so many seconds longer.
    let script = "exec unshare --time --boottime $(cat $DIRECTORY/boottime) --fork --kill-child \"$@\"";
    let builder = Agent::builder().after_mounting(script);
    let boottime = builder.directory().join("boottime");
    fs::write(&boottime, "0").unwrap();
    let mut agent = builder.start_licensed();
    agent.license_server().pause();
    let restart_at = |agent: &mut Agent, seconds: i64| {
        fs::write(&boottime, seconds.to_string()).unwrap();
        agent.restart();
        agent.status_after_checks(1)
    };
    let status = restart_at(&mut agent, 47 * 3600);
    assert_eq!(status["state"], "grace", "{status}");
    let left = (instant(&status["grace_until"]) - now()).whole_seconds();
    assert!((3300..=3600).contains(&left), "{left} s of grace left: {status}");
    assert_restricted(&restart_at(&mut agent, 48 * 3600), "cache", "unreachable");
}

#[test]
fn a_clock_that_was_set_back_gives_no_grace_until_the_next_verdict() {
    let mut agent = Agent::licensed();
    agent.license_server().reply(Reply::granted().header("Date", &http_date(now() + time::Duration::hours(2))));
    agent.restart();
    assert_active(&agent.status_after_checks(1));
    let told = |line: &str| line.starts_with("The clock of this server is 7") && line.contains(" s behind the license");
    assert!(agent.wait_for_line(told, PROMPTLY).is_some(), "{:#?}", agent.lines());
    agent.license_server().pause();
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "cache", "unreachable");
    assert!(status["message"].as_str().unwrap().contains("(clock_rolled_back)"), "{status}");
    agent.license_server().reply(Reply::granted());
    agent.license_server().resume();
    agent.restart();
    assert_active(&agent.status_after_checks(1));
}

#[test]
fn a_host_that_comes_up_before_its_network_finds_its_license_by_itself() {
    let server = LicenseServer::start();
    server.pause();
    let agent = Agent::builder().license_server(&server).start();
    assert_restricted(&agent.status_after_checks(1), "none", "unreachable");
    server.resume();
    let found = eventually(PATIENCE, || agent.status()["valid"] == true);
    assert!(found, "{}", agent.status());
    assert_line(&agent, GRANTED_LINE);
}

/// What the license server's usual grant is told as.
const GRANTED_LINE: &str = "License: valid (plan: free, max_accounts: 5, max_servers: 1, expires: never)";

/// Valid on the cached license until 48 hours after the last grant, told in both lines, and writes pass.
fn assert_grace(agent: &Agent, status: &Value, cause: &str) {
    let told = ["valid", "state", "source", "reason"].map(|key| status[key].clone());
    assert_eq!(json!(told), json!([true, "grace", "cache", null]), "{cause}: {status}");
    let until = instant(&status["last_verified_at"]) + GRACE;
    assert_eq!(instant(&status["grace_until"]), until, "{status}");
    let until = status["grace_until"].as_str().unwrap();
    let message = status["message"].as_str().unwrap();
    let told = message.strip_prefix("License server unreachable: ").unwrap_or_else(|| panic!("{cause}: {message}"));
    let told = told.strip_suffix(&format!("; running on the cached license until {until}.")).unwrap();
    assert!(told.contains(cause), "{told}, not {cause}");
    assert_eq!(status["recent_checks"][0]["verdict"], format!("unreachable: {told}"));
    let second = format!("License: unreachable — {told}; running on the cached license until {until}");
    assert_line(agent, &second);
    let lines = agent.lines();
    let pair = lines.windows(2).any(|pair| pair[0] == GRANTED_LINE && pair[1] == second);
    assert!(pair, "no line before {second}: {lines:#?}");
    assert_allowed(agent);
}

fn grant_of_length(length: usize) -> Vec<u8> {
    let mut body = Reply::granted().body;
    body.resize(length, b' ');
    body
}

// --------------------------------------------------------------------------------------------------------------------
// TLS.

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_in_words() {
    let server = LicenseServer::start();
    let agent = Agent::builder().license_server(&server).unset("license_ca_file").start();
    assert_unverified(&agent, &["TLS with localhost failed", "UnknownIssuer"]);
    assert_eq!(server.count(), 0, "the key was sent to a stranger");
}

#[test]
fn a_certificate_for_another_name_is_refused_in_words() {
    let server = LicenseServer::start_as("license.example.com");
    let agent = Agent::builder().license_server(&server).start();
    assert_unverified(&agent, &["TLS with localhost failed", "not valid for name", "license.example.com"]);
    assert_eq!(server.count(), 0, "the key was sent to a stranger");
}

#[test]
fn a_server_that_does_not_speak_tls_is_told_nothing() {
    let server = LicenseServer::start_plain();
    let url = server.url().replace("http:", "https:");
    let agent = Agent::builder().set("license_server", &url).start();
    assert_unverified(&agent, &["localhost closed the connection before it had answered"]);
    assert_eq!(server.count(), 0, "the key was sent in the clear");

    // Most servers answer a TLS greeting on a plain port in plain HTTP.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let agent = Agent::builder().set("license_server", &url).start();
    let (mut client, _) = listener.accept().unwrap();
    client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_unverified(&agent, &["TLS with localhost failed"]);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut greeting = Vec::new();
    let _ = client.read_to_end(&mut greeting);
    let told = greeting.windows(LICENSE_KEY.len()).any(|window| window == LICENSE_KEY.as_bytes());
    assert!(!told, "the key was sent in the clear");
}

#[test]
fn plain_http_leads_to_this_machine_only() {
    let agent = Agent::builder().set("license_server", "http://license.example.com").spawn();
    assert_eq!(agent.wait_exit(PATIENCE).code(), Some(78));
    let lines = agent.lines().join("\n");
    assert!(lines.contains("license_server must begin with https://"), "{lines}");

    let server = LicenseServer::start_plain();
    let agent = Agent::builder().license_server(&server).start();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
}

#[test]
fn a_license_server_may_have_an_address_and_a_path() {
    let server = LicenseServer::start();
    let url = format!("https://127.0.0.1:{}/base/", server.port());
    let agent = Agent::builder().license_server(&server).set("license_server", &url).start();
    assert_active(&agent.status_after_checks(1));
    assert_eq!(server.asked()[0].path, "/base/api/license/verify");
}

fn assert_unverified(agent: &Agent, causes: &[&str]) {
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    let message = status["message"].as_str().unwrap();
    assert!(causes.iter().all(|cause| message.contains(cause)), "{message}");
}

// --------------------------------------------------------------------------------------------------------------------
// Signed answers.

#[test]
fn only_an_answer_signed_for_this_very_question_counts() {
    let (vendor, stranger) = (SigningKey::generate(), SigningKey::generate());
    let public = vendor.public_base64();
    let mut agent = Agent::builder().own_license_server().set("license_public_key", &public).spawn();
    let (vendor, stranger) = (Arc::new(vendor), Arc::new(stranger));
    let table: Vec<(&str, Script)> = vec![
        ("is not signed", Arc::new(|asked| answer_to(asked, json!({})))),
        ("is not signed", Arc::new(|_| denial("suspended", "Unpaid."))),
        ("is not signed by", {
            let stranger = Arc::clone(&stranger);
            Arc::new(move |asked| answer_to(asked, json!({})).signed(&stranger))
        }),
        ("is not signed by", Arc::new(|asked| answer_to(asked, json!({})).header(SIGNATURE, "ed25519=\"AAAA\""))),
        ("is not signed by", {
            let vendor = Arc::clone(&vendor);
            Arc::new(move |asked| tampered(answer_to(asked, json!({})).signed(&vendor)))
        }),
        ("another request (nonce)", signed(&vendor, json!({"nonce": "0".repeat(32)}))),
        ("another request (nonce)", signed(&vendor, json!({"nonce": null}))),
        ("another license key", signed(&vendor, json!({"key_sha256": sha256(b"another key")}))),
        ("another license key", signed(&vendor, json!({"key_sha256": LICENSE_KEY}))),
        ("another server", signed(&vendor, json!({"server_id": sha256(b"another server")}))),
        ("another server", signed(&vendor, json!({"server_id": null}))),
        ("no issued_at", signed(&vendor, json!({"issued_at": null}))),
        ("another request (nonce)", signed(&vendor, json!({"valid": false, "nonce": "0".repeat(32)}))),
    ];
    for (cause, script) in &table {
        let script = Arc::clone(script);
        agent.license_server().reply_with(move |asked| script(asked));
        agent.restart();
        assert_unverified(&agent, &[cause]);
        assert!(!agent.cache_path().exists(), "{cause}: a cache without a verdict");
    }
    let good = signed(&vendor, json!({}));
    agent.license_server().reply_with(move |asked| good(asked));
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_active(&status);
    // What could not license the host cannot restrict it either.
    for (cause, script) in &table {
        let script = Arc::clone(script);
        agent.license_server().reply_with(move |asked| script(asked));
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_grace(&agent, &status, cause);
    }
    let denied = signed(&vendor, json!({"valid": false, "reason": "suspended", "message": "Unpaid."}));
    agent.license_server().reply_with(move |asked| denied(asked));
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "server", "suspended");
}

#[test]
fn an_answer_signed_with_the_older_key_alone_counts_and_is_warned_of_once() {
    let (current, older) = (SigningKey::generate(), Arc::new(SigningKey::generate()));
    let both = format!("{},{}", current.public_base64(), older.public_base64());
    let builder = Agent::builder().own_license_server().set("license_public_key", &both);
    let agent = builder.spawn();
    let old = signed(&older, json!({}));
    agent.license_server().reply_with(move |asked| old(asked));
    agent.reverify();
    let status = agent.reverify().json();
    assert_active(&status);
    let checks = status["recent_checks"].as_array().unwrap();
    assert!(checks.iter().filter(|check| check["verdict"] == "granted").count() >= 2, "{status}");
    let lines = agent.lines();
    let warnings = lines.iter().filter(|line| line.contains("signed with an older key only")).count();
    assert_eq!(warnings, 1, "{lines:#?}");
}

#[test]
fn a_signed_grant_survives_a_restart_and_an_edited_one_does_not() {
    let vendor = Arc::new(SigningKey::generate());
    let mut agent = signed_license(&vendor);
    agent.license_server().pause();
    agent.restart();
    assert_eq!(agent.status()["cache"], "ok");
    assert_grace(&agent, &agent.status_after_checks(1), "Connection refused");

    let cache = fs::read_to_string(agent.cache_path()).unwrap();
    fs::write(agent.cache_path(), cache.replace("\"max_accounts\": 5", "\"max_accounts\": 9")).unwrap();
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    assert_eq!(status["cache"], "ignored: it was edited (its MAC is wrong)");
}

#[test]
fn who_knows_the_license_key_cannot_write_a_signed_grant_into_the_cache() {
    let vendor = Arc::new(SigningKey::generate());
    let mut agent = signed_license(&vendor);
    let granted = fs::read_to_string(agent.cache_path()).unwrap();
    let verified = agent.status()["last_verified_at"].clone();
    agent.license_server().pause();

    // Other limits and a later grant: the signed answer's own count.
    let later = granted.replace(verified.as_str().unwrap(), "2126-03-01T00:00:00Z");
    fs::write(agent.cache_path(), sealed(&later.replace("\"max_accounts\": 5", "\"max_accounts\": 9"))).unwrap();
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_eq!((&status["max_accounts"], &status["last_verified_at"]), (&json!(5), &verified), "{status}");
    assert_grace(&agent, &status, "Connection refused");

    // Without the answer, with an edited one, or with one signed by somebody else, it is no cache.
    let cache: Value = serde_json::from_str(&granted).unwrap();
    let stored = cache["agent"]["answer"]["body"].as_str().unwrap();
    let edited = String::from_utf8(BASE64.decode(stored).unwrap()).unwrap().replace("free", "huge");
    let signature = cache["agent"]["answer"]["signature"].as_str().unwrap();
    let foreign = SigningKey::generate().signature_header(&BASE64.decode(stored).unwrap());
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    for forged in [
        granted.replace(stored, &BASE64.encode(&edited)),
        granted.replace(&quoted(signature), &quoted(&foreign)),
        granted.replace(&quoted(signature), "\"\""),
    ] {
        assert_ne!(forged, granted);
        fs::write(agent.cache_path(), sealed(&forged)).unwrap();
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_restricted(&status, "none", "unreachable");
        let told = status["cache"].as_str().unwrap();
        assert!(told.starts_with("ignored: the answer is not signed"), "{told}");
    }

    // A remembered denial cannot be made into a grant.
    let denied = signed(&vendor, json!({"valid": false, "reason": "suspended", "message": "Unpaid."}));
    agent.license_server().reply_with(move |asked| denied(asked));
    agent.license_server().resume();
    agent.restart();
    agent.status_after_checks(1);
    agent.license_server().pause();
    let denial: Value = serde_json::from_str(&fs::read_to_string(agent.cache_path()).unwrap()).unwrap();
    let forged = granted.replace(stored, denial["agent"]["answer"]["body"].as_str().unwrap());
    let denied_signature = denial["agent"]["answer"]["signature"].as_str().unwrap();
    let forged = forged.replace(&quoted(signature), &quoted(denied_signature));
    fs::write(agent.cache_path(), sealed(&forged)).unwrap();
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    assert_eq!(status["cache"], "ignored: its record contradicts the signed answer");
}

#[test]
fn other_public_keys_end_what_was_believed_on_the_old_ones() {
    let (vendor, other) = (Arc::new(SigningKey::generate()), SigningKey::generate());
    let mut agent = signed_license(&vendor);
    agent.license_server().pause();
    agent.rewrite_config(&[("license_public_key", &other.public_base64())]);
    agent.signal(Signal::HUP);
    let ended = eventually(PATIENCE, || agent.status()["valid"] == false);
    assert!(ended, "{}", agent.status());
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");

    // The file was not touched, so the right key finds it again.
    agent.rewrite_config(&[("license_public_key", &vendor.public_base64())]);
    agent.restart();
    assert_grace(&agent, &agent.status_after_checks(1), "Connection refused");
}

const SIGNATURE: &str = "Opterius-Signature";

type Script = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// An Agent with a signed grant.
fn signed_license(vendor: &Arc<SigningKey>) -> Agent {
    let builder = Agent::builder().own_license_server().set("license_public_key", &vendor.public_base64());
    let mut agent = builder.spawn();
    let good = signed(vendor, json!({}));
    agent.license_server().reply_with(move |asked| good(asked));
    agent.restart();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
    agent
}

/// A signed grant for the question, with these members changed.
fn signed(key: &Arc<SigningKey>, change: Value) -> Script {
    let key = Arc::clone(key);
    Arc::new(move |asked| answer_to(asked, change.clone()).signed(&key))
}

/// A grant that belongs to the question, with these members changed.
fn answer_to(asked: &Asked, change: Value) -> Reply {
    let bound = json!({
        "nonce": text(asked, "nonce"),
        "issued_at": OffsetDateTime::now_utc().format(&Rfc3339).unwrap(),
        "key_sha256": sha256(LICENSE_KEY.as_bytes()),
        "server_id": server_id(),
    });
    Reply::json(200, with(with(grant(), bound), change))
}

/// The reply with its body changed after it was signed.
fn tampered(mut reply: Reply) -> Reply {
    reply.body = String::from_utf8(reply.body).unwrap().replace("\"max_accounts\":5", "\"max_accounts\":9").into();
    reply
}

/// The cache file with the MAC that whoever knows the license key can compute.
fn sealed(cache: &str) -> String {
    use ring::hmac::{HMAC_SHA256, Key, sign};
    let (covered, _) = cache.split_once(",\n  \"mac\": \"").unwrap();
    let context = format!("opterius-license-cache/v1{}", server_id());
    let derived = sign(&Key::new(HMAC_SHA256, LICENSE_KEY.as_bytes()), context.as_bytes());
    let mac = sign(&Key::new(HMAC_SHA256, derived.as_ref()), covered.as_bytes());
    format!("{covered},\n  \"mac\": \"{}\"\n}}\n", hex(mac.as_ref()))
}

// --------------------------------------------------------------------------------------------------------------------
// Proxies.

#[test]
fn a_configured_proxy_is_used() {
    let server = LicenseServer::start();
    let proxy = Proxy::to(server.port());
    let agent = Agent::builder().license_server(&server).set("proxy", &proxy.url()).start();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
    assert_eq!(proxy.asked(), [format!("CONNECT localhost:{} HTTP/1.1", server.port())]);
}

#[test]
fn the_proxy_of_the_environment_is_used_but_not_towards_this_machine() {
    let server = LicenseServer::start();
    let proxy = Proxy::to(server.port());
    let agent = Agent::builder().license_server(&server).environment("HTTPS_PROXY", &proxy.url()).start();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());

    let server = LicenseServer::start_as("license.example.com");
    let proxy = Proxy::to(server.port());
    let builder = Agent::builder().license_server(&server).set("license_server", "https://license.example.com");
    let agent = builder.environment("HTTPS_PROXY", &proxy.url()).start();
    let status = agent.status_after_checks(1);
    assert_eq!(status["valid"], true, "{status}");
    assert_eq!(proxy.asked(), ["CONNECT license.example.com:443 HTTP/1.1"]);
}

#[test]
fn the_address_we_are_seen_as_is_asked_for_once_and_kept_with_the_license() {
    let discovery = LicenseServer::start_plain();
    discovery.reply(Reply::raw(200, "93.184.216.34\n"));
    let server = LicenseServer::start_as("license.example.com");
    let proxy = Proxy::to(server.port());
    let builder = Agent::builder().license_server(&server).set("license_server", "https://license.example.com");
    let mut agent = builder.set("proxy", &proxy.url()).set("ip_discovery_url", &discovery.url()).start();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
    agent.restart();
    agent.status_after_checks(1);
    let told: Vec<String> = server.asked().iter().map(|asked| text(asked, "server_ip")).collect();
    assert_eq!(told.len(), 2);
    // A machine whose own address is one of the Internet reports that.
    let asked = discovery.count();
    assert!(asked <= 1, "asked {asked} times within a day");
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0] == "93.184.216.34", asked == 1, "{told:?}");
}

#[test]
fn a_proxy_that_refuses_is_told_of_without_its_password() {
    let server = LicenseServer::start();
    let proxy = Proxy::refusing("407 Proxy Authentication Required");
    let url = proxy.url().replace("http://", "http://user:open-sesame@");
    let agent = Agent::builder().license_server(&server).set("proxy", &url).start();
    assert_unverified(&agent, &["proxy"]);
    let told = agent.status().to_string() + &agent.lines().join("\n");
    assert!(!told.contains("open-sesame"), "{told}");
    assert_eq!(server.count(), 0);
}

/// A CONNECT proxy that leads every connection to one port of this machine, or nowhere.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    fn to(target: u16) -> Proxy {
        Proxy::start(Ok(target))
    }

    fn refusing(status: &'static str) -> Proxy {
        Proxy::start(Err(status))
    }

    fn start(target: Result<u16, &'static str>) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, over) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (asked, over) = (Arc::clone(&asked), Arc::clone(&over));
            move || {
                for client in listener.incoming() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    // A client that breaks off is none of the proxy's business.
                    let _ = client.and_then(|client| relay(client, target, &asked));
                }
            }
        });
        Proxy { port, asked, over, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The request lines so far.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves one client of a proxy to its end.
fn relay(mut client: TcpStream, target: Result<u16, &str>, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    asked.lock().unwrap().push(line);
    let port = match target {
        Ok(port) => port,
        Err(status) => return write!(client, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"),
    };
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    server.set_read_timeout(Some(PATIENCE))?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    std::thread::scope(|scope| {
        scope.spawn(|| copy_to_end(&client, &server));
        copy_to_end(&server, &client);
    });
    Ok(())
}

fn copy_to_end(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

// --------------------------------------------------------------------------------------------------------------------
// When checks are made.

#[test]
fn whoever_asks_during_a_check_gets_one_more_five_seconds_later() {
    let server = LicenseServer::start();
    let times = Arc::<Mutex<Vec<Instant>>>::default();
    let gate = Gate::new();
    server.reply_with({
        let (times, gate) = (Arc::clone(&times), Arc::clone(&gate));
        move |_| {
            times.lock().unwrap().push(Instant::now());
            Reply::granted().behavior(Behavior::Hold(Arc::clone(&gate)))
        }
    });
    let agent = Agent::builder().license_server(&server).start();
    assert!(server.wait_for(1, PATIENCE), "no check at start");
    let mut waiting = Vec::new();
    for number in 0..20 {
        agent.signal(Signal::HUP);
        if number % 4 == 0 {
            waiting.push(agent.send(Request::post("/license/reverify").signed()));
        }
        pause(Duration::from_millis(20));
    }
    assert_eq!(agent.status()["recent_checks"], json!([]), "the first check is over too early");
    gate.open();
    for connection in &mut waiting {
        let answer = connection.receive(PATIENCE).unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["recent_checks"].as_array().unwrap().len(), 2, "{}", answer.text());
    }
    let third = server.wait_for(3, SPACING + JITTER);
    assert!(!third, "one check too many: {:#?}", agent.lines());
    let status = agent.reverify().json();
    assert_eq!(status["recent_checks"].as_array().unwrap().len(), 3, "{status}");
    for pair in times.lock().unwrap().windows(2) {
        let apart = pair[1].duration_since(pair[0]);
        assert!(apart + JITTER >= SPACING, "two checks {apart:?} apart");
    }
}

#[test]
fn checks_fall_due_as_documented() {
    let hours = |count: i64| time::Duration::hours(count);
    let granted = |left: time::Duration| {
        let expiry = (now() + left).format(&Rfc3339).unwrap();
        Reply::json(200, with(grant(), json!({"expires_at": expiry})))
    };
    // Every host of a fleet has its own place in the ten minutes after its checks fall due.
    let (day, fleet) = (24 * 3600, 600);
    let table = [
        (Reply::granted(), day, fleet),
        (denial("suspended", "Unpaid."), 3600, 0),
        (granted(hours(24 * 365)), day, fleet),
        (granted(hours(60)), 12 * 3600, 0),
        (granted(hours(47)), 3600, 0),
        (granted(hours(2)), 3600, 0),
        (granted(time::Duration::minutes(10)), 600, 0),
    ];
    let mut agent = Agent::licensed();
    for (reply, wait, spread) in table {
        agent.license_server().reply(reply);
        agent.restart();
        let status = agent.status_after_checks(1);
        let due = seconds_to_next_check(&status);
        assert!((wait - 60..=wait + spread + 2).contains(&due), "in {due} s and not in {wait} s: {status}");
    }
}

#[test]
fn a_check_that_hangs_holds_nobody_up() {
    let mut agent = Agent::licensed();
    agent.license_server().reply(Reply::granted().behavior(Behavior::Hang));
    let asked = agent.license_server().count();
    agent.restart();
    assert!(agent.license_server().wait_for(asked + 1, PATIENCE), "no check at start");
    let status = agent.status();
    assert_eq!((&status["state"], &status["recent_checks"]), (&json!("grace"), &json!([])), "{status}");
    assert!(status["message"].as_str().unwrap().ends_with("; the first check is under way."), "{status}");
    assert_allowed(&agent);
    let told = Instant::now();
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(PATIENCE).code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(6), "ended after {:?}", told.elapsed());
}

#[test]
fn what_is_asked_for_right_after_a_check_is_not_lost() {
    let agent = Agent::licensed();
    let first = agent.license_server().count();
    for check in 1..3 {
        let since = Instant::now();
        agent.signal(Signal::HUP);
        let came = agent.license_server().wait_for(first + check, PATIENCE);
        assert!(came, "HUP {check} was lost: {:#?}", agent.lines());
        assert!(since.elapsed() < SPACING + Duration::from_secs(10), "{:?}", since.elapsed());
    }
}

// --------------------------------------------------------------------------------------------------------------------
// Another configuration.

const MISTYPED_KEY: &str = "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDE";

#[test]
fn a_mistyped_key_that_nobody_could_check_leaves_the_good_license_alone() {
    let agent = Agent::licensed();
    let cache = fs::read(agent.cache_path()).unwrap();
    agent.license_server().pause();
    agent.rewrite_config(&[("license_key", MISTYPED_KEY)]);
    agent.signal(Signal::HUP);
    let status = agent.status_after_checks(2);
    assert_restricted(&status, "none", "unreachable");
    assert!(fs::read(agent.cache_path()).unwrap() == cache, "the cache of the good key was overwritten");
    counts_again_without_a_check(&agent);
}

#[test]
fn a_mistyped_key_that_the_server_denies_leaves_the_good_license_alone() {
    let agent = Agent::licensed();
    agent.license_server().reply_with(|asked| match text(asked, "key").as_str() {
        LICENSE_KEY => Reply::granted(),
        _ => denial("invalid_key", "Unknown key."),
    });
    agent.rewrite_config(&[("license_key", MISTYPED_KEY)]);
    agent.signal(Signal::HUP);
    let status = agent.status_after_checks(2);
    assert_restricted(&status, "server", "invalid_key");
    agent.license_server().pause();
    counts_again_without_a_check(&agent);
}

#[test]
fn a_start_with_a_mistyped_key_leaves_the_good_license_alone() {
    let mut agent = Agent::licensed();
    let cache = fs::read(agent.cache_path()).unwrap();
    agent.license_server().pause();
    agent.rewrite_config(&[("license_key", MISTYPED_KEY)]);
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    assert_eq!(status["cache"], "ignored: it belongs to another license key");
    assert!(fs::read(agent.cache_path()).unwrap() == cache, "the cache of the good key was overwritten");
    counts_again_without_a_check(&agent);
    agent.restart();
    assert_eq!(agent.status()["cache"], "ok");
    assert_grace(&agent, &agent.status_after_checks(1), "Connection refused");
}

/// The right key is put back while the license server is out of reach.
fn counts_again_without_a_check(agent: &Agent) {
    agent.rewrite_config(&[("license_key", LICENSE_KEY)]);
    agent.signal(Signal::HUP);
    let counts = eventually(PROMPTLY, || agent.status()["valid"] == true);
    assert!(counts, "the good license does not count any more: {}", agent.status());
    assert_eq!(agent.status()["state"], "grace");
    assert_allowed(agent);
}

#[test]
fn a_configuration_that_is_wrong_changes_nothing_and_a_check_is_made() {
    let agent = Agent::licensed();
    let good = fs::read_to_string(agent.config_path()).unwrap();
    let wrong = good.replace(LICENSE_KEY, MISTYPED_KEY) + "max_connections=none\n";
    fs::write(agent.config_path(), wrong).unwrap();
    agent.signal(Signal::HUP);
    let status = agent.status_after_checks(2);
    assert_active(&status);
    let lines = agent.lines().join("\n");
    assert!(lines.contains("max_connections “none” must be a whole number from 16 to 65536"), "{lines}");
    assert!(lines.contains(". The configuration in use stays"), "{lines}");
    assert_eq!(text(&agent.license_server().asked()[1], "key"), LICENSE_KEY);
    assert!(!lines.contains(SECRET), "the secret is in the log");
}

#[test]
fn a_configuration_that_is_gone_changes_nothing_and_a_check_is_made() {
    let agent = Agent::licensed();
    fs::remove_file(agent.config_path()).unwrap();
    agent.signal(Signal::HUP);
    let status = agent.status_after_checks(2);
    assert_active(&status);
    let told =
        |line: &str| line.contains("there is no such file") && line.ends_with(". The configuration in use stays");
    assert!(agent.wait_for_line(told, PROMPTLY).is_some(), "{:#?}", agent.lines());
}

#[test]
fn another_license_server_is_asked_after_a_hup() {
    let (first, second) = (LicenseServer::start_plain(), LicenseServer::start_plain());
    second.reply(denial("suspended", "Unpaid."));
    let agent = Agent::builder().license_server(&first).start();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
    agent.rewrite_config(&[("license_server", &second.url())]);
    agent.signal(Signal::HUP);
    assert_eq!(agent.status_after_checks(2)["reason"], "suspended");
    assert_eq!((first.count(), second.count()), (1, 1));
}

// --------------------------------------------------------------------------------------------------------------------
// Time alone.

#[test]
fn a_license_ends_at_its_expiry_and_not_with_the_next_check() {
    let server = LicenseServer::start();
    let gate = Gate::new();
    // 3 s from the question or a little more: expiries are whole seconds.
    let expiry = Arc::new(OnceLock::new());
    server.reply_with({
        let (gate, expiry) = (Arc::clone(&gate), Arc::clone(&expiry));
        move |_| {
            let end = now() + time::Duration::seconds(4);
            match expiry.set(end) {
                Ok(()) => Reply::json(200, with(grant(), json!({"expires_at": end.format(&Rfc3339).unwrap()}))),
                Err(_) => Reply::granted().behavior(Behavior::Hold(Arc::clone(&gate))),
            }
        }
    });
    let agent = Agent::builder().license_server(&server).start();
    let status = agent.status_after_checks(1);
    let expiry = *expiry.get().unwrap();
    assert_active(&status);
    let status = restricted_at(&agent, expiry);
    let message = format!("The license expired on {}.", expiry.format(&Rfc3339).unwrap());
    assert_restricted(&status, "server", "expired");
    assert_refused(&agent, "expired", &message);
    // The check at that instant is under way and has no answer yet.
    assert_line(&agent, &format!("License: INVALID — {message}"));
    assert!(cache_turns(&agent, &json!([false, "expired", message])), "{}", agent.status());
    assert_eq!(agent.status()["recent_checks"].as_array().unwrap().len(), 1, "{}", agent.status());
    // A renewal that was booked in time is seen in that check.
    assert!(server.wait_for(2, PATIENCE), "no check at the expiry");
    gate.open();
    assert_eq!(agent.status_after_checks(2)["valid"], true);
    assert_allowed(&agent);
}

/// The status as soon as the license does not count any more, which must be at `end` and not a moment off.
fn restricted_at(agent: &Agent, end: OffsetDateTime) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (before, status, after) = (OffsetDateTime::now_utc(), agent.status(), OffsetDateTime::now_utc());
        if status["valid"] == false {
            assert!(after >= end, "restricted at {after}, before {end}");
            return status;
        }
        assert!(before < end, "valid at {before}, after {end}");
        assert!(Instant::now() < deadline, "still valid: {status}");
        pause(Duration::from_millis(2));
    }
}

/// Whether the cache file soon has this `valid`, `reason` and `message`.
fn cache_turns(agent: &Agent, wanted: &Value) -> bool {
    eventually(PROMPTLY, || {
        let cache: Value = serde_json::from_slice(&fs::read(agent.cache_path()).unwrap()).unwrap();
        json!(["valid", "reason", "message"].map(|key| cache[key].clone())) == *wanted
    })
}

// --------------------------------------------------------------------------------------------------------------------
// What is common.

pub(crate) fn assert_active(status: &Value) {
    assert_eq!(standing(status), json!([true, "active", "server", null, null]), "{status}");
}

pub(crate) fn assert_restricted(status: &Value, source: &str, reason: &str) {
    assert_eq!(standing(status), json!([false, "restricted", source, reason, null]), "{status}");
}

fn standing(status: &Value) -> Value {
    json!(["valid", "state", "source", "reason", "grace_until"].map(|key| status[key].clone()))
}

/// A signed write passes: what it asks for does not exist yet.
pub(crate) fn assert_allowed(agent: &Agent) {
    let response = write(agent);
    assert_eq!((response.status, &response.json()["error"]), (501, &json!("not_implemented")), "{}", response.text());
}

/// A signed write is refused for this reason, in these words and with help; a signed read passes.
pub(crate) fn assert_refused(agent: &Agent, reason: &str, message: &str) {
    let response = write(agent);
    let answer = response.json();
    assert_eq!(response.status, 403, "{answer}");
    let told = ["error", "reason", "message"].map(|key| answer[key].clone());
    assert_eq!(json!(told), json!(["license_required", reason, message]));
    assert!(answer["help"].as_str().is_some_and(|help| !help.is_empty()), "{answer}");
    let read = agent.fetch(Request::post("/stats/server").body("{}").signed());
    assert_eq!(read.status, 501, "{}", read.text());
}

fn write(agent: &Agent) -> Response {
    agent.fetch(Request::post("/domains/create").body("{}").signed())
}

fn assert_line(agent: &Agent, wanted: &str) {
    let line = agent.wait_for_line(|line| line == wanted, PATIENCE);
    assert!(line.is_some(), "no line {wanted}: {:#?}", agent.lines());
}

/// Runs `check` on all rows at the same time: each waits most of the time.
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

/// The members of `first`, and those of `second` instead of or beside them.
pub(crate) fn with(mut first: Value, second: Value) -> Value {
    let Value::Object(second) = second else { panic!("not an object: {second}") };
    first.as_object_mut().unwrap().extend(second);
    first
}

/// A text member of the question; empty when it is not there.
fn text(asked: &Asked, member: &str) -> String {
    let json = asked.json.as_ref().expect("the question is JSON");
    json[member].as_str().unwrap_or_default().to_owned()
}

/// Now, in whole seconds, as instants are told.
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc().replace_nanosecond(0).unwrap()
}

fn http_date(instant: OffsetDateTime) -> String {
    httpdate::fmt_http_date(instant.into())
}

fn instant(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().unwrap(), &Rfc3339).unwrap()
}

/// The wait that the status tells of. Its instants are whole seconds, so it may be almost one more.
fn seconds_to_next_check(status: &Value) -> i64 {
    (instant(&status["next_check_at"]) - instant(&status["last_checked_at"])).whole_seconds() + 1
}

/// This machine as the Agent names it to the license server.
fn server_id() -> String {
    let machine_id = fs::read_to_string("/etc/machine-id").unwrap();
    sha256(format!("opterius-agent/server-id/v1\n{}", machine_id.trim()).as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Reply {
    pub(crate) fn body_text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The seconds of its `Retry-After`.
    fn asks_to_wait(&self) -> Option<i64> {
        let (_, seconds) = self.headers.iter().find(|(name, _)| name == "Retry-After")?;
        seconds.parse().ok()
    }
}
