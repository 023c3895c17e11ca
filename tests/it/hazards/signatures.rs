//! Signatures and the license gate.

use super::{
    LARGE_WRITE, LICENSE_REQUIRED, NOT_IMPLEMENTED, SIGNATURE_INVALID, SIGNATURE_MISSING, SMALL_READ,
    TIMESTAMP_OUTSIDE_WINDOW, assert_error_body, check,
};
use crate::support::agent::Agent;
use crate::support::http::{self, Request, Response, SECRET};
use crate::support::{SOON, eventually};
use time::OffsetDateTime;

#[test]
fn the_tests_sign_as_the_panel_does() {
    let domain = r#"{"domain":"example.com","document_root":"\/home\/alice\/example.com\/public_html","username":"alice","php_version":"8.4"}"#;
    let account = r#"{"username":"alice","domains":["b\u00fccher.example"],"databases":[]}"#;
    // contract.md §1.10, generated with PHP.
    #[rustfmt::skip]
    let vectors = [
        ("POST", "/domains/create", domain, "106b12f3efc46aced343cf51d7af6c9d78cddca48e1e2f9912662ae01edd13c0"),
        ("POST", "/stats/server", "", "2932c82684a07527210dc40f56307839cc1afc8976bb977694ec5595738fd308"),
        ("GET", "/ssl/wildcard/progress?domain=x", "", "c3637d69e5c6f33c2aec04787b2f895ea6a15cc1dccefeec404f82e7e407f7d3"),
        ("POST", "/files/upload", "", "04f2449eee3566fd1d403ef8253b905c5b8c6a73775cdc6945fac808af0a4452"),
        ("POST", "/stats/account", account, "e57eb182dbc8c3f78fb4f85eb66fe4a468bdb94e6c275a65a0e7e8613cd6701c"),
        ("POST", "/terminal/connect?a=b", "ls\r", "952302c90e29b0ab3290e84ef4a7621231837782f63e70a36b6ee958c91b41e0"),
    ];
    let noon = http::timestamp(OffsetDateTime::from_unix_timestamp(1_777_636_800).unwrap());
    assert_eq!(noon, "2026-05-01T12:00:00+00:00");
    for (method, target, body, expected) in vectors {
        let signature = http::signature(SECRET, &noon, method, target, body.as_bytes());
        assert_eq!(signature, expected, "{method} {target}");
    }
}

