//! A scripted license server (`POST /api/license/verify`) over real TLS. It sends responses that the real server never
//! sends (malformed, hostile, forged, slow, or from another vendor) and records the requests. The tests of the Agent also
//! use its plain grants; tests of the Agent with the real server are in `tests/it/license_server/`.
//!
//! Each test starts its own server, on a port that the kernel chooses and with its own certificate authority, scripts its
//! replies, and reads the requests. One thread accepts, each connection has a thread, and each connection carries one
//! request. Dropping the server ends all threads, whatever they are doing. The benchmark includes this file too.

// Two programs include this file, and neither uses all of it. A failing test helper must panic immediately.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::KeyPair as _;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection};
use serde_json::json;

/// A running license server. Dropping it closes its port and its connections and joins its threads.
pub(crate) struct FakeLicenseServer {
    /// Bound but never listening: it reserves the port while the server is paused.
    reserved: TcpListener,
    /// None while paused.
    acceptor: Mutex<Option<Acceptor>>,
    tls: Option<Tls>,
    shared: Arc<Shared>,
}

impl FakeLicenseServer {
    /// HTTPS on 127.0.0.1; grants the free plan by default.
    pub(crate) fn start() -> Self {
        Self::start_as("localhost")
    }

    /// The same with a certificate for this name and 127.0.0.1.
    pub(crate) fn start_as(name: &str) -> Self {
        Self::start_with(Some(Tls::of(&Issued::for_name(name))))
    }

    /// The same with a certificate that has expired.
    pub(crate) fn start_expired() -> Self {
        let end = rcgen::date_time_ymd(2020, 1, 1);
        Self::start_with(Some(Tls::of(&Issued::until("localhost", Some(end)))))
    }

    /// The same with these certificates, the server's own first, and its key.
    pub(crate) fn start_presenting(chain: Presented) -> Self {
        Self::start_with(Some(Tls::presenting(chain)))
    }

    /// The same over plain HTTP.
    pub(crate) fn start_plain() -> Self {
        Self::start_with(None)
    }

    fn start_with(tls: Option<Tls>) -> Self {
        let server =
            FakeLicenseServer { reserved: bind(0), acceptor: Mutex::new(None), tls, shared: Arc::new(Shared::new()) };
        server.resume();
        server
    }

    /// The value of `license_server` in agent.conf.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.reserved.local_addr().unwrap().port()
    }

    /// The authority that issued the server's certificate, as PEM text; empty for a plain server.
    pub(crate) fn ca_pem(&self) -> &str {
        self.tls.as_ref().map_or("", |tls| &tls.ca_pem)
    }

    /// The configuration of its TLS, for another server with the same certificate.
    pub(crate) fn tls_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.tls.as_ref().expect("a server with TLS").config)
    }

    /// Sends this reply to all further requests.
    pub(crate) fn reply(&self, reply: Reply) {
        self.reply_with(move |_| reply.clone());
    }

    /// Calls `script` for the reply to each further request, on the thread of the connection.
    pub(crate) fn reply_with(&self, script: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static) {
        self.shared.state().script = Arc::new(script);
    }

    /// All requests so far, in order of arrival.
    pub(crate) fn received(&self) -> Vec<ReceivedRequest> {
        self.shared.state().received.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.shared.state().received.len()
    }

    /// Waits until at least `n` requests have arrived in total; returns false after `limit`.
    pub(crate) fn wait_for(&self, n: usize, limit: Duration) -> bool {
        let fewer = |state: &mut State| state.received.len() < n;
        let state = self.shared.state();
        let (state, _) = self.shared.changed.wait_timeout_while(state, limit, fewer).unwrap();
        state.received.len() >= n
    }

    /// Closes the port: connections are refused until [`Self::resume`]. Open connections continue.
    pub(crate) fn pause(&self) {
        *self.acceptor.lock().unwrap() = None;
    }

    /// Listens on the same port again.
    pub(crate) fn resume(&self) {
        let config = self.tls.as_ref().map(|tls| Arc::clone(&tls.config));
        let start = || Acceptor::start(listen(self.port()), config, &self.shared);
        self.acceptor.lock().unwrap().get_or_insert_with(start);
    }
}

impl Drop for FakeLicenseServer {
    fn drop(&mut self) {
        // Stop accepting first, then end the open connections.
        self.pause();
        self.shared.end();
    }
}

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The body, if it is JSON.
    pub(crate) json: Option<serde_json::Value>,
    pub(crate) peer: SocketAddr,
}

