//! A client's bytes from the socket to the response, through the real API: however they are split, the same requests
//! are seen, each only when it is complete; memory use follows what has arrived and not what was announced; and nothing
//! from the client gets into the head of a response.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, RwLock, mpsc};
use std::time::{Duration, Instant};

use opterius_agent::api::metrics::ApiMetrics;
use opterius_agent::api::operations::Operations;
use opterius_agent::api::queue::Queue;
use opterius_agent::api::routes::{ROUTES, Verb};
use opterius_agent::api::sampler::{Metrics, Pace};
use opterius_agent::api::{self, Api, health};
use opterius_agent::config::parsing;
use opterius_agent::license::client::{LicenseConfig, LicenseServer, ServerUrl};
use opterius_agent::license::state::{HostIdentity, License};
use opterius_agent::license::verifier::Verifier;
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::hex::hex;
use opterius_host::helper::client::HelperMode;
use opterius_host::host::{self, Acme};
use opterius_http::connection::{Connection, Progress};
use opterius_http::head::{self, Head, STORAGE};
use opterius_http::lane::busy;
use opterius_http::limits::{MAX_HEAD, READ};
use opterius_http::response::{Encoder, Response};
use opterius_http::service::{Reaction, Request, Service};
use opterius_http::traffic::Traffic;
use opterius_license::inquiry::Inquiry;
use opterius_license::outcome::{Answer, Failure};
use opterius_license::reason::Guide;
use ring::hmac;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde_json::Value;

use super::input::Input;

const SECRET: &[u8] = b"the secret of the fuzzers";
const NOW: &str = "2026-05-01T12:00:00Z";
/// Largest stream; a socket's buffer can hold it.
const MAX_STREAM: usize = 100 * 1024;

/// The input is a byte for the size of the pieces, a byte for the kind of input, and then raw bytes, or the path and
/// the body of a request that gets a valid signature.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let (piece, is_signed) = (usize::from(input.byte()).max(1), input.byte() >= 128);
    let stream = if is_signed { signed(&input.text(), input.rest()) } else { Some(input.rest().to_vec()) };
    let Some(stream) = stream.filter(|stream| stream.len() <= MAX_STREAM) else { return };
    let at_once = Conversation::new(&stream, stream.len().max(1));
    let in_pieces = Conversation::new(&stream, piece);
    assert_eq!(at_once.answers, in_pieces.answers, "the responses depend on how the bytes arrive");
    if is_signed {
        let refused = at_once.answers.first().is_some_and(|answer| answer.starts_with(b"HTTP/1.1 401"));
        assert!(!refused, "a valid signature is refused");
    }
}

/// A signed request for one of the routes; none for an unknown path.
fn signed(path: &str, body: &[u8]) -> Option<Vec<u8>> {
    let route = ROUTES.iter().find(|route| route.path == path)?;
    let method = if route.verb == Verb::Get { "GET" } else { "POST" };
    let message = [NOW.as_bytes(), method.as_bytes(), path.as_bytes(), body].concat();
    let signature = hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), &message).as_ref());
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Timestamp: {NOW}\r\nX-Signature: {signature}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    Some([head.as_bytes(), body].concat())
}

/// A conversation, from the first byte to the last response.
struct Conversation<'a> {
    service: Witness<'a>,
    connection: Connection,
    client: std::fs::File,
    encoder: Encoder,
    traffic: Traffic,
    now: Instant,
    answers: Vec<Vec<u8>>,
}

impl<'a> Conversation<'a> {
    /// Sends the stream in pieces, and drives the connection as the front thread does.
    fn new(stream: &'a [u8], piece: usize) -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, client) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        let now = CLOCK.0;
        let service = Witness { api: api(), stream, delivered: 0, begins: 0 };
        let encoder = Encoder::new(service.name(), Timestamp::parse_rfc3339(NOW).unwrap());
        let connection = Connection::new(TcpStream::from(ours), Ipv4Addr::LOCALHOST.into(), now);
        let (traffic, answers) = (Traffic::default(), Vec::new());
        let mut conversation = Self { service, connection, client: client.into(), encoder, traffic, now, answers };
        for bytes in stream.chunks(piece) {
            assert_eq!(conversation.client.write(bytes).unwrap(), bytes.len());
            conversation.service.delivered += bytes.len();
            conversation.connection.bytes_reported();
            if !conversation.drive() {
                break;
            }
        }
        conversation
    }