#[test]
fn a_signed_request_can_be_repeated() {
    let agent = Agent::licensed();
    for request in [
        Request::post(SMALL_READ),
        Request::post(SMALL_READ).body("{}"),
        Request::post("/git/log").body(r#"{"username":"alice","path":"\/home\/alice"}"#),
        Request::post(LARGE_WRITE).body(r#"{"username":"alice","path":"b\u00fccher"}"#),
        Request::post("/git/clone").body([0xff, 0x00, 0x0d, 0x0a]),
        Request::get("/update/log"),
    ] {
        let signed = request.signed();
        // The Panel normally sends identical signatures within one second.
        for _ in 0..3 {
            check(&agent, &signed, NOT_IMPLEMENTED);
        }
    }
}

#[test]
fn a_request_without_a_signature_is_refused() {
    let agent = Agent::licensed();
    let now = http::timestamp(OffsetDateTime::now_utc());
    let signature = http::signature(SECRET, &now, "POST", SMALL_READ, b"");
    let post = Request::post(SMALL_READ);
    check(&agent, post.clone().header("X-Signature", &signature), SIGNATURE_MISSING);
    check(&agent, post.header("X-Timestamp", &now), SIGNATURE_MISSING);
    for target in [LARGE_WRITE, SMALL_READ, "/files/upload", "/account/delete"] {
        check(&agent, Request::post(target).body("{}"), SIGNATURE_MISSING);
    }
    for target in ["/version", "/update/log", "/backup/download?filename=x"] {
        check(&agent, Request::get(target), SIGNATURE_MISSING);
    }
}

#[test]
fn a_wrong_signature_is_refused() {
    let agent = Agent::licensed();
    let now = http::timestamp(OffsetDateTime::now_utc());
    let sign = |secret: &str, method: &str, path: &str, body: &[u8]| http::signature(secret, &now, method, path, body);
    let with = |signature: &str| {
        let request = Request::post(SMALL_READ).body("{}");
        request.header("X-Timestamp", &now).header("X-Signature", signature)
    };
    let right = sign(SECRET, "POST", SMALL_READ, b"{}");
    check(&agent, with(&right), NOT_IMPLEMENTED);
    for signature in [
        sign("", "POST", SMALL_READ, b"{}"),
        sign(&SECRET[1..], "POST", SMALL_READ, b"{}"),
        sign(SECRET, "GET", SMALL_READ, b"{}"),
        sign(SECRET, "POST", LARGE_WRITE, b"{}"),
        sign(SECRET, "POST", SMALL_READ, b""),
        sign(SECRET, "POST", SMALL_READ, b"{ }"),
        http::signature(SECRET, "", "POST", SMALL_READ, b"{}"),
        right[..63].to_owned(),
        format!("{right}00"),
        format!("sha256={right}"),
        "0".repeat(64),
        "g".repeat(64),
        "\u{e9}".repeat(32),
    ] {
        eprintln!("X-Signature: {signature}");
        check(&agent, with(&signature), SIGNATURE_INVALID);
    }
}

#[test]
fn a_body_changed_on_the_way_is_refused() {
    let agent = Agent::licensed();
    let signed = Request::post(LARGE_WRITE).body(r#"{"path":"a"}"#).signed();
    check(&agent, signed.body(r#"{"path":"b"}"#), SIGNATURE_INVALID);
    let signed_as_empty = Request::post(LARGE_WRITE).signed();
    check(&agent, signed_as_empty.body("{}"), SIGNATURE_INVALID);
}

/// A request whose signature the Agent can accept only after the second in which it started.
fn fetch_later(agent: &Agent, request: impl Fn() -> Request) -> Response {
    let mut response = agent.fetch(request());
    assert!(eventually(SOON, || {
        let again = response.text().contains("signature_used");
        if again {
            response = agent.fetch(request());
        }
        !again
    }));
    response
}

#[test]
fn only_an_upload_can_be_signed_with_an_empty_body_and_only_once() {
    let agent = Agent::licensed();
    let upload = || Request::new("POST", "/files/upload").header("Content-Type", "multipart/form-data; boundary=x");
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n/a\r\n--x--\r\n";
    let response = fetch_later(&agent, || upload().signed().body(multipart));
    assert_eq!(response.status, 422, "{}", response.text());
    check(&agent, upload().body(multipart).signed(), SIGNATURE_INVALID);
    check(&agent, upload().body("other").signed().body(multipart), SIGNATURE_INVALID);
    let captured = upload().signed_at(OffsetDateTime::now_utc() + time::Duration::seconds(2));
    assert_eq!(agent.fetch(captured.clone().body(multipart)).status, 422);
    for body in [multipart, "--x--"] {
        check(&agent, captured.clone().body(body), (401, "signature_used"));
    }
    // Other calls on this path are signed like all others.
    let call = Request::post("/files/upload");
    check(&agent, call.clone().signed().body("{}"), SIGNATURE_INVALID);
    check(&agent, call.body("{}").signed(), (422, "validation_failed"));
}

#[test]
fn a_timestamp_outside_the_window_is_refused() {
    let agent = Agent::licensed();
    let now = OffsetDateTime::now_utc();
    let after = |seconds| Request::post(SMALL_READ).signed_at(now + time::Duration::seconds(seconds));
    for seconds in [-200, 200] {
        check(&agent, after(seconds), NOT_IMPLEMENTED);
    }
    for seconds in [-400, 400, -86_400, 86_400] {
        check(&agent, after(seconds), TIMESTAMP_OUTSIDE_WINDOW);
    }
    let long_ago = Request::post(SMALL_READ).signed_with(SECRET, "2026-05-01T12:00:00+00:00");
    check(&agent, long_ago, TIMESTAMP_OUTSIDE_WINDOW);
}

#[test]
fn the_timestamp_is_hashed_verbatim() {
    let agent = Agent::licensed();
    let with = |timestamp: &str| Request::post(SMALL_READ).signed_with(SECRET, timestamp);
    let now = OffsetDateTime::now_utc();
    let utc = http::timestamp(now);
    let east = http::timestamp(now + time::Duration::HOUR);
    for (written, zone) in [(&utc, "Z"), (&utc, ".25Z"), (&east, "+01:00")] {
        check(&agent, with(&written.replace("+00:00", zone)), NOT_IMPLEMENTED);
    }
    for written in ["yesterday", "1777636800", "2026-05-01", "2026-13-01T12:00:00Z"] {
        let response = agent.fetch(with(written));
        assert_eq!(response.status, 401, "X-Timestamp: {written}");
        assert_error_body(&response);
    }
}

#[test]
fn without_a_license_writes_are_rejected_and_reads_are_not() {
    let agent = Agent::unlicensed();
    for target in [LARGE_WRITE, "/domains/create", "/account/delete", "/update/run"] {
        let request = Request::post(target).body("{}").signed();
        let answer = check(&agent, request, LICENSE_REQUIRED).json();
        assert_eq!(answer["reason"], "unreachable", "{answer}");
        assert!(answer["help"].as_str().is_some_and(|help| !help.is_empty()), "{answer}");
    }
    check(&agent, Request::post(SMALL_READ).signed(), NOT_IMPLEMENTED);
    check(&agent, Request::post("/git/log").body("{}").signed(), NOT_IMPLEMENTED);
    check(&agent, Request::get("/update/log").signed(), NOT_IMPLEMENTED);
    // Without a signature the response reveals nothing about the license.
    check(&agent, Request::post(LARGE_WRITE).body("{}"), SIGNATURE_MISSING);
    assert_eq!(agent.status()["valid"], false);
}
