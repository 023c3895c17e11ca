//! The exact responses that Panels and Agents rely on, byte by byte.

use super::*;
use crate::license::sha256;

/// The request of an Agent.
fn agents_question(license: &TestLicense) -> Value {
    json!({
        "key": license.key, "server_ip": "203.0.113.5", "agent_version": "0.1.0", "os": "Linux 6.1.0",
        "hostname": "one.example.com", "server_id": "0123456789abcdef", "nonce": "fedcba9876543210",
    })
}

/// The `issued_at` of a response, which must be the current time.
fn issued_at(response: &Response) -> String {
    let text = response.json()["issued_at"].as_str().unwrap().to_owned();
    let off = time::OffsetDateTime::now_utc().unix_timestamp() - Timestamp::parse_rfc3339(&text).unwrap().unix();
    assert!((0..=10).contains(&off), "{text} is {off} s ago");
    text
}

#[test]
fn a_grant_has_exactly_these_members_in_order() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("business");
    let response = server.verify(&agents_question(&license));
    assert_eq!(response.status, 200);
    assert_eq!(response.header("Content-Type"), Some("application/json"));
    let expected = format!(
        r#"{{"valid":true,"reason":null,"message":"License is valid.","plan":"business","max_accounts":100,"max_domains":100,"max_servers":5,"expires_at":null,"nonce":"fedcba9876543210","issued_at":"{}","key_sha256":"{}","server_id":"0123456789abcdef"}}"#,
        issued_at(&response),
        sha256(license.key.as_bytes())
    );
    assert_eq!(response.text(), expected);
    let header = response.header("Opterius-Signature").unwrap();
    let (name, value) = header.split_once(", ").unwrap();
    assert!(name.starts_with("keyid=\"") && name.len() == 7 + 16 + 1, "{header}");
    assert!(value.starts_with("ed25519=\""), "{header}");
}

#[test]
fn the_panel_gets_its_plan_as_an_object_and_limits_as_integers() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("datacenter");
    let end = Timestamp::parse_rfc3339("2126-03-01T00:00:00Z");
    server.database.apply_change(license.id, Change::Renew(end));
    let billing = Billing {
        subscription_status: Some("past_due".to_owned()),
        cancel_at_period_end: Some(true),
        current_period_end: Timestamp::parse_rfc3339("2126-02-01T00:00:00Z"),
    };
    server.database.apply_change(license.id, Change::SetBilling(billing));
    let question = json!({
        "key": license.key, "server_ip": "203.0.113.5", "panel_version": "2.8.14", "os": "Linux 6.1.0-13-amd64",
    });
    let response = server.verify(&question);
    // For the Panel, only the integer 0 means unlimited, and an unparsable date causes an error 500.
    let expected = format!(
        r#"{{"valid":true,"reason":null,"message":"License is valid.","plan":{{"slug":"datacenter","name":"Datacenter"}},"max_accounts":0,"max_domains":0,"max_servers":0,"expires_at":"2126-03-01T00:00:00Z","subscription_status":"past_due","cancel_at_period_end":true,"current_period_end":"2126-02-01T00:00:00Z","issued_at":"{}","key_sha256":"{}"}}"#,
        issued_at(&response),
        sha256(license.key.as_bytes())
    );
    assert_eq!((response.status, response.text()), (200, expected));
}

