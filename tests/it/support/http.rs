//! An HTTP/1.1 client over raw sockets: requests are bytes, so that they can be malformed in any way, and responses are
//! read with a deadline.

use ring::hmac;
use rustix::net::sockopt::set_socket_linger;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// The shared secret of every test's Agent. It is used as text and not decoded from hexadecimal.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Time limit for immediate responses, on a loaded machine.
pub const PROMPTLY: Duration = Duration::from_secs(8);

/// A request under construction. It starts with a `Host` header; `bytes()` adds `Content-Length` if there is a body.
#[derive(Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Request {
        let host = ("Host".to_owned(), "127.0.0.1".to_owned());
        Request { method: method.to_owned(), target: target.to_owned(), headers: vec![host], body: Vec::new() }
    }

    pub fn get(target: &str) -> Request {
        Request::new("GET", target)
    }

    pub fn post(target: &str) -> Request {
        Request::new("POST", target).header("Content-Type", "application/json")
    }

    /// Adds a header, or replaces the `Host`.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        if name == "Host" {
            self.headers.retain(|(name, _)| name != "Host");
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    /// Signs like the Panel, with the current time. Set the body before.
    pub fn signed(self) -> Request {
        self.signed_at(OffsetDateTime::now_utc())
    }

    pub fn signed_at(self, instant: OffsetDateTime) -> Request {
        self.signed_with(SECRET, &timestamp(instant))
    }

    pub fn signed_with(self, secret: &str, timestamp: &str) -> Request {
        let signature = signature(secret, timestamp, &self.method, &self.target, &self.body);
        self.header("X-Timestamp", timestamp).header("X-Signature", &signature)
    }

    /// Request line, headers and the empty line.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl From<&Request> for Vec<u8> {
    fn from(request: &Request) -> Vec<u8> {
        request.bytes()
    }
}

impl From<Request> for Vec<u8> {
    fn from(request: Request) -> Vec<u8> {
        request.bytes()
    }
}

/// The Panel's timestamp: RFC 3339, whole seconds, `+00:00` and never `Z`.
pub fn timestamp(instant: OffsetDateTime) -> String {
    let (date, time) = (instant.date(), instant.time());
    let date = format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day());
    format!("{date}T{:02}:{:02}:{:02}+00:00", time.hour(), time.minute(), time.second())
}

/// HMAC-SHA256 over timestamp, method, path without query, and body, in lowercase hexadecimal.
pub fn signature(secret: &str, timestamp: &str, method: &str, target: &str, body: &[u8]) -> String {
    let path = target.split('?').next().unwrap_or(target);
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    for part in [timestamp.as_bytes(), method.as_bytes(), path.as_bytes(), body] {
        context.update(part);
    }
    context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Status line and headers, as received.
    pub head: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {:?}", self.text()))
    }

    /// Status line and headers as text, for messages and searches.
    pub fn head_text(&self) -> String {
        String::from_utf8_lossy(&self.head).into_owned()
    }

    /// Parses a complete response, whose body ends with the bytes.
    pub fn read(bytes: &[u8]) -> Response {
        let text = String::from_utf8_lossy(bytes);
        let response = Response::parse(bytes).ok().flatten().unwrap_or_else(|| panic!("no response: {text:?}"));
        let body = bytes[response.head.len()..].to_vec();
        Response { body, ..response }
    }

    /// Parses the head of a response, if `bytes` contain all of it. The body is left empty.
    fn parse(bytes: &[u8]) -> io::Result<Option<Response>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        let length = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => {
                return Err(invalid(format!("{error} in {:?}", String::from_utf8_lossy(bytes))));
            }
        };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = parsed.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
        let status = parsed.code.unwrap_or_default();
        Ok(Some(Response { status, headers, body: Vec::new(), head: bytes[..length].to_vec() }))
    }

    fn content_length(&self) -> io::Result<usize> {
        let declared = self.header("Content-Length").and_then(|value| value.parse().ok());
        declared.ok_or_else(|| invalid(format!("no Content-Length in {:?}", self.head_text())))
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// One connection to the daemon, and received bytes that are not yet parsed.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub fn open(port: u16) -> io::Result<Connection> {
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let stream = TcpStream::connect_timeout(&address, PROMPTLY)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PROMPTLY))?;
        Ok(Connection { stream, received: Vec::new() })
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// The next response, with a body as declared by `Content-Length`, except for a 1xx.
    pub fn receive(&mut self, within: Duration) -> io::Result<Response> {
        let deadline = Instant::now() + within;
        let mut response = self.receive_head(within)?;
        if response.status >= 200 {
            let length = response.content_length()?;
            while self.received.len() < length {
                self.read_more(deadline)?;
            }
            response.body = self.received.drain(..length).collect();
        }
        Ok(response)
    }

    /// The head of the next response, which is all of a response to `HEAD`.
    pub fn receive_head(&mut self, within: Duration) -> io::Result<Response> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(response) = Response::parse(&self.received)? {
                self.received.drain(..response.head.len());
                return Ok(response);
            }
            self.read_more(deadline)?;
        }
    }

    pub fn exchange(&mut self, request: impl Into<Vec<u8>>) -> io::Result<Response> {
        self.send(request.into())?;
        self.receive(PROMPTLY)
    }

    /// Whether the daemon closes the connection in time, with FIN or RST, without sending more data.
    pub fn ends(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        match self.read_more(deadline) {
            Ok(()) => false,
            Err(error) => self.received.is_empty() && error.kind() != io::ErrorKind::TimedOut,
        }
    }

    /// All data until the daemon closes the connection; an error if it does not in time.
    pub fn receive_to_end(&mut self, within: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + within;
        loop {
            match self.read_more(deadline) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(error),
                Err(_) => return Ok(std::mem::take(&mut self.received)),
            }
        }
    }

    /// Closes with RST instead of FIN.
    pub fn reset(self) {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }

    /// Waits for at least one byte. The end of the stream is `UnexpectedEof`; a passed deadline is `TimedOut`.
    fn read_more(&mut self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.received.extend_from_slice(&chunk[..length]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Sends one request over a new connection, like the Panel.
pub fn fetch(port: u16, request: impl Into<Vec<u8>>) -> io::Result<Response> {
    Connection::open(port)?.exchange(request)
}
