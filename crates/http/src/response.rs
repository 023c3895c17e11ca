//! Responses, encoded by tiny_http into a buffer. No header ever contains bytes from a client.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use tiny_http::{HTTPVersion, Header, StatusCode};

use crate::head::Refusal;
use crate::tail::Tail;
use opterius_base::clock::Timestamp;

/// The media type of all responses except pages and metrics.
pub const JSON: &str = "application/json";
/// The media type of pages.
pub const HTML: &str = "text/html; charset=utf-8";

/// A response, before encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// Additional headers. Names and values must not contain client data.
    pub headers: Vec<(&'static str, String)>,
    /// The body, shared so that a service can cache it.
    pub body: Arc<Vec<u8>>,
    /// What follows the body.
    pub tail: Option<Arc<Tail>>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    code: &'a str,
    message: &'a str,
}

impl Response {
    /// A response with `value` as JSON.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        // Our own types always serialize; if one did not, an empty object is still JSON.
        let body = serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec());
        Self { status, content_type: JSON, headers: Vec::new(), body: Arc::new(body), tail: None }
    }

    /// A response with a text of this media type.
    pub fn text(status: u16, content_type: &'static str, text: String) -> Self {
        Self { status, content_type, headers: Vec::new(), body: Arc::new(text.into_bytes()), tail: None }
    }

    /// `{"error": message, "code": code, "message": message}`, the form of every error. A client such as the Panel shows
    /// `error` and nothing else, so it is the sentence.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &ErrorBody { error: message, code, message })
    }

    /// The response to a request that was refused before it reached the service.
    pub fn refusal(refusal: Refusal) -> Self {
        let (status, code, message) = refusal.answer();
        Self::error(status, code, message)
    }

    /// A file, to be saved under this name, which must not contain client data. The connection closes after it.
    pub fn file(name: &str, tail: Tail) -> Self {
        let headers = vec![("Content-Disposition", format!("attachment; filename=\"{name}\""))];
        let (content_type, body) = ("application/octet-stream", Arc::default());
        Self { status: 200, content_type, headers, body, tail: Some(Arc::new(tail)) }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Encodes responses. Most responses within a second have the same head, so the last one is cached.
#[derive(Debug)]
pub struct Encoder {
    server: &'static str,
    date: Timestamp,
    last: Option<CachedHead>,
}

/// What a head without additional headers depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HeadKey {
    status: u16,
    content_type: &'static str,
    length: usize,
    close: bool,
    date: Timestamp,
}

#[derive(Debug)]
struct CachedHead {
    key: HeadKey,
    head: Vec<u8>,
}

impl Encoder {
    /// An encoder with this `Server` header, and this `Date` until [`Encoder::set_date`] changes it.
    pub fn new(server: &'static str, date: Timestamp) -> Self {
        Self { server, date, last: None }
    }

    /// Sets the `Date` of the following responses.
    pub fn set_date(&mut self, date: Timestamp) {
        self.date = date;
    }

    /// Appends the encoded response to `outgoing`.
    pub fn encode(&mut self, response: &Response, close: bool, without_body: bool, outgoing: &mut Vec<u8>) {
        let Response { status, content_type, headers, body, tail } = response;
        let tail = tail.as_ref().map_or(0, |tail| usize::try_from(tail.length()).unwrap_or(usize::MAX));
        let length = body.len().saturating_add(tail);
        let key = HeadKey { status: *status, content_type, length, close, date: self.date };
        if headers.is_empty() {
            let cached = match self.last.take_if(|cached| cached.key == key) {
                Some(cached) => cached,
                None => CachedHead { key, head: head(self.server, key, headers) },
            };
            outgoing.extend_from_slice(&cached.head);
            self.last = Some(cached);
        } else {
            outgoing.extend_from_slice(&head(self.server, key, headers));
        }
        if !without_body {
            outgoing.extend_from_slice(body);
        }
    }
}

/// Parses an HTTP date (RFC 9110 §5.6.7).
pub fn parse_date(text: &str) -> Option<Timestamp> {
    let instant = httpdate::parse_http_date(text).ok()?;
    let since_epoch = instant.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_secs()).ok().map(Timestamp::from_unix)
}

/// The HTTP date (RFC 9110 §5.6.7).
pub fn format_date(date: Timestamp) -> String {
    let since_epoch = Duration::from_secs(u64::try_from(date.unix()).unwrap_or(0));
    httpdate::fmt_http_date(UNIX_EPOCH.checked_add(since_epoch).unwrap_or(UNIX_EPOCH))
}

/// The head, as encoded by tiny_http.
fn head(server: &'static str, key: HeadKey, own: &[(&'static str, String)]) -> Vec<u8> {
    let date = format_date(key.date);
    let usual = [
        ("Date", date.as_str()),
        ("Server", server),
        ("Content-Type", key.content_type),
        ("Cache-Control", "no-store"),
    ];
    let mut headers = Vec::with_capacity(8);
    headers.extend(usual.into_iter().flat_map(|(name, value)| Header::from_bytes(name, value)));
    headers.extend(own.iter().flat_map(|(name, value)| Header::from_bytes(*name, value.as_str())));
    let response = tiny_http::Response::new(StatusCode(key.status), headers, std::io::empty(), Some(key.length), None);
    let mut bytes = Vec::with_capacity(256);
    // Writing to a Vec cannot fail.
    let _ = response.with_chunked_threshold(usize::MAX).raw_print(&mut bytes, HTTPVersion(1, 1), &[], true, None);
    if key.close {
        insert_connection_close(&mut bytes);
    }
    bytes
}

/// Inserts `Connection: close` after the status line, because tiny_http does not let callers set that header.
fn insert_connection_close(bytes: &mut Vec<u8>) {
    if let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let after = end.saturating_add(2);
        bytes.splice(after..after, *b"Connection: close\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(response: Response, close: bool, without_body: bool) -> String {
        let date = Timestamp::from_unix(1_772_323_200);
        let mut encoder = Encoder::new("a-server", date);
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        encoder.encode(&response, close, without_body, &mut bytes);
        encoder.encode(&response, close, without_body, &mut again);
        assert_eq!(bytes, again, "the cached head is the same");
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_response_has_its_length_and_forbids_caching() {
        let text = encoded(Response::error(404, "not_found", "No."), false, false);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert!(head.contains("Content-Length: 50") && head.contains("Content-Type: application/json"), "{head}");
        assert!(
            head.contains("Cache-Control: no-store") && head.contains("Date: Sun, 01 Mar 2026 00:00:00 GMT"),
            "{head}"
        );
        assert!(!head.contains("Connection") && head.contains("Server: a-server\r\n"), "{head}");
        assert_eq!(body, r#"{"error":"No.","code":"not_found","message":"No."}"#);
    }

    #[test]
    fn a_large_response_is_never_chunked() {
        let body = Arc::new(vec![b'a'; 100_000]);
        let response = Response { status: 200, content_type: JSON, headers: Vec::new(), body, tail: None };
        let text = encoded(response, true, false);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\nConnection: close\r\n"), "{}", &text[..200]);
        assert!(text.contains("Content-Length: 100000") && !text.contains("chunked"));
    }

    #[test]
    fn a_response_to_head_has_the_length_but_no_body() {
        let text = encoded(Response::error(404, "not_found", "No."), false, true);
        assert!(text.ends_with("\r\n\r\n") && text.contains("Content-Length: 50"), "{text}");
    }
}
