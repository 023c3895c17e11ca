//! Request signatures: whatever a client sends in the two headers, a request is accepted only with the correct signature of
//! exactly these bytes, and a timestamp within the window.

use std::net::Ipv4Addr;
use std::time::Duration;

use opterius_agent::api::authentication::{Coverage, verify};
use opterius_base::clock::Timestamp;
use opterius_base::hex::hex;
use opterius_http::head::{self, STORAGE};
use opterius_http::service::Request;
use opterius_http::traffic::Traffic;
use ring::hmac;

use super::input::{Input, with_a_changed_byte};

const SECRET: &[u8] = b"the secret of the fuzzers";
/// 2026-05-01T12:00:00Z.
const NOW: i64 = 1_777_636_800;
const WINDOW: i64 = 300;

/// The input is three bytes that select a change, then lines with timestamp, signature (or `sign` for the correct one) and
/// path, then the body.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let (place, bit) = (input.number(), input.byte());
    let (timestamp, given, path) = (input.line(), input.line(), input.line());
    let body = input.rest();
    let correct = signature(timestamp, path, body);
    let given = if given == b"sign" { correct.as_bytes() } else { given };
    if is_accepted(timestamp, given, path, body) == Some(true) {
        assert_eq!(given, correct.as_bytes(), "accepted with another signature");
        let signed_at = std::str::from_utf8(timestamp).ok().and_then(Timestamp::parse_rfc3339).expect("an instant");
        assert!((signed_at.unix() - NOW).abs() <= WINDOW, "accepted at {signed_at}");
        assert_eq!(Timestamp::parse_rfc3339(&signed_at.to_string()), Some(signed_at));
    }
    // Sign correctly, then change one byte of each part.
    let now = Timestamp::from_unix(NOW).to_string();
    let correct = signature(now.as_bytes(), path, body);
    if is_accepted(now.as_bytes(), correct.as_bytes(), path, body) != Some(true) {
        return;
    }
    let changed = |bytes: &[u8]| with_a_changed_byte(bytes, place, bit);
    for (what, result) in [
        ("timestamp", changed(now.as_bytes()).and_then(|now| is_accepted(&now, correct.as_bytes(), path, body))),
        (
            "signature",
            changed(correct.as_bytes()).and_then(|correct| is_accepted(now.as_bytes(), &correct, path, body)),
        ),
        ("path", changed(path).and_then(|path| is_accepted(now.as_bytes(), correct.as_bytes(), &path, body))),
        ("body", changed(body).and_then(|body| is_accepted(now.as_bytes(), correct.as_bytes(), path, &body))),
    ] {
        assert_ne!(result, Some(true), "a changed {what} is accepted");
    }
}

fn signature(timestamp: &[u8], path: &[u8], body: &[u8]) -> String {
    let message = [timestamp, b"POST", path, body].concat();
    hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), &message).as_ref())
}

/// Whether the request is accepted; none if these bytes do not parse as the intended head.
fn is_accepted(timestamp: &[u8], signature: &[u8], path: &[u8], body: &[u8]) -> Option<bool> {
    let bytes = [
        b"POST ",
        path,
        b" HTTP/1.1\r\nHost: localhost\r\nX-Timestamp: ",
        timestamp,
        b"\r\nX-Signature: ",
        signature,
        b"\r\n\r\n",
    ]
    .concat();
    let mut storage = STORAGE;
    let (head, _) = head::parse(&bytes, &mut storage).ok()?;
    let is_plain = |name, value: &[u8]| head.all(name).eq([value]);
    if head.path.as_bytes() != path || !is_plain("x-timestamp", timestamp) || !is_plain("x-signature", signature) {
        return None;
    }
    let request = Request { head, body, peer: Ipv4Addr::LOCALHOST.into(), traffic: &Traffic::default() };
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let window = Duration::from_secs(WINDOW.unsigned_abs());
    let verified = verify(&request, Coverage::Body, &key, Timestamp::from_unix(NOW), window);
    if let Err(rejection) = verified {
        assert_eq!(rejection.answer().status, 401);
    }
    Some(verified.is_ok())
}
