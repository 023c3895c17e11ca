//! Hostile and broken clients of 127.0.0.1:7443, over raw sockets, against the real daemon.

mod attacks;
mod connections;
mod framing;
mod ignored_answers;
mod refusals;
mod signatures;

use crate::support::agent::Agent;
use crate::support::http::{PROMPTLY, Response};
use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A write with a body limit of 1 MiB, and a read with a limit of 64 KiB. Neither operation is implemented.
const LARGE_WRITE: &str = "/autoresponder/set";
const SMALL_READ: &str = "/analytics/live";

const STATUS: &str = "/license/status";

/// How far a daemon on a loaded machine can exceed its own limits.
const SLACK: Duration = Duration::from_secs(15);

/// A status and the `error` in its body.
type Refusal = (u16, &'static str);

const BAD_REQUEST: Refusal = (400, "bad_request");
const SIGNATURE_MISSING: Refusal = (401, "signature_missing");
const SIGNATURE_INVALID: Refusal = (401, "signature_invalid");
const TIMESTAMP_OUTSIDE_WINDOW: Refusal = (401, "timestamp_outside_window");
const LICENSE_REQUIRED: Refusal = (403, "license_required");
const FORBIDDEN_ORIGIN: Refusal = (403, "forbidden_origin");
const NOT_FOUND: Refusal = (404, "not_found");
const METHOD_NOT_ALLOWED: Refusal = (405, "method_not_allowed");
const REQUEST_TIMEOUT: Refusal = (408, "request_timeout");
const BODY_TOO_LARGE: Refusal = (413, "body_too_large");
const UNKNOWN_HOST: Refusal = (421, "unknown_host");
const HEAD_TOO_LARGE: Refusal = (431, "head_too_large");
/// The response to a signed and licensed call of an operation that is not implemented: it passed all checks.
const NOT_IMPLEMENTED: Refusal = (501, "not_implemented");
const TRANSFER_ENCODING_NOT_SUPPORTED: Refusal = (501, "transfer_encoding_not_supported");
const HTTP_VERSION_NOT_SUPPORTED: Refusal = (505, "http_version_not_supported");

/// Sends a request on a new connection and expects this error.
fn check(agent: &Agent, request: impl Into<Vec<u8>>, refusal: Refusal) -> Response {
    let response = agent.fetch(request);
    assert_refused(&response, refusal);
    response
}

/// The same, and the daemon must close the connection: it cannot know where the next request begins.
fn check_and_closed(agent: &Agent, request: impl Into<Vec<u8>>, refusal: Refusal) {
    let mut connection = agent.send(request);
    let response = connection.receive(PROMPTLY);
    let response = response.unwrap_or_else(|error| panic!("no {refusal:?}: {error}"));
    assert_refused(&response, refusal);
    assert!(connection.ends(PROMPTLY), "open, or more came, after {refusal:?}");
}

fn assert_refused(response: &Response, (status, error): Refusal) {
    let answer = assert_error_body(response);
    assert_eq!((response.status, answer["code"].as_str()), (status, Some(error)), "{answer}");
}

/// Every error is a JSON object with strings `error`, `code` and `message`; the Panel shows the first.
fn assert_error_body(response: &Response) -> serde_json::Value {
    let kind = response.header("Content-Type").unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{}", response.head_text());
    let answer = response.json();
    for field in ["error", "code", "message"] {
        let text = answer[field].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{} without {field}: {answer}", response.status);
    }
    answer
}

fn get_as(version: &str) -> String {
    format!("GET {STATUS} {version}\r\nHost: localhost\r\n\r\n")
}

fn post_of_length(target: &str, length: impl std::fmt::Display) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n")
}