    /// Processes what has arrived; false if the connection closes.
    fn drive(&mut self) -> bool {
        let mut scratch = vec![0; READ];
        loop {
            match self.connection.progress(&mut self.service, &self.traffic) {
                Ok(Progress::Complete(received, reaction)) => {
                    let response = answer(reaction);
                    self.connection.finish_request(received.framing);
                    if !self.send(&response, received.without_body) {
                        return false;
                    }
                }
                Ok(Progress::Continue) => {
                    self.connection.send(b"HTTP/1.1 100 Continue\r\n\r\n", self.now);
                    assert!(self.connection.write(self.now).unwrap() && self.connection.after_answer(self.now));
                    assert_eq!(self.received(), b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                Ok(Progress::Incomplete) if !self.connection.is_readable() => return true,
                Ok(Progress::Incomplete) => self.connection.read(&mut scratch, self.now).unwrap(),
                Err(refusal) => {
                    self.connection.linger_after_answer();
                    self.send(&Response::refusal(refusal), false);
                    return false;
                }
            }
            let held = self.connection.held();
            assert!(held <= 2 * self.service.delivered + READ, "{held} bytes for {}", self.service.delivered);
        }
    }

    fn send(&mut self, response: &Response, without_body: bool) -> bool {
        let close = self.connection.closes();
        let mut bytes = Vec::new();
        self.encoder.encode(response, close, without_body, &mut bytes);
        self.connection.send(&bytes, self.now);
        assert!(self.connection.write(self.now).unwrap(), "the socket's buffer holds every response");
        assert_eq!(self.received(), bytes);
        check_answer(&bytes, without_body);
        self.answers.push(bytes);
        self.connection.after_answer(self.now)
    }

    fn received(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.client.read_to_end(&mut bytes);
        bytes
    }
}

/// Runs what a lane would run. Requests that wait for the license server, and uploads, get a 503 instead.
fn answer(reaction: Reaction) -> Response {
    match reaction {
        Reaction::Answer(response) => response,
        Reaction::Read(work) | Reaction::Write(work) | Reaction::LongRunning(work) => work(),
        Reaction::Deferred(_) | Reaction::Receive(_) => busy(),
    }
}

fn check_answer(bytes: &[u8], without_body: bool) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a response has a head");
    let (head, body) = (std::str::from_utf8(&bytes[..end]).unwrap(), &bytes[end + 4..]);
    let mut lines = head.split("\r\n");
    assert!(lines.next().unwrap().starts_with("HTTP/1.1 "));
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        assert!(!line.contains(['\r', '\n']));
        match name {
            "Content-Length" => assert!(without_body || value == body.len().to_string(), "{line}"),
            "Content-Type" => {
                assert!(["application/json", "text/html", "text/plain"].iter().any(|t| value.starts_with(t)))
            }
            "Allow" => assert!(value.split(", ").all(|method| ["GET", "HEAD", "POST"].contains(&method)), "{line}"),
            "Date" => assert_eq!(value, "Fri, 01 May 2026 12:00:00 GMT"),
            "Server" => assert_eq!(value, "opterius-agent"),
            "Cache-Control" => assert_eq!(value, "no-store"),
            "Connection" => assert_eq!(value, "close"),
            "Retry-After" => assert!(value.bytes().all(|byte| byte.is_ascii_digit()), "{line}"),
            _ => assert!(PAGE_HEADERS.contains(&(name, value.to_owned())), "unexpected header: {line}"),
        }
    }
    assert!(!without_body || body.is_empty());
    let is_json = head.contains("\r\nContent-Type: application/json");
    assert!(without_body || !is_json || serde_json::from_slice::<Value>(body).is_ok(), "{head}");
}

/// The headers of the page, for a request without headers.
static PAGE_HEADERS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let mut storage = STORAGE;
    let (head, _) = head::parse(b"GET / HTTP/1.0\r\n\r\n", &mut storage).unwrap();
    let request = Request { head, body: b"", peer: Ipv4Addr::LOCALHOST.into(), traffic: &Traffic::default() };
    answer(api().react(&request)).headers
});

/// The API, with a check that each request has arrived completely.
struct Witness<'a> {
    api: Api,
    stream: &'a [u8],
    delivered: usize,
    begins: usize,
}