impl ReceivedRequest {
    /// The first header with this name, ignoring case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }
}

/// The reply to a request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Sent unchanged. `Content-Length` and `Date` override the defaults.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) behavior: Behavior,
    /// Whether to add the current time as `Date`.
    pub(crate) date: bool,
}

impl Reply {
    /// 200 with the free plan.
    pub(crate) fn granted() -> Self {
        let license = json!({
            "valid": true,
            "plan": "free",
            "max_accounts": 5,
            "max_domains": 5,
            "max_servers": 1,
            "expires_at": null,
            "message": "License is valid.",
        });
        Self::json(200, license)
    }

    pub(crate) fn json(status: u16, body: serde_json::Value) -> Self {
        Self::raw(status, body.to_string()).header("Content-Type", "application/json")
    }

    pub(crate) fn raw(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let (headers, body) = (Vec::new(), body.into());
        Reply { status, headers, body, behavior: Behavior::Answer, date: true }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn behavior(mut self, behavior: Behavior) -> Self {
        self.behavior = behavior;
        self
    }

    pub(crate) fn without_date(mut self) -> Self {
        self.date = false;
        self
    }

    /// Adds a signature of the current body by `key`.
    pub(crate) fn signed(self, key: &SigningKey) -> Self {
        let signature = key.signature_header(&self.body);
        self.header("Opterius-Signature", &signature)
    }

    fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Scripted\r\nConnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if find_header(&self.headers, "Content-Length").is_none() {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        if self.date && find_header(&self.headers, "Date").is_none() {
            head += &format!("Date: {}\r\n", http_date());
        }
        head += "\r\n";
        head.into_bytes()
    }
}

/// The behavior of the server after it has read a request.
#[derive(Clone, Debug)]
pub(crate) enum Behavior {
    /// Answers.
    Answer,
    /// Never answers; the connection stays open until the client closes it or the server is dropped.
    Hang,
    /// Closes without an answer.
    CloseAtOnce,
    /// Closes without an answer, with a TCP reset.
    Reset,
    /// Sends these bytes instead of an answer, and closes.
    Raw(Vec<u8>),
    /// Sends the head immediately and the body in pieces of `bytes`, one per `tick`.
    SlowBody { bytes: usize, tick: Duration },
    /// Sends head and body in pieces of `bytes`, one per `tick`.
    Slow { bytes: usize, tick: Duration },
    /// Answers when the test opens the gate.
    Hold(Arc<Gate>),
}

/// Blocks replies until a test opens it; then it stays open.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(crate) fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let closed = |open: &mut bool| !*open;
        drop(self.opened.wait_while(self.open.lock().unwrap(), closed).unwrap());
    }
}

/// A vendor's Ed25519 key that creates `Opterius-Signature` headers.
pub(crate) struct SigningKey {
    pair: ring::signature::Ed25519KeyPair,
}

impl SigningKey {
    pub(crate) fn generate() -> Self {
        let random = ring::rand::SystemRandom::new();
        let document = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let pair = ring::signature::Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        SigningKey { pair }
    }

    /// The first 16 hexadecimal digits of the public key's SHA-256.
    pub(crate) fn keyid(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.public());
        digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The value of `license_public_key` in agent.conf.
    pub(crate) fn public_base64(&self) -> String {
        BASE64.encode(self.public())
    }

    /// The value of the header `Opterius-Signature` for this exact body.
    pub(crate) fn signature_header(&self, body: &[u8]) -> String {
        let message = [b"opterius-license-verify/v1\n", body].concat();
        let signature = BASE64.encode(self.pair.sign(&message));
        format!(r#"keyid="{}", ed25519="{signature}""#, self.keyid())
    }

    fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }
}

/// The TLS configuration of the server, and the authority that clients must trust.
struct Tls {
    ca_pem: String,
    config: Arc<ServerConfig>,
}

impl Tls {
    fn of(issued: &Issued) -> Self {
        let Issued { ca_pem, certificate, key } = issued;
        let (ca_pem, chain) = (ca_pem.clone(), vec![certificate.der().clone()]);
        Tls::presenting(Presented { ca_pem, chain, key: key.serialize_der(), wants_client_certificate: false })
    }

    fn presenting(presented: Presented) -> Self {
        let Presented { ca_pem, chain, key, wants_client_certificate } = presented;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = if wants_client_certificate {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(certificate_authority().1).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        } else {
            config.with_no_client_auth()
        };
        Tls { ca_pem, config: Arc::new(config.with_single_cert(chain, key).unwrap()) }
    }
}

