//! Parsing of request heads into method, target and headers, or a refusal. Pure functions; stricter than RFC 9112 wherever
//! leniency has let two parties read different requests from the same bytes (request smuggling).

use std::mem::MaybeUninit;
use std::str::{self, FromStr};

use tiny_http::{HTTPVersion, Method};

use crate::limits::{MAX_HEAD, MAX_HEADERS};

/// Why a request was refused before it reached the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The head violates RFC 9112 or a stricter rule of this module.
    Malformed(&'static str),
    /// The head is longer than [`MAX_HEAD`] or has more than [`MAX_HEADERS`] headers.
    HeadTooLarge,
    /// The declared body length exceeds the route's limit.
    BodyTooLarge,
    /// The request has a `Transfer-Encoding`.
    TransferEncoding,
    /// The request expects something other than `100-continue`.
    Expectation,
    /// The version is neither HTTP/1.0 nor HTTP/1.1.
    Version,
    /// The request was not complete in time.
    TooSlow,
}

impl Refusal {
    /// Status, error code and message of the response.
    pub fn answer(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Malformed(sentence) => (400, "bad_request", sentence),
            Self::HeadTooLarge => (431, "head_too_large", "The request head exceeds 8 KiB or 64 headers."),
            Self::BodyTooLarge => (413, "body_too_large", "The request body is larger than this path accepts."),
            Self::TransferEncoding => (
                501,
                "transfer_encoding_not_supported",
                "Send the body with a Content-Length instead of a Transfer-Encoding.",
            ),
            Self::Expectation => (417, "expectation_failed", "The only supported expectation is 100-continue."),
            Self::Version => (505, "http_version_not_supported", "Use HTTP/1.1 or HTTP/1.0."),
            Self::TooSlow => (408, "request_timeout", "The request did not arrive within 10 seconds."),
        }
    }
}

/// The extent of a request within the bytes on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Length of the head in bytes, including the empty line.
    pub head_length: usize,
    /// Declared length of the body in bytes. No buffer is sized from it.
    pub body_length: u64,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    /// Whether the client wants the connection to stay open.
    pub keep_alive: bool,
}

impl Framing {
    /// Declared length of the whole request in bytes.
    pub fn length(&self) -> usize {
        usize::try_from(self.body_length).unwrap_or(usize::MAX).saturating_add(self.head_length)
    }
}

/// A request head, borrowed from the connection's buffer.
#[derive(Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: Method,
    /// The path: the target up to the first `?`, exactly as sent.
    pub path: &'a str,
    /// The query: the target after the first `?`.
    pub query: Option<&'a str>,
    /// 1.0 or 1.1.
    pub version: HTTPVersion,
    headers: &'a [httparse::Header<'a>],
}

/// Room for the headers of one request, lent to [`parse`]. Heads are parsed in place and never copied.
pub type Storage<'a> = [MaybeUninit<httparse::Header<'a>>; MAX_HEADERS];

/// Empty room.
pub const STORAGE: Storage<'static> = [const { MaybeUninit::uninit() }; MAX_HEADERS];

impl<'a> Head<'a> {
    /// All values of the header `name` (case-insensitive).
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    /// The value of the header `name`, if it occurs exactly once and is UTF-8.
    pub fn only(&self, name: &str) -> Option<&'a str> {
        let mut values = self.all(name);
        let value = values.next().filter(|_| values.next().is_none())?;
        str::from_utf8(value).ok()
    }
}

