//! One HTTP request to a receiver, and as much of its answer as matters: the status, and the beginning of what it says.
//!
//! The end of an answer is never waited for, so neither an endless body nor a wrong length holds anything up. Redirects are
//! answers like any other.

use std::io::ErrorKind;

use super::connection::words;
use super::target::Target;
use opterius_base::stream::Stream;
use opterius_base::text::one_line;

/// The longest head of an answer, in bytes, and the most headers in it.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// How much is read at once, in bytes.
const READ: usize = 2048;

/// How much of the body is read, in bytes, and shown, in characters.
const MAX_BODY: usize = 1024;
const MAX_EXCERPT: usize = 200;

/// A receiver's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The beginning of the body: one safe line.
    pub excerpt: String,
}

impl Answer {
    /// Whether the receiver has accepted the event.
    pub fn is_accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends a POST request with these headers and this body, and reads the answer.
///
/// # Errors
/// Why there is no answer, in words.
pub fn post(
    stream: &mut dyn Stream,
    target: &Target,
    headers: &[(&str, String)],
    body: &[u8],
) -> Result<Answer, String> {
    let mut request = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", target.path, target.authority);
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()));
    let sent = stream.write_all(&[request.as_bytes(), body].concat()).and_then(|()| stream.flush());
    // A receiver may answer, such as 413, before it has read everything.
    let answer = read_answer(stream);
    match (sent, answer) {
        (Err(error), Err(_)) => Err(format!("sending the request: {}", words(&error))),
        (_, answer) => answer,
    }
}

/// The head of an answer.
struct Head {
    status: u16,
    /// Where the body begins.
    end: usize,
    is_chunked: bool,
    length: Option<usize>,
}

fn read_answer(stream: &mut dyn Stream) -> Result<Answer, String> {
    let mut received = Vec::new();
    let head = loop {
        match parse(&received)? {
            // An interim answer: the real one follows.
            Some(head) if head.status < 200 => {
                received.drain(..head.end);
            }
            Some(head) => break head,
            None if received.len() >= MAX_HEAD => {
                return Err(format!("the answer's head is longer than {MAX_HEAD} bytes"));
            }
            None => {
                if read_some(stream, &mut received, MAX_HEAD)? == 0 {
                    let what = if received.is_empty() { "an answer" } else { "the end of its head" };
                    return Err(format!("the receiver closed the connection before {what}"));
                }
            }
        }
    };
    let mut body = received.split_off(head.end.min(received.len()));
    let is_accepted = (200..300).contains(&head.status);
    // What an accepting receiver says does not matter; what a refusing one says helps its operator.
    let wanted = if is_accepted { 0 } else { head.length.unwrap_or(MAX_BODY).min(MAX_BODY) };
    while body.len() < wanted {
        match read_some(stream, &mut body, MAX_BODY) {
            Ok(count) if count > 0 => {}
            _ => break,
        }
    }
    Ok(Answer { status: head.status, excerpt: excerpt(&body, head.is_chunked) })
}

/// Reads what is there, up to `limit` bytes in all; returns the count.
fn read_some(stream: &mut dyn Stream, received: &mut Vec<u8>, limit: usize) -> Result<usize, String> {
    let mut buffer = [0; READ];
    let room = limit.saturating_sub(received.len()).min(buffer.len());
    let buffer = buffer.get_mut(..room).unwrap_or_default();
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("reading the answer: {}", words(&error))),
            Ok(count) => {
                received.extend_from_slice(buffer.get(..count).unwrap_or_default());
                return Ok(count);
            }
        }
    }
}

