use super::*;
use crate::signature::CONTEXT;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;

const KEY: &str = "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD";
const GRANT: &str =
    r#"{"valid":true,"plan":"free","max_accounts":5,"max_servers":1,"expires_at":"2027-03-01T00:00:00Z"}"#;

fn key() -> Secret {
    Secret::new(KEY.to_owned())
}

fn outcome(status: u16, body: &str) -> Outcome {
    let (key, trusted) = (key(), TrustedKeys::default());
    let question = Question { key: &key, key_sha256: "k", server_id: "s", nonce: Some("n"), trusted: &trusted };
    read(&Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() }, &question).outcome
}

fn terms(body: &str) -> Terms {
    match outcome(200, body) {
        Outcome::Granted { terms, .. } | Outcome::Denied { terms, .. } => terms,
        Outcome::Inconclusive(failure) => panic!("{failure}"),
    }
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Granted { .. } => "granted".to_owned(),
        Outcome::Denied { reason, .. } => format!("denied {reason}"),
        Outcome::Inconclusive(failure) => format!("{:?}", failure.class),
    }
}

#[test]
fn every_kind_of_answer_has_the_right_outcome() {
    let no = r#"{"valid":false,"reason":"suspended","message":"Unpaid."}"#;
    let table = [
        // An explicit yes.
        (200, GRANT, "granted"),
        (204, GRANT, "granted"),
        (200, r#"{"valid":true,"max_accounts":0}"#, "granted"),
        (200, r#"{"valid":true,"max_domains":3}"#, "granted"),
        (200, r#"{"valid":true,"max_accounts":null,"max_domains":3}"#, "granted"),
        // An explicit no.
        (200, no, "denied suspended"),
        (299, no, "denied suspended"),
        (401, no, "denied suspended"),
        (402, no, "denied suspended"),
        (403, no, "denied suspended"),
        (404, no, "denied suspended"),
        (409, no, "denied suspended"),
        (410, no, "denied suspended"),
        (422, no, "denied suspended"),
        // A no with a status that carries no verdict.
        (400, no, "Http"),
        (405, no, "Http"),
        (408, no, "Http"),
        (429, no, "Http"),
        (500, no, "Http"),
        (503, no, "Http"),
        (301, no, "Http"),
        (199, no, "Http"),
        // A yes with a status that carries no verdict.
        (403, GRANT, "Http"),
        (500, GRANT, "Http"),
        (302, GRANT, "Http"),
        // A malformed yes.
        (200, r#"{"valid":true}"#, "Malformed"),
        (200, r#"{"valid":true,"max_accounts":"5"}"#, "Malformed"),
        (200, r#"{"valid":true,"max_accounts":5.0}"#, "Malformed"),
        (200, r#"{"valid":true,"max_accounts":-1}"#, "Malformed"),
        (200, r#"{"valid":true,"max_accounts":1e2}"#, "Malformed"),
        (200, r#"{"valid":true,"max_accounts":"0","max_domains":3}"#, "Malformed"),
        (200, r#"{"valid":true,"max_accounts":5,"max_servers":"1"}"#, "Malformed"),
        (200, r#"{"valid":true,"max_accounts":5,"expires_at":"soon"}"#, "Malformed"),
        (200, r#"{"valid":true,"max_accounts":5,"expires_at":1772323200}"#, "Malformed"),
        (200, r#"{"valid":1,"max_accounts":5}"#, "Malformed"),
        (200, r#"{"valid":"true","max_accounts":5}"#, "Malformed"),
        (200, r#"{"valid":null,"max_accounts":5}"#, "Malformed"),
        // The last of several counts, as for the Panel's JSON reader.
        (200, r#"{"valid":false,"valid":true,"max_accounts":5}"#, "granted"),
        (200, r#"{"valid":true,"valid":false,"reason":"suspended"}"#, "denied suspended"),
        // Not a license answer.
        (200, r#"{"max_accounts":5}"#, "Malformed"),
        (200, "[true]", "Malformed"),
        (200, "true", "Malformed"),
        (200, "", "Malformed"),
        (200, "<html><body>Sign in to the Wi-Fi</body></html>", "Malformed"),
        (200, r#"{"valid":true,"max_accounts":5"#, "Malformed"),
        (200, "{\"valid\":true,\"max_accounts\":5}\u{0}", "Malformed"),
        (302, "", "Http"),
        (404, "<h1>Not Found</h1>", "Http"),
        (403, "Forbidden", "Http"),
        (429, "", "Http"),
        (502, "<h1>Bad Gateway</h1>", "Http"),
    ];
    for (status, body, expected) in table {
        assert_eq!(word(&outcome(status, body)), expected, "{status} {body}");
    }
}

#[test]
fn an_answer_is_at_most_64_kib_long() {
    let padded = |length: usize| format!("{GRANT}{}", " ".repeat(length - GRANT.len()));
    assert_eq!(word(&outcome(200, &padded(MAX_BODY))), "granted");
    assert_eq!(word(&outcome(200, &padded(MAX_BODY + 1))), "Malformed");
}

#[test]
fn reasons_are_kept_or_derived() {
    let table = [
        (r#"{"valid":false,"reason":"expired"}"#, "expired", "The license has expired."),
        (
            r#"{"valid":false,"reason":"a_reason_of_tomorrow"}"#,
            "a_reason_of_tomorrow",
            "The license server rejected this license.",
        ),
        (
            r#"{"valid":false,"message":"License is already activated on 1 of 1 allowed servers."}"#,
            "server_limit_reached",
            "License is already activated on 1 of 1 allowed servers.",
        ),
        (r#"{"valid":false}"#, "invalid", "The license server rejected this license."),
        (r#"{"valid":false,"reason":"","message":"  "}"#, "invalid", "The license server rejected this license."),
        (r#"{"valid":false,"reason":7,"message":["x"]}"#, "invalid", "The license server rejected this license."),
    ];
    for (body, expected_reason, expected_message) in table {
        let Outcome::Denied { reason, message, .. } = outcome(200, body) else { panic!("{body}") };
        assert_eq!((reason.as_str(), message.as_str()), (expected_reason, expected_message), "{body}");
    }
}

#[test]
fn a_plan_is_a_string_or_an_object_or_the_older_tier() {
    let table = [
        (json!("Free"), Some("free")),
        (json!({"slug": "business", "name": "Business Plan", "title": "B"}), Some("business")),
        (json!({"name": "Business", "title": "B"}), Some("business")),
        (json!({"title": "Datacenter"}), Some("datacenter")),
        (json!({"id": 7}), None),
        (json!(7), None),
        (json!(null), None),
    ];
    for (plan, expected) in table {
        let body = json!({"valid": true, "max_accounts": 5, "plan": plan}).to_string();
        assert_eq!(terms(&body).plan.as_deref(), expected, "{body}");
    }
    assert_eq!(terms(r#"{"valid":true,"max_accounts":5,"tier":"starter"}"#).plan.as_deref(), Some("starter"));
    assert_eq!(
        terms(r#"{"valid":true,"max_accounts":5,"plan":"free","tier":"starter"}"#).plan.as_deref(),
        Some("free")
    );
}

#[test]
fn limits_and_billing_are_optional() {
    let both = terms(r#"{"valid":true,"max_accounts":5,"max_domains":7,"max_servers":0}"#);
    assert_eq!((both.max_accounts, both.max_domains, both.max_servers), (Some(5), Some(7), Some(0)));
    let older = terms(r#"{"valid":true,"max_domains":7}"#);
    assert_eq!((older.max_accounts, older.max_domains, older.max_servers), (Some(7), Some(7), None));

    let denied = terms(r#"{"valid":false,"max_accounts":"five","max_servers":2,"expires_at":"soon"}"#);
    assert_eq!((denied.max_accounts, denied.max_servers, denied.expires_at), (None, Some(2), None));

    let billed = terms(
        r#"{"valid":true,"max_accounts":5,"subscription_status":"past_due","cancel_at_period_end":true,"current_period_end":"2026-12-01"}"#,
    );
    assert_eq!(billed.billing.subscription_status.as_deref(), Some("past_due"));
    assert_eq!(billed.billing.cancel_at_period_end, Some(true));
    assert_eq!(billed.billing.current_period_end.as_deref(), Some("2026-12-01"));

    for never in [r#""expires_at":null,"#, r#""expires_at":"","#, ""] {
        assert_eq!(terms(&format!(r#"{{"valid":true,{never}"max_accounts":5}}"#)).expires_at, None);
    }
}

#[test]
fn strings_in_an_answer_cannot_carry_the_key_or_forge_a_log_line() {
    let body = json!({"valid": false, "reason": KEY, "message": format!("Key {KEY}\nLicense: valid\u{1b}[2J\u{202e}"), "plan": KEY});
    let Outcome::Denied { reason, message, terms } = outcome(403, &body.to_string()) else { panic!() };
    for text in [&reason, &message, terms.plan.as_ref().unwrap()] {
        assert!(!text.to_lowercase().contains(&KEY.to_lowercase()), "{text}");
        assert!(!text.chars().any(|character| character.is_control() || character == '\u{202e}'), "{text:?}");
    }
    let long = json!({"valid": false, "message": "x".repeat(60_000)}).to_string();
    let Outcome::Denied { message, .. } = outcome(403, &long) else { panic!() };
    assert_eq!(message.chars().count(), 500);
}

#[test]
fn a_signed_answer_must_match_nonce_key_host_and_time() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let trusted = TrustedKeys::parse(&STANDARD.encode(pair.public_key().as_ref())).unwrap();
    let key = key();
    let question = Question { key: &key, key_sha256: "k", server_id: "s", nonce: Some("n"), trusted: &trusted };
    let sign = |body: &str| {
        let signature = pair.sign(&[CONTEXT, body.as_bytes()].concat());
        format!("keyid=\"1\", ed25519=\"{}\"", STANDARD.encode(signature.as_ref()))
    };
    let read_signed = |body: &str, signature: String| {
        read(&Answer { status: 200, body: body.as_bytes().to_vec(), signature, ..Answer::default() }, &question)
    };
    let whole = json!({
        "valid": true, "max_accounts": 5, "nonce": "n", "key_sha256": "k", "server_id": "s", "issued_at": "2026-03-01T00:00:00Z",
    });
    let good = whole.to_string();
    let parsed = read_signed(&good, sign(&good));
    assert_eq!(word(&parsed.outcome), "granted");
    assert_eq!(parsed.issued_at.unwrap().to_string(), "2026-03-01T00:00:00Z");
    assert_eq!(parsed.signed_by, Some(SignedBy::CurrentKey));

    for (member, wrong) in [("nonce", "m"), ("key_sha256", "l"), ("server_id", "t"), ("issued_at", "yesterday")] {
        for value in [json!(wrong), json!(null), json!(7)] {
            let mut changed = whole.clone();
            changed[member] = value;
            let body = changed.to_string();
            assert_eq!(word(&read_signed(&body, sign(&body)).outcome), "Untrusted", "{body}");
        }
    }
    let denial = r#"{"valid":false,"reason":"suspended"}"#;
    assert_eq!(word(&read_signed(&good, String::new()).outcome), "Untrusted");
    assert_eq!(word(&read_signed(&good, sign("{}")).outcome), "Untrusted");
    // What is not in the protocol's form is named for what it is, signed by a stranger or not at all.
    for (status, body, expected) in [
        (200, "<html><title>Sign in</title></html>", "Malformed"),
        (200, "", "Malformed"),
        (200, "[true]", "Malformed"),
        (200, r#"{"message":"Hello."}"#, "Malformed"),
        (404, "<h1>Not Found</h1>", "Http"),
        (502, r#"{"error":"bad_gateway"}"#, "Http"),
        (308, "", "Http"),
        (500, denial, "Untrusted"),
        (302, &good, "Untrusted"),
    ] {
        for signature in [String::new(), sign("{}")] {
            let answer = Answer { status, body: body.into(), signature, ..Answer::default() };
            let parsed = read(&answer, &question);
            assert_eq!((word(&parsed.outcome).as_str(), parsed.signed_by), (expected, None), "{status} {body}");
        }
    }
    assert_eq!(
        word(&read_signed(denial, String::new()).outcome),
        "Untrusted",
        "an unsigned no is not a verdict either"
    );
}

#[test]
fn an_unsigned_answer_is_dated_by_its_date_header() {
    let (key, trusted) = (key(), TrustedKeys::default());
    let question = Question { key: &key, key_sha256: "k", server_id: "s", nonce: Some("n"), trusted: &trusted };
    let date = Timestamp::parse_rfc3339("2026-03-01T00:00:00Z");
    let answer = Answer { status: 200, body: GRANT.into(), date, ..Answer::default() };
    assert_eq!(read(&answer, &question).issued_at, date);
}

#[test]
fn retry_after_is_passed_on() {
    let (key, trusted) = (key(), TrustedKeys::default());
    let question = Question { key: &key, key_sha256: "k", server_id: "s", nonce: None, trusted: &trusted };
    let answer = Answer { status: 503, retry_after: Some(Duration::from_secs(90)), ..Answer::default() };
    let Outcome::Inconclusive(failure) = read(&answer, &question).outcome else { panic!() };
    assert_eq!(failure.retry_after, Some(Duration::from_secs(90)));
}