/// What a server presents in a TLS handshake, and the authority that clients must trust for it.
pub(crate) struct Presented {
    pub(crate) ca_pem: String,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// In PKCS #8.
    pub(crate) key: Vec<u8>,
    pub(crate) wants_client_certificate: bool,
}

/// A certificate for a name and 127.0.0.1, from its own authority.
pub(crate) struct Issued {
    pub(crate) ca_pem: String,
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: rcgen::KeyPair,
}

impl Issued {
    pub(crate) fn for_name(name: &str) -> Self {
        Self::until(name, None)
    }

    fn until(name: &str, end: Option<time::OffsetDateTime>) -> Self {
        let (ca_pem, _, issuer) = certificate_authority();
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec![name.to_owned(), "127.0.0.1".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_after = end.unwrap_or(params.not_after);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Issued { ca_pem, certificate, key }
    }
}

fn certificate_authority() -> (String, CertificateDer<'static>, rcgen::Issuer<'static, rcgen::KeyPair>) {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "License server of a test");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), certificate.der().clone(), rcgen::Issuer::new(params, key))
}

/// The accepting thread. Dropping this ends the thread and closes the listening socket.
struct Acceptor {
    /// Closing this end wakes the thread.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    fn start(listener: TcpListener, tls: Option<Arc<ServerConfig>>, shared: &Arc<Shared>) -> Self {
        let (stop, stopped) = UnixStream::pair().unwrap();
        let shared = Arc::clone(shared);
        let thread = std::thread::spawn(move || {
            while next_is_ready(&listener, &stopped) {
                if let Ok((socket, peer)) = listener.accept() {
                    shared.serve_on_thread(socket, peer, tls.clone());
                }
            }
        });
        Acceptor { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits for the next connection; returns false on stop.
fn next_is_ready(listener: &TcpListener, stopped: &UnixStream) -> bool {
    let mut ready = [PollFd::new(listener, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
    while poll(&mut ready, None) == Err(rustix::io::Errno::INTR) {}
    ready[1].revents().is_empty()
}

/// State that the threads of a server share.
struct Shared {
    state: Mutex<State>,
    /// Notified when a request arrives and when the server ends.
    changed: Condvar,
}

struct State {
    received: Vec<ReceivedRequest>,
    script: Arc<dyn Fn(&ReceivedRequest) -> Reply + Send + Sync>,
    ending: bool,
    /// Gates that a connection has waited at.
    gates: Vec<Arc<Gate>>,
    /// Weak, so that a socket closes as soon as its thread is done with it.
    sockets: Vec<Weak<TcpStream>>,
    threads: Vec<JoinHandle<()>>,
}

impl Shared {
    fn new() -> Self {
        let state = State {
            received: Vec::new(),
            script: Arc::new(|_| Reply::granted()),
            ending: false,
            gates: Vec::new(),
            sockets: Vec::new(),
            threads: Vec::new(),
        };
        Shared { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve_on_thread(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr, tls: Option<Arc<ServerConfig>>) {
        let socket = Arc::new(socket);
        let weak = Arc::downgrade(&socket);
        let shared = Arc::clone(self);
        let thread = std::thread::spawn(move || {
            // Ignore clients that disconnect or do not trust the certificate.
            let _ = match tls {
                Some(config) => shared.serve_tls(&socket, peer, config),
                None => shared.serve(&socket, peer, &mut &*socket),
            };
        });
        let mut state = self.state();
        state.sockets.push(weak);
        state.threads.push(thread);
    }

    fn serve_tls(&self, socket: &TcpStream, peer: SocketAddr, config: Arc<ServerConfig>) -> io::Result<()> {
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        self.serve(socket, peer, &mut rustls::StreamOwned::new(connection, socket))
    }

    /// Serves the one request of a connection; `stream` is `socket`, or TLS over it.
    fn serve(&self, socket: &TcpStream, peer: SocketAddr, stream: &mut (impl Read + Write)) -> io::Result<()> {
        let received = read_request(stream, peer)?;
        let script = Arc::clone(&self.state().script);
        self.record(received.clone());
        let reply = script(&received);
        match &reply.behavior {
            Behavior::Hang => wait_until_closed(socket),
            Behavior::CloseAtOnce => Ok(()),
            Behavior::Reset => Ok(sockopt::set_socket_linger(socket, Some(Duration::ZERO))?),
            Behavior::Answer => answer(socket, stream, &reply),
            Behavior::Raw(bytes) => send(socket, stream, bytes),
            Behavior::SlowBody { bytes, tick } => {
                stream.write_all(&reply.head())?;
                self.send_slowly(stream, &reply.body, *bytes, *tick)
            }
            Behavior::Slow { bytes, tick } => {
                self.send_slowly(stream, &[reply.head(), reply.body.clone()].concat(), *bytes, *tick)
            }
            Behavior::Hold(gate) => {
                self.wait_at(gate);
                answer(socket, stream, &reply)
            }
        }
    }

    fn record(&self, received: ReceivedRequest) {
        self.state().received.push(received);
        self.changed.notify_all();
    }

    fn send_slowly(&self, stream: &mut impl Write, all: &[u8], bytes: usize, tick: Duration) -> io::Result<()> {
        for piece in all.chunks(bytes.max(1)) {
            stream.write_all(piece)?;
            stream.flush()?;
            let is_running = |state: &mut State| !state.ending;
            drop(self.changed.wait_timeout_while(self.state(), tick, is_running).unwrap());
        }
        Ok(())
    }

    fn wait_at(&self, gate: &Arc<Gate>) {
        let mut state = self.state();
        if state.ending {
            return;
        }
        state.gates.push(Arc::clone(gate));
        drop(state);
        gate.wait();
    }

    /// Ends all connections, whatever they wait for. The acceptor has already ended.
    fn end(&self) {
        let mut state = self.state();
        state.ending = true;
        let threads = std::mem::take(&mut state.threads);
        state.gates.iter().for_each(|gate| gate.open());
        for socket in state.sockets.iter().filter_map(Weak::upgrade) {
            let _ = socket.shutdown(Shutdown::Both);
        }
        drop(state);
        self.changed.notify_all();
        for thread in threads {
            let _ = thread.join();
        }
    }
}

fn answer(socket: &TcpStream, stream: &mut impl Write, reply: &Reply) -> io::Result<()> {
    send(socket, stream, &[reply.head(), reply.body.clone()].concat())
}

fn send(socket: &TcpStream, stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()?;
    socket.shutdown(Shutdown::Write)?;
    // Closing a socket with unread bytes sends a reset, which can overtake the response.
    wait_until_closed(socket)
}

fn wait_until_closed(mut socket: &TcpStream) -> io::Result<()> {
    io::copy(&mut socket, &mut io::sink()).map(drop)
}

/// Reads one request, its body by `Content-Length`.
fn read_request(stream: &mut impl Read, peer: SocketAddr) -> io::Result<ReceivedRequest> {
    let mut received = Vec::new();
    let (head_length, mut request) = loop {
        read_more(stream, &mut received)?;
        if let Some(head) = parse_head(&received, peer)? {
            break head;
        }
    };
    let length = request.header("Content-Length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
    let mut body = received.split_off(head_length);
    while body.len() < length {
        read_more(stream, &mut body)?;
    }
    request.json = serde_json::from_slice(&body).ok();
    request.body = body;
    Ok(request)
}

fn read_more(stream: &mut impl Read, into: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 4096];
    let count = stream.read(&mut chunk)?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    into.extend_from_slice(&chunk[..count]);
    Ok(())
}

/// The length of the head and the parsed head, once it is complete.
fn parse_head(received: &[u8], peer: SocketAddr) -> io::Result<Option<(usize, ReceivedRequest)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(received).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let received = ReceivedRequest {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        headers: request.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect(),
        body: Vec::new(),
        json: None,
        peer,
    };
    Ok(Some((length, received)))
}

fn find_header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
}

fn listen(port: u16) -> TcpListener {
    let socket = bind(port);
    rustix::net::listen(&socket, 128).expect("listen on the reserved port");
    socket
}

/// Reserves a port as long as this socket exists; a socket with `SO_REUSEADDR` can listen on it.
pub(crate) fn reserve() -> TcpListener {
    bind(0)
}

/// A socket on 127.0.0.1 that does not listen yet. With `SO_REUSEADDR` on both, a second socket can listen on the port that
/// this one reserves.
fn bind(port: u16) -> TcpListener {
    let socket: OwnedFd =
        rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    sockopt::set_socket_reuseaddr(&socket, true).unwrap();
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).unwrap();
    TcpListener::from(socket)
}

/// The current time in HTTP format.
#[expect(clippy::disallowed_methods, reason = "the fake server uses the real clock")]
fn http_date() -> String {
    httpdate::fmt_http_date(std::time::SystemTime::now())
}
