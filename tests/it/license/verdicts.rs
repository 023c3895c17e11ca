//! Verdicts.

use super::*;

#[test]
fn every_form_of_grant_is_shown_in_the_documented_line_and_the_status() {
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
        let actual = ["plan", "max_accounts", "max_servers", "expires_at"].map(|key| status[key].clone());
        assert_eq!(json!(actual), shown, "{status}");
        assert_eq!(status["tier"], shown[0], "{status}");
        assert_eq!(status["message"], "License is valid.", "{status}");
        assert_active(&status);
        assert_allowed(&agent);
    }
}

#[test]
fn the_status_begins_with_the_six_documented_keys_in_their_order() {
    let mut agent = Agent::licensed();
    let answer = json!({"valid": true, "plan": "free", "max_accounts": 5, "max_servers": 1,
                        "expires_at": "2126-03-01T00:00:00Z", "message": "Welcome."});
    agent.license_server().reply(Reply::json(200, answer));
    agent.restart();
    agent.status_after_checks(1);
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
fn the_request_has_the_documented_members_and_a_new_nonce_each_time() {
    let mut agent = Agent::licensed();
    agent.restart();
    agent.status_after_checks(1);
    let received = agent.license_server().received();
    assert_eq!(received.len(), 2);
    let nonces: BTreeSet<String> = received.iter().map(|received| text(received, "nonce")).collect();
    assert_eq!(nonces.len(), 2, "{nonces:?}");
    assert!(nonces.iter().all(|nonce| nonce.len() == 32), "{nonces:?}");
    for received in &received {
        assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/api/license/verify"));
        assert_eq!(received.header("Accept"), Some("application/json"));
        assert_eq!(received.header("Content-Type"), Some("application/json"));
        let mut members: BTreeSet<_> = received.json.as_ref().unwrap().as_object().unwrap().keys().cloned().collect();
        if members.remove("server_ip") {
            // Only if this machine has a public address of its own.
            let address: Ipv4Addr = text(received, "server_ip").parse().unwrap();
            assert!(!address.is_loopback() && !address.is_private(), "{address}");
        }
        let documented = ["agent_version", "hostname", "key", "nonce", "os", "server_id"];
        assert!(members.iter().eq(documented.iter()), "{members:?}");
        assert_eq!(text(received, "key"), LICENSE_KEY);
        assert_eq!(text(received, "agent_version"), env!("CARGO_PKG_VERSION"));
        assert!(text(received, "os").starts_with("Linux "), "{}", text(received, "os"));
        assert_eq!(text(received, "server_id"), server_id());
    }
}

#[test]
fn a_configured_server_ip_is_reported() {
    let agent = Agent::builder().set("server_ip", "203.0.113.5").start_licensed();
    assert_eq!(text(&agent.license_server().received()[0], "server_ip"), "203.0.113.5");
}

#[test]
fn with_a_license_server_on_this_machine_no_address_is_discovered() {
    let discovery = FakeLicenseServer::start_plain();
    discovery.reply(Reply::raw(200, "93.184.216.34"));
    let agent = Agent::builder().set("ip_discovery_url", &discovery.url()).start_licensed();
    assert_eq!(agent.license_server().count(), 1);
    assert_eq!(discovery.count(), 0);
}

#[test]
fn every_reason_for_a_denial_is_shown_with_its_message() {
    let limit = "License is already activated on 1 of 1 allowed servers.";
    let table = [
        // The reasons of both documentation texts, and an unknown one.
        (200, json!({"reason": "expired", "message": "Expired on 1 March."}), "expired", "Expired on 1 March."),
        (200, json!({"reason": "suspended", "message": "Unpaid."}), "suspended", "Unpaid."),
        (200, json!({"reason": "cancelled", "message": "Gone."}), "cancelled", "Gone."),
        (401, json!({"reason": "invalid_key", "message": "Unknown key."}), "invalid_key", "Unknown key."),
        (403, json!({"reason": "server_limit_reached", "message": limit}), "server_limit_reached", limit),
        (409, json!({"reason": "server_ip_mismatch", "message": "Locked."}), "server_ip_mismatch", "Locked."),
        (404, json!({"reason": "not_found", "message": "Nothing here."}), "not_found", "Nothing here."),
        (422, json!({"reason": "verification_failed", "message": "No."}), "verification_failed", "No."),
        (402, json!({"reason": "of_tomorrow", "message": "Später – ja."}), "of_tomorrow", "Später – ja."),
        // The newer text's example has no reason; an answer without a message gets the Agent's.
        (200, json!({"message": limit}), "server_limit_reached", limit),
        (410, json!({"message": "No."}), "invalid", "No."),
        (200, json!({"reason": "suspended"}), "suspended", "The license is suspended."),
        (200, json!({}), "invalid", "The license server rejected this license."),
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
        assert!(limits.iter().all(|key| status[key].is_null()), "no answer included these: {status}");
    }
}

#[test]
fn an_answer_of_something_else_is_named_with_and_without_a_public_key() {
    let moved = "https://new.example.com/api/license/verify";
    let grant = Reply::granted().body_text();
    let table = [
        (
            Reply::raw(308, "").header("Location", moved),
            "redirects to https://new.example.com/api/license/verify (HTTP 308)",
        ),
        (
            Reply::raw(302, "").header("Location", "/login"),
            "redirects to /login (HTTP 302), which the Agent does not follow (a login",
        ),
        (
            Reply::raw(404, "<html><title>Not Found</title>"),
            "has no license service at this address (HTTP 404) with an HTML page, “Not Found”",
        ),
        (Reply::raw(405, ""), "has no license service at this address (HTTP 405)"),
        (Reply::raw(403, "Blocked"), "access is forbidden, without a verdict on the license (HTTP 403): “Blocked”"),
        (Reply::raw(407, ""), "a proxy on the way wants a user name and a password (HTTP 407)"),
        (
            Reply::raw(429, "").header("Retry-After", "90"),
            "limits the rate of requests (HTTP 429); it asks to wait 90 s",
        ),
        (
            Reply::raw(200, "<p>Sign in</p><title>Hotel</title>").header("Content-Type", "text/html"),
            "is an HTML page, “Hotel” (a captive portal or proxy page?)",
        ),
        (Reply::raw(200, format!("\u{feff}{grant}")), "begins with a byte-order mark"),
        (
            Reply::raw(200, format!("<br />\n<b>Warning</b>: a\n{grant}")).header("Content-Type", "text/html"),
            "has text before the JSON (a PHP warning?): “Warning: a”",
        ),
        (
            Reply::raw(200, &b"\x1f\x8b\x08\0"[..]).header("Content-Encoding", "gzip"),
            "is compressed (gzip), which the Agent did not ask for",
        ),
        (Reply::raw(200, &grant[..grant.len() - 1]), "ends in the middle"),
    ];
    let public = SigningKey::generate().public_base64();
    for public in ["", &public] {
        at_once(&table, |(reply, cause)| {
            let agent = Agent::builder().set("license_public_key", public).license(reply.clone()).start();
            assert_unverified(&agent, &[cause]);
            assert!(!agent.cache_path().exists(), "{cause}: a cache without a verdict");
        });
    }
}

#[test]
fn after_a_denial_the_plan_is_from_the_denial_or_the_latest_grant() {
    let mut agent = Agent::licensed();
    let denial = json!({"valid": false, "reason": "suspended", "message": "Unpaid.", "max_servers": 3});
    agent.license_server().reply(Reply::json(200, denial));
    agent.restart();
    let status = agent.status_after_checks(1);
    let shown = ["plan", "tier", "max_accounts", "max_servers"].map(|key| status[key].clone());
    assert_eq!(json!(shown), json!(["free", "free", 5, 3]), "{status}");
    assert!(status["last_verified_at"].is_string(), "{status}");
}

#[test]
fn a_denial_stands_until_the_next_grant() {
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
fn the_servers_texts_become_one_short_line() {
    let mut agent = Agent::licensed();
    let forged = format!("No.\r\n{GRANTED_LINE}\u{1b}[2K\u{2028}{}", "x".repeat(2000));
    agent.license_server().reply(denial("suspended\nLicense: valid", &forged));
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_eq!(status["reason"], "suspended License: valid");
    let message = status["message"].as_str().unwrap();
    assert!(message.starts_with("No.  License: valid (plan: free") && message.ends_with("x…"), "{message}");
    assert_eq!(message.chars().count(), 500);
    assert!(!message.contains(|character: char| character.is_control()), "{message:?}");
    assert_line(&agent, &format!("License: INVALID — {message}"));
    let lines = agent.lines();
    assert!(lines.iter().all(|line| !line.starts_with("License: valid")), "{lines:#?}");
}

#[test]
fn without_a_license_key_no_request_is_sent_and_the_status_says_why() {
    let server = FakeLicenseServer::start();
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
fn reverify_returns_the_status_after_the_check() {
    let agent = Agent::licensed();
    agent.license_server().reply(denial("suspended", "Unpaid."));
    let answer = agent.reverify();
    assert_eq!(answer.status, 200);
    let actual = answer.json();
    assert_eq!(actual["reason"], "suspended", "{actual}");
    assert_eq!(actual["recent_checks"][0]["verdict"], "denied: suspended");
    assert_eq!(actual["recent_checks"][0]["at"], actual["last_checked_at"]);
    assert_eq!(actual, agent.status());
    assert_eq!(agent.license_server().count(), 2);
    let unsigned = agent.fetch(Request::post("/license/reverify"));
    assert_eq!(unsigned.status, 401, "{}", unsigned.text());
}

#[test]
fn an_echoed_license_key_appears_nowhere() {
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
        ("an unknown member", grant(json!({"key": LICENSE_KEY}))),
        ("a reason", deny(json!({"reason": LICENSE_KEY}))),
        ("a reason, in a text", deny(json!({"reason": echo}))),
        ("a denial's message", deny(json!({"reason": "invalid_key"}))),
        ("a message and no reason", deny(json!({}))),
        ("an escaped text", Reply::raw(200, raw)),
        ("only an escaped text", Reply::raw(200, Reply::granted().body_text().replace("is valid", &escaped))),
        ("a header", Reply::granted().header("Opterius-Signature", &format!("keyid=\"{LICENSE_KEY}\""))),
        ("an error", Reply::json(500, json!({"error": echo}))),
        ("a redirect", Reply::raw(302, "").header("Location", &format!("https://localhost/{LICENSE_KEY}"))),
        ("a title", Reply::raw(200, format!("<html><title>{LICENSE_KEY}</title>"))),
        ("an error page's title", Reply::raw(502, format!("<html><title>{echo}</title>"))),
        ("a PHP warning", Reply::raw(200, format!("Warning: {echo} {}", Reply::granted().body_text()))),
    ];
    let mut agent = Agent::builder().own_license_server().start();
    let mut seen = Vec::new();
    for (place, reply) in table {
        agent.license_server().reply(reply);
        agent.kill();
        let _ = fs::remove_file(agent.cache_path());
        agent.restart();
        agent.status_after_checks(1);
        let actual = [
            ("status", agent.fetch(Request::get(STATUS)).text()),
            ("refusal", write(&agent).text()),
            ("log", agent.lines().join("\n")),
            ("cache", cache_with_answer(&agent)),
        ];
        seen.extend(
            actual.into_iter().filter(|(_, text)| text.contains(LICENSE_KEY)).map(|(where_, _)| (place, where_)),
        );
    }
    assert!(seen.is_empty(), "the license key, echoed in …, is in …: {seen:?}");
}

/// The cache file, and the stored answer in it in decoded form.
fn cache_with_answer(agent: &Agent) -> String {
    let Ok(file) = fs::read_to_string(agent.cache_path()) else { return String::new() };
    let cache: Value = serde_json::from_str(&file).unwrap();
    let stored = cache["agent"]["answer"]["body"].as_str().unwrap_or_default();
    let body = BASE64.decode(stored).unwrap();
    let plain = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    format!("{file}\n{}\n{plain}", String::from_utf8_lossy(&body))
}
