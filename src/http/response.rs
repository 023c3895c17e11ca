//! Answers, encoded by tiny_http into a buffer. Nothing that a client sent is ever put into a header.

use std::io::Cursor;

use serde::Serialize;
use tiny_http::{HTTPVersion, Header, StatusCode};

use crate::http::head::Refusal;

/// The media type of all answers but pages and metrics.
pub const JSON: &str = "application/json";

/// An answer before it is bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// Further headers; both sides are ours.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    message: &'a str,
}

impl Response {
    /// An answer with `value` as JSON.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        // Our own types always serialize; were one not to, an empty object is still JSON.
        let body = serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec());
        Self { status, content_type: JSON, headers: Vec::new(), body }
    }

    /// `{"error": code, "message": sentence}`, the form of every error.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &ErrorBody { error: code, message })
    }

    /// The answer to a request that was refused before it was looked at.
    pub fn refusal(refusal: Refusal) -> Self {
        let (status, code, message) = refusal.answer();
        Self::error(status, code, message)
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The bytes on the wire.
    pub fn encode(self, close: bool, without_body: bool) -> Vec<u8> {
        let mut headers = Vec::with_capacity(self.headers.len().saturating_add(3));
        for (name, value) in
            [("Server", "opterius-agent"), ("Content-Type", self.content_type), ("Cache-Control", "no-store")]
        {
            headers.extend(Header::from_bytes(name, value));
        }
        for (name, value) in self.headers {
            headers.extend(Header::from_bytes(name, value));
        }
        let length = self.body.len();
        let mut bytes = Vec::with_capacity(length.saturating_add(256));
        let response =
            tiny_http::Response::new(StatusCode(self.status), headers, Cursor::new(self.body), Some(length), None);
        // A Vec takes whatever is written to it.
        let _ = response.with_chunked_threshold(usize::MAX).raw_print(
            &mut bytes,
            HTTPVersion(1, 1),
            &[],
            without_body,
            None,
        );
        if close {
            announce_close(&mut bytes);
        }
        bytes
    }
}

/// tiny_http keeps `Connection` to itself, so it is put behind the status line here.
fn announce_close(bytes: &mut Vec<u8>) {
    if let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let after = end.saturating_add(2);
        bytes.splice(after..after, *b"Connection: close\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(response: Response, close: bool, without_body: bool) -> String {
        String::from_utf8(response.encode(close, without_body)).unwrap()
    }

    #[test]
    fn an_answer_has_its_length_and_is_not_to_be_cached() {
        let text = encoded(Response::error(404, "not_found", "No."), false, false);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
        assert!(head.contains("Content-Length: 37") && head.contains("Content-Type: application/json"), "{head}");
        assert!(head.contains("Cache-Control: no-store") && head.contains("Date: "), "{head}");
        assert!(!head.contains("Connection"), "{head}");
        assert_eq!(body, r#"{"error":"not_found","message":"No."}"#);
    }

    #[test]
    fn a_large_answer_is_never_chunked() {
        let body = vec![b'a'; 100_000];
        let response = Response { status: 200, content_type: JSON, headers: Vec::new(), body };
        let text = encoded(response, true, false);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\nConnection: close\r\n"), "{}", &text[..200]);
        assert!(text.contains("Content-Length: 100000") && !text.contains("chunked"));
    }

    #[test]
    fn an_answer_to_head_has_the_length_but_not_the_body() {
        let text = encoded(Response::error(404, "not_found", "No."), false, true);
        assert!(text.ends_with("\r\n\r\n") && text.contains("Content-Length: 37"), "{text}");
    }
}