/// Looks for the end of the head in `bytes`. The first `seen` bytes have been searched before.
///
/// Returns the length of the head once its empty line has arrived.
///
/// # Errors
/// The head is already too long, or has a line that does not end with CR LF.
pub fn find_end(bytes: &[u8], seen: usize) -> Result<Option<usize>, Refusal> {
    let mut seen = seen;
    while let Some(offset) = bytes.get(seen..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
        seen = seen.saturating_add(offset).saturating_add(1);
        let line = bytes.get(..seen).unwrap_or_default();
        if line.len() > MAX_HEAD {
            return Err(Refusal::HeadTooLarge);
        }
        if !line.ends_with(b"\r\n") {
            return Err(Refusal::Malformed("A line of the request head does not end with CR LF."));
        }
        if line.ends_with(b"\r\n\r\n") {
            return Ok(Some(seen));
        }
    }
    if bytes.len() > MAX_HEAD { Err(Refusal::HeadTooLarge) } else { Ok(None) }
}

/// Parses the head that [`find_end`] found: `bytes` end with its empty line.
///
/// # Errors
/// The first rule that the head violates.
pub fn parse<'a>(bytes: &'a [u8], storage: &'a mut Storage<'a>) -> Result<(Head<'a>, Framing), Refusal> {
    check_bytes(bytes)?;
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, storage) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Refusal::Malformed("The request head is incomplete.")),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        Err(httparse::Error::Version) => return Err(Refusal::Version),
        Err(_) => return Err(Refusal::Malformed("The request head is not valid HTTP.")),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(Refusal::Malformed("The request line is incomplete."));
    };
    if !target.starts_with('/') {
        return Err(Refusal::Malformed("The request target must be a path that begins with a slash."));
    }
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let method = Method::from_str(method).map_err(|()| Refusal::Malformed("The method is not valid."))?;
    let head = Head { method, path, query, version: HTTPVersion(1, minor), headers: request.headers };
    let framing = framing(&head, bytes.len(), minor)?;
    Ok((head, framing))
}

/// Refuses control characters other than tab, a CR or LF alone, and folded lines (obs-fold).
fn check_bytes(bytes: &[u8]) -> Result<(), Refusal> {
    // Every head goes through here, so that the common case avoids a branch per byte.
    let control = bytes.iter().fold(false, |found, byte| found | is_control(*byte));
    let pairs = || bytes.iter().zip(bytes.iter().skip(1));
    let torn = pairs().fold(false, |found, (first, second)| found | ((*first == b'\r') != (*second == b'\n')));
    let folded = pairs().fold(false, |found, (first, second)| found | (*first == b'\n' && is_blank(*second)));
    if control {
        return Err(Refusal::Malformed("The request head contains a control character."));
    }
    if torn {
        return Err(Refusal::Malformed("The request head contains a carriage return without a line feed."));
    }
    if folded || bytes.first().is_some_and(|first| is_blank(*first)) {
        return Err(Refusal::Malformed("A header line starts with whitespace."));
    }
    Ok(())
}

fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\r' && byte != b'\n' && byte != b'\t') || byte == 0x7f
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn framing(head: &Head<'_>, head_length: usize, minor: u8) -> Result<Framing, Refusal> {
    if head.all("transfer-encoding").next().is_some() {
        return Err(Refusal::TransferEncoding);
    }
    if head.all("host").count() > 1 || (minor == 1 && head.all("host").next().is_none()) {
        return Err(Refusal::Malformed("An HTTP/1.1 request must have exactly one Host header."));
    }
    let expects_continue = match head.all("expect").next() {
        None => false,
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => true,
        Some(_) => return Err(Refusal::Expectation),
    };
    let close = head
        .all("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
    Ok(Framing {
        head_length,
        body_length: body_length(head)?,
        expects_continue: expects_continue && minor == 1,
        keep_alive: minor == 1 && !close,
    })
}

/// The only `Content-Length`, digits only. A value that overflows is too large, whatever the limit is.
fn body_length(head: &Head<'_>) -> Result<u64, Refusal> {
    let mut values = head.all("content-length");
    let Some(value) = values.next() else { return Ok(0) };
    if values.next().is_some() {
        return Err(Refusal::Malformed("The request has more than one Content-Length header."));
    }
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Malformed("The Content-Length is not a number."));
    }
    str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).ok_or(Refusal::BodyTooLarge)
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