/// Parses a complete head; `None` if more of it is to come.
fn parse(received: &[u8]) -> Result<Option<Head>, String> {
    // Only what has just arrived can complete a head. Parsing all of it after each byte of a slow receiver would cost the
    // square of its length.
    let tail = received.get(received.len().saturating_sub(READ.saturating_add(3))..).unwrap_or(received);
    let is_complete = tail.windows(3).any(|end| end == b"\n\r\n") || tail.windows(2).any(|end| end == b"\n\n");
    if !is_complete && received.len() < MAX_HEAD {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let wrong = || "what the receiver answers is not HTTP/1.1".to_owned();
    let httparse::Status::Complete(end) = response.parse(received).map_err(|_| wrong())? else { return Ok(None) };
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let is_chunked = header("transfer-encoding").is_some();
    let length = header("content-length").and_then(|length| length.trim().parse().ok());
    let status = response.code.filter(|code| (100..1000).contains(code)).ok_or_else(wrong)?;
    Ok(Some(Head { status, end, is_chunked, length }))
}

/// The beginning of a body as one safe line.
fn excerpt(body: &[u8], is_chunked: bool) -> String {
    let text = String::from_utf8_lossy(body);
    let text = match text.split_once("\r\n") {
        // The size of the first chunk.
        Some((_, rest)) if is_chunked => rest,
        _ => &text,
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    one_line(&words.join(" "), MAX_EXCERPT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Read, Write};

    /// A receiver that answers with these bytes, a few at a time, and then fails or ends.
    struct Script {
        answer: Vec<u8>,
        piece: usize,
        ends: bool,
        request: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.piece.min(self.answer.len()).min(buffer.len());
            if count == 0 && !self.ends {
                return Err(ErrorKind::TimedOut.into());
            }
            buffer[..count].copy_from_slice(&self.answer[..count]);
            self.answer.drain(..count);
            Ok(count)
        }
    }

    impl Write for Script {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.request.extend_from_slice(buffer);
            Ok(buffer.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn answer(text: &str, piece: usize, ends: bool) -> Result<Answer, String> {
        let target = Target {
            host: "shop.example.com".to_owned(),
            port: 8443,
            authority: "shop.example.com:8443".to_owned(),
            path: "/hook?a=b".to_owned(),
            is_plain: false,
        };
        let mut script = Script { answer: text.as_bytes().to_vec(), piece, ends, request: Vec::new() };
        let answer = post(&mut script, &target, &[("Opterius-Event-Id", "evt_1".to_owned())], b"{}");
        let expected = "POST /hook?a=b HTTP/1.1\r\nHost: shop.example.com:8443\r\nOpterius-Event-Id: evt_1\r\n\
                        Content-Length: 2\r\nConnection: close\r\n\r\n{}";
        assert_eq!(String::from_utf8(script.request).unwrap(), expected);
        answer
    }

    #[test]
    fn only_the_status_and_the_beginning_of_the_body_count() {
        let endless = format!("HTTP/1.1 500 Oops\r\n\r\n{}", "x".repeat(1_000_000));
        let excerpt = format!("{}…", "x".repeat(199));
        let table = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
            ("HTTP/1.0 202 Accepted\n\n", 202, ""),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", 200, ""),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nab", 200, "ab"),
            ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\n\r\n", 201, ""),
            ("HTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/\r\n\r\n", 301, ""),
            ("HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 500, "hello 0"),
            ("HTTP/1.1 400 Bad\r\nContent-Length: 16\r\n\r\n<b>\u{1b}[2J\r\n a\u{7}b</b>", 400, "<b> [2J a b</b>"),
            (&endless, 500, &excerpt),
        ];
        for (text, status, excerpt) in table {
            for piece in [usize::MAX, 7, 1] {
                let answer = answer(text, piece, false).expect(text);
                assert_eq!(answer.status, status, "{text}");
                assert!(piece < 100 || answer.excerpt == excerpt, "{}: {text}", answer.excerpt);
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_a_failure() {
        let endless_head = format!("HTTP/1.1 200 OK\r\n{}", "X-Header: y\r\n".repeat(10_000));
        let long_header = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(1_000_000));
        let table = [
            ("", true, "closed the connection before an answer"),
            ("HTTP/1.1 200 OK\r\n", true, "closed the connection before the end of its head"),
            ("HTTP/1.1 200 OK\r\n", false, "no answer in time"),
            ("", false, "no answer in time"),
            ("SSH-2.0-OpenSSH_9.2\r\n\r\n", false, "not HTTP"),
            ("HTTP/1.1 099 Low\r\n\r\n", false, "not HTTP"),
            (&endless_head, false, "head"),
            (&long_header, false, "longer than"),
        ];
        for (text, ends, expected) in table {
            for piece in [usize::MAX, 7] {
                let sentence = answer(text, piece, ends).expect_err(text);
                assert!(sentence.contains(expected) || sentence.contains("not HTTP"), "{sentence}");
            }
        }
    }
}
