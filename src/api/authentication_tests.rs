use std::net::Ipv4Addr;

use super::*;
use opterius_http::head::{STORAGE, parse};
use opterius_http::traffic::Traffic;

/// The secret and timestamp of the test vectors, generated with PHP's `hash_hmac`.
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const TIMESTAMP: &str = "2026-05-01T12:00:00+00:00";

fn check(
    request_line: &str,
    headers: &str,
    body: &str,
    coverage: Coverage,
    now: &str,
    secret: &str,
) -> Result<(), Rejection> {
    let bytes = format!("{request_line} HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    let mut storage = STORAGE;
    let (head, _) = parse(bytes.as_bytes(), &mut storage).unwrap();
    let request =
        Request { head, body: body.as_bytes(), peer: Ipv4Addr::LOCALHOST.into(), traffic: &Traffic::default() };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let now = Timestamp::parse_rfc3339(now).unwrap();
    verify(&request, coverage, &key, now, Duration::from_secs(300)).map(drop)
}

fn signed(request_line: &str, body: &str, timestamp: &str, signature: &str) -> Result<(), Rejection> {
    let headers = format!("X-Timestamp: {timestamp}\r\nX-Signature: {signature}\r\n");
    let coverage = if request_line.contains("upload") { Coverage::NoBody } else { Coverage::Body };
    check(request_line, &headers, body, coverage, timestamp, SECRET)
}

#[test]
fn only_the_signatures_that_php_generates_are_accepted() {
    let vectors = [
        (
            "POST /domains/create",
            r#"{"domain":"example.com","document_root":"\/home\/alice\/example.com\/public_html","username":"alice","php_version":"8.4"}"#,
            TIMESTAMP,
            "106b12f3efc46aced343cf51d7af6c9d78cddca48e1e2f9912662ae01edd13c0",
        ),
        ("POST /stats/server", "", TIMESTAMP, "2932c82684a07527210dc40f56307839cc1afc8976bb977694ec5595738fd308"),
        (
            "GET /ssl/wildcard/progress?domain=x",
            "",
            TIMESTAMP,
            "c3637d69e5c6f33c2aec04787b2f895ea6a15cc1dccefeec404f82e7e407f7d3",
        ),
        (
            "POST /files/upload",
            "--boundary\r\n",
            TIMESTAMP,
            "04f2449eee3566fd1d403ef8253b905c5b8c6a73775cdc6945fac808af0a4452",
        ),
        (
            "POST /stats/account",
            r#"{"username":"alice","domains":["b\u00fccher.example"],"databases":[]}"#,
            TIMESTAMP,
            "e57eb182dbc8c3f78fb4f85eb66fe4a468bdb94e6c275a65a0e7e8613cd6701c",
        ),
        (
            "POST /terminal/connect?username=a&token=b",
            "ls\r",
            TIMESTAMP,
            "952302c90e29b0ab3290e84ef4a7621231837782f63e70a36b6ee958c91b41e0",
        ),
        (
            "POST /account/create",
            r#"{"username":"alice","domain":"alice.example.com"}"#,
            "2026-04-08T14:32:00Z",
            "bd1f0f901d8ede0a137c600c00e02222defd7a6bfb4821adf53a47bb2f0b132f",
        ),
    ];
    for (request_line, body, timestamp, signature) in vectors {
        assert_eq!(signed(request_line, body, timestamp, signature), Ok(()), "{request_line}");
        for index in 0..signature.len() {
            let mut changed = signature.to_owned().into_bytes();
            changed[index] = if changed[index] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                signed(request_line, body, timestamp, &changed),
                Err(Rejection::Wrong),
                "{request_line} digit {index}"
            );
        }
        let other_path = request_line
            .replace("/s", "/t")
            .replace("/d", "/t")
            .replace("/f", "/t")
            .replace("/terminal", "/x")
            .replace("/account", "/x");
        assert_eq!(signed(&other_path, body, timestamp, signature), Err(Rejection::Wrong), "{other_path}");
        if !request_line.contains("upload") {
            assert_eq!(
                signed(request_line, &format!("{body} "), timestamp, signature),
                Err(Rejection::Wrong),
                "{request_line}"
            );
        }
    }
}