#[test]
fn every_denial_has_its_reason_its_message_and_the_terms() {
    let server = LicenseServerProcess::start();
    let database = &server.database;
    let (suspended, cancelled) = (database.license("free"), database.license("free"));
    database.apply_change(suspended.id, Change::Suspend);
    database.apply_change(cancelled.id, Change::Cancel);
    let locked = database.license_until("free", None, Some("203.0.113.9"));
    let taken = database.license("free");
    assert_granted(&server.verify(&question(&taken, "203.0.113.1")));
    let table = [
        (&suspended, "suspended", "License is suspended."),
        (&cancelled, "cancelled", "License has been cancelled."),
        (
            &locked,
            "server_ip_mismatch",
            "License is locked to the IP address 203.0.113.9; this server is seen as 203.0.113.5.",
        ),
        (&taken, "server_limit_reached", "License is already activated on 1 of 1 allowed servers."),
    ];
    for (license, reason, message) in table {
        let response = server.verify(&agents_question(license));
        let expected = format!(
            r#"{{"valid":false,"reason":"{reason}","message":"{message}","plan":"free","max_accounts":5,"max_domains":5,"max_servers":1,"expires_at":null,"nonce":"fedcba9876543210","issued_at":"{}","key_sha256":"{}","server_id":"0123456789abcdef"}}"#,
            issued_at(&response),
            sha256(license.key.as_bytes())
        );
        assert_eq!((response.status, response.text()), (403, expected));
        assert_eq!(response.header("Content-Type"), Some("application/json"));
    }
    assert!(database.activations(suspended.id).is_empty() && database.activations(locked.id).is_empty());
    assert_eq!(database.addresses(taken.id), ["203.0.113.1"]);
}

#[test]
fn an_unknown_key_gets_no_license_terms() {
    let server = LicenseServerProcess::start();
    let unknown = TestLicense { id: 0, key: "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD".to_owned() };
    let response = server.verify(&agents_question(&unknown));
    let expected = format!(
        r#"{{"valid":false,"reason":"invalid_key","message":"License key is not known.","nonce":"fedcba9876543210","issued_at":"{}","key_sha256":"{}","server_id":"0123456789abcdef"}}"#,
        issued_at(&response),
        sha256(unknown.key.as_bytes())
    );
    assert_eq!((response.status, response.text()), (403, expected));
}

#[test]
fn a_request_without_a_body_confirms_that_the_server_is_reachable() {
    let server = LicenseServerProcess::start();
    let response = server.verify_bytes("");
    assert_error(&response, 400, "empty_request");
    let message = response.json()["message"].as_str().unwrap().to_owned();
    assert_eq!(
        message,
        "The license server is reachable, but this request has no body. Send a JSON object with the license key: {\"key\": \"…\"}."
    );
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let response = server.fetch(Request::new(method, VERIFY));
        assert_error(&response, 405, "method_not_allowed");
        assert_eq!(response.header("Allow"), Some("POST"), "{method}");
        let message = response.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("The license server is reachable."), "{method}: {message}");
    }
}

#[test]
fn an_error_repeats_the_parsed_members() {
    let server = LicenseServerProcess::start();
    let response = server.verify(&json!({"nonce": "n", "server_id": "s"}));
    let expected = format!(
        r#"{{"error":"validation_failed","message":"The field “key” is missing: it is the license key.","nonce":"n","issued_at":"{}","server_id":"s"}}"#,
        issued_at(&response)
    );
    assert_eq!((response.status, response.text()), (400, expected));
}

#[test]
fn paths_that_do_not_exist_are_not_found() {
    let server = LicenseServerProcess::start();
    for path in ["/api/license/verify/", "/api/license/register", "/api/license", "/API/license/verify", "/nothing"] {
        let response = server.fetch(Request::post(path).body("{}"));
        assert_eq!(response.status, 404, "{path}: {}", response.text());
    }
}

#[test]
fn reported_details_are_stored_and_missing_ones_stay_unchanged() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    assert_granted(&server.verify(&agents_question(&license)));
    let panel = json!({"key": license.key, "server_ip": "203.0.113.5", "panel_version": "2.8.14", "os": "Linux 6.2.0"});
    assert_granted(&server.verify(&panel));
    let activations = server.database.activations(license.id);
    assert_eq!(activations.len(), 1, "the Panel and the Agent of one server take one slot");
    let details = serde_json::to_value(&activations[0].details).unwrap();
    let expected = json!({
        "hostname": "one.example.com", "agent_version": "0.1.0", "panel_version": "2.8.14", "os": "Linux 6.2.0",
        "server_id": "0123456789abcdef",
    });
    assert_eq!(details, expected);
}