impl Service for Witness<'_> {
    fn name(&self) -> &'static str {
        self.api.name()
    }

    fn body_limit(&self, head: &Head<'_>) -> usize {
        self.api.body_limit(head)
    }

    fn route(&self, head: &Head<'_>) -> &'static str {
        self.api.route(head)
    }

    /// Checks that requests follow each other in the stream, and that the last byte of each has arrived.
    fn react(&mut self, request: &Request<'_>) -> Reaction {
        let rest = &self.stream[self.begins..];
        let head_length = rest.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert!(head_length <= MAX_HEAD && request.body.len() <= self.body_limit(&request.head));
        // One empty line before a request is ignored (RFC 9112 §2.2).
        let line = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        assert!(line.starts_with(format!("{} {}", request.head.method, request.head.path).as_bytes()));
        assert!(rest[head_length..].starts_with(request.body));
        let declared = request.head.only("content-length").map_or(0, |length| length.parse().unwrap());
        assert_eq!(request.body.len(), declared);
        self.begins += head_length + declared;
        assert!(self.begins <= self.delivered, "the request was handled before it was complete");
        self.api.react(request)
    }
}

/// An Agent with a valid license, on an empty host where operations are disabled.
fn api() -> Api {
    let config = api::config::ApiConfig {
        secret: hmac::Key::new(hmac::HMAC_SHA256, SECRET),
        signature_window: Duration::from_secs(300),
        allowed_hosts: Vec::new(),
        max_body: 1024 * 1024,
        host: host::Host::new(NOWHERE.into(), Acme { server: String::new(), authority: None }, PathBuf::new()),
        operations: HelperMode::Off,
        guide: Guide::default(),
    };
    let words = |word: &str| word.to_owned();
    let health = health::OsInfo { os: words("os"), version: words("1"), arch: words("arch"), hostname: words("host") };
    let config = Arc::new(RwLock::new(Arc::new(config)));
    let clock: Arc<dyn Clock> = Arc::new(*CLOCK);
    // There is no sampling thread, and no thread that works on the queue.
    let (metrics, _) = Metrics::new(Arc::clone(&clock), NOWHERE.into(), Pace::default());
    let operations = Operations::new(PathBuf::new(), Queue::new().0);
    Api::new(config, Arc::clone(&LICENSE), clock, health, operations, metrics, Arc::<ApiMetrics>::default())
}

const NOWHERE: &str = "/nonexistent";

static CLOCK: LazyLock<StoppedClock> = LazyLock::new(|| StoppedClock(SystemClock.monotonic()));

/// A clock that stands still.
#[derive(Clone, Copy)]
struct StoppedClock(Instant);

impl Clock for StoppedClock {
    fn wall(&self) -> Timestamp {
        Timestamp::parse_rfc3339(NOW).unwrap()
    }

    fn boot(&self) -> Duration {
        Duration::from_secs(1000)
    }

    fn monotonic(&self) -> Instant {
        self.0
    }
}

/// A license that was verified once and stays valid.
static LICENSE: LazyLock<Arc<License>> = LazyLock::new(|| {
    let word = |word: &str| word.to_owned();
    let host = HostIdentity { server_id: word("host"), boot_id: word("boot"), hostname: word("host"), os: word("os") };
    let text = format!("secret=0123456789abcdef\nlicense_key=AAAABBBB-CCCCDDDD\nlicense_cache={NOWHERE}/cache.json\n");
    let Ok(loaded) = parsing::parse(&text, "agent.conf", None) else { panic!("the configuration is valid") };
    let config = LicenseConfig { server_ip: Some(Ipv4Addr::new(203, 0, 113, 5).into()), ..loaded.config.license };
    let (license, woken) = License::new(&host, Box::new(|| {}));
    let (shared_license, clock, reread) = (Arc::clone(&license), Arc::new(*CLOCK), Box::new(|| None));
    let verifier = Verifier::new(shared_license, woken, clock, Box::new(TestServer), host, Arc::new(config), reread);
    let thread = std::thread::spawn(move || verifier.run());
    let (sender, verdict) = mpsc::channel();
    license.reverify(Box::new(move |state| {
        let _ = sender.send(state.is_some_and(|state| state.confirmed));
    }));
    assert!(verdict.recv().unwrap());
    license.stop();
    thread.join().unwrap();
    license
});

struct TestServer;

impl LicenseServer for TestServer {
    fn ask(&mut self, _: &LicenseConfig, _: &ServerUrl, _: Duration, _: &Inquiry<'_>) -> Result<Answer, Failure> {
        let body = br#"{"valid":true,"max_accounts":5}"#.to_vec();
        Ok(Answer { status: 200, body, ..Answer::default() })
    }

    fn discover(&mut self, _: &LicenseConfig) -> Option<IpAddr> {
        None
    }
}