#[test]
fn a_signature_is_64_lowercase_hex_digits() {
    let good = "2932c82684a07527210dc40f56307839cc1afc8976bb977694ec5595738fd308";
    for bad in
        [good.to_uppercase(), good[..62].to_owned(), format!("{good}00"), format!("{}zz", &good[..62]), "0".to_owned()]
    {
        assert_eq!(signed("POST /stats/server", "", TIMESTAMP, &bad), Err(Rejection::Wrong), "{bad}");
    }
}

#[test]
fn the_window_is_five_minutes_in_both_directions() {
    let headers = format!(
        "X-Timestamp: {TIMESTAMP}\r\nX-Signature: 2932c82684a07527210dc40f56307839cc1afc8976bb977694ec5595738fd308\r\n"
    );
    let table = [
        ("2026-05-01T12:00:00Z", Ok(())),
        ("2026-05-01T12:05:00Z", Ok(())),
        ("2026-05-01T11:55:00Z", Ok(())),
        ("2026-05-01T12:05:01Z", Err(Rejection::TimestampOutsideWindow(-301))),
        ("2026-05-01T11:54:59Z", Err(Rejection::TimestampOutsideWindow(301))),
    ];
    for (now, expected) in table {
        assert_eq!(check("POST /stats/server", &headers, "", Coverage::Body, now, SECRET), expected, "{now}");
    }
}

#[test]
fn missing_or_repeated_headers_are_rejected() {
    let signature = "X-Signature: 2932c82684a07527210dc40f56307839cc1afc8976bb977694ec5595738fd308\r\n";
    let timestamp = format!("X-Timestamp: {TIMESTAMP}\r\n");
    let table = [
        (String::new(), Rejection::Missing),
        (signature.to_owned(), Rejection::Missing),
        (timestamp.clone(), Rejection::Missing),
        (format!("{signature}{signature}{timestamp}"), Rejection::Missing),
        (format!("{signature}{timestamp}{timestamp}"), Rejection::Missing),
        (format!("{signature}X-Timestamp: 1777636800\r\n"), Rejection::TimestampMalformed),
        (format!("{signature}X-Timestamp: \r\n"), Rejection::TimestampMalformed),
        (format!("X-Signature: \r\n{timestamp}"), Rejection::Wrong),
    ];
    for (headers, expected) in table {
        assert_eq!(
            check("POST /stats/server", &headers, "", Coverage::Body, TIMESTAMP, SECRET),
            Err(expected),
            "{headers}"
        );
    }
}

#[test]
fn the_secret_is_used_as_text() {
    let headers = format!(
        "X-Timestamp: {TIMESTAMP}\r\nX-Signature: 2932c82684a07527210dc40f56307839cc1afc8976bb977694ec5595738fd308\r\n"
    );
    for secret in ["0123456789abcdef", "another secret"] {
        let checked = check("POST /stats/server", &headers, "", Coverage::Body, TIMESTAMP, secret);
        assert_eq!(checked, Err(Rejection::Wrong), "{secret}");
    }
}

#[test]
fn every_rejection_has_a_helpful_message() {
    let rejections = [
        Rejection::Missing,
        Rejection::TimestampMalformed,
        Rejection::TimestampOutsideWindow(-400),
        Rejection::TimestampOutsideWindow(400),
        Rejection::Wrong,
    ];
    for rejection in rejections {
        assert_eq!(rejection.answer().status, 401);
        assert!(rejection.message().ends_with('.'), "{rejection:?}");
    }
    assert!(Rejection::TimestampOutsideWindow(-400).message().contains("400 s behind"));
}
