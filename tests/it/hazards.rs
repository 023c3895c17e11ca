//! What a hostile or clumsy client of 127.0.0.1:7443 may do, and what stops it: over raw sockets, against the real
//! daemon.
//!
//! First the eleven attacks that end or empty a tiny_http `Server` (SECURITY.md shows the table); then connections,
//! framing and limits, the order of refusals, and signatures.

use crate::support::agent::{Agent, AgentBuilder, FEW_THREADS};
use crate::support::eventually;
use crate::support::http::{self, Connection, PROMPTLY, Request, Response, SECRET};
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpListener};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A WRITE whose body may have 1 MiB, and a READ whose body may have 64 KiB. Neither has its operation yet.
const LARGE_WRITE: &str = "/files/write";
const SMALL_READ: &str = "/stats/server";

const STATUS: &str = "/license/status";

/// The time a daemon on a loaded machine may take beyond a limit of its own.
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
/// What a signed and licensed call gets whose operation does not exist: the whole way was free.
const NOT_IMPLEMENTED: Refusal = (501, "not_implemented");
const TRANSFER_ENCODING_NOT_SUPPORTED: Refusal = (501, "transfer_encoding_not_supported");
const HTTP_VERSION_NOT_SUPPORTED: Refusal = (505, "http_version_not_supported");

// --------------------------------------------------------------------------------------------------------------------
// The eleven attacks.

#[test]
fn row_01_a_declared_length_of_2_63_minus_1_does_not_abort_the_process() {
    withstand(|agent| {
        for target in [LARGE_WRITE, SMALL_READ, STATUS, "/nowhere"] {
            check_and_closed(agent, post_of_length(target, i64::MAX), BODY_TOO_LARGE);
        }
    });
}

#[test]
fn row_02_a_declared_length_of_2_64_minus_1_takes_no_worker() {
    withstand(|agent| {
        let head = post_of_length(LARGE_WRITE, u64::MAX);
        let mut held: Vec<_> = (0..16).map(|_| agent.send(head.as_str())).collect();
        for connection in &mut held {
            assert_refused(&connection.receive(PROMPTLY).unwrap(), BODY_TOO_LARGE);
        }
        assert_pool_works(agent);
    });
}

#[test]
fn row_03_announced_bodies_that_never_come_hold_no_worker() {
    withstand(|agent| {
        let unsigned = Request::post(SMALL_READ).body(vec![b'x'; 5000]);
        let signed = unsigned.clone().signed();
        let both = [unsigned.head(), signed.head()];
        let held: Vec<_> = (0..16).map(|n| agent.send(&*both[n % 2])).collect();
        assert_pool_works(agent);
        drop(held);
    });
}

#[test]
fn row_04_a_reset_after_a_whole_request_does_not_end_the_daemon() {
    withstand(|agent| {
        let whole = Request::get(STATUS).bytes();
        let signed = Request::post(SMALL_READ).signed().bytes();
        for bytes in [&whole[..], &signed, &whole[..20], b""] {
            for _ in 0..200 {
                agent.send(bytes).reset();
            }
        }
    });
}

#[test]
fn row_05_more_connections_than_descriptors_do_not_close_the_port() {
    withstand_as(Agent::builder().descriptor_limit(64), |agent| {
        let held: Vec<Connection> = (0..200).map(|_| agent.connect()).collect();
        for number in 0..20 {
            let served = agent.serves();
            served.unwrap_or_else(|error| panic!("{number} beside 200 connections: {error}"));
        }
        let lines = agent.lines();
        assert!(lines.len() < 50, "the log is flooded: {lines:#?}");
        drop(held);
    });
}

#[test]
fn row_06_more_connections_than_the_limit_start_no_thread() {
    withstand(|agent| {
        let half = "GET /license/status HTTP/1.1\r\n";
        let held: Vec<Connection> = (0..600).map(|_| agent.send(half)).collect();
        let footprint = agent.footprint();
        assert!(footprint.threads <= FEW_THREADS, "{footprint:?}");
        assert!(footprint.descriptors < 512 + 64, "{footprint:?}");
        drop(held);
    });
}

#[test]
fn row_07_half_sent_requests_are_timed_out() {
    withstand(|agent| {
        let whole = Request::post(SMALL_READ).body("{\"a\":1}").signed().bytes();
        let cut = |number: usize| &whole[..1 + number % (whole.len() - 1)];
        let mut held: Vec<_> = (0..300).map(|number| agent.send(cut(number))).collect();
        let footprint = agent.footprint();
        assert!(footprint.threads <= FEW_THREADS, "{footprint:?}");
        let deadline = Instant::now() + Duration::from_secs(10) + SLACK;
        for connection in &mut held {
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = connection.receive_to_end(left);
            ended.expect("a half-sent request is ended in time");
        }
    });
}

#[test]
fn row_08_an_endless_header_line_takes_no_memory() {
    withstand(|agent| {
        let mut connection = agent.send("GET / HTTP/1.1\r\nHost: localhost\r\nX-Endless: ");
        let (piece, end) = ([b'a'; 64 * KIB], Instant::now() + Duration::from_secs(10));
        let mut sent = 0;
        while sent < 256 * MIB && Instant::now() < end && connection.send(piece).is_ok() {
            sent += piece.len();
        }
        let ended = connection.receive_to_end(SLACK).is_ok();
        assert!(ended, "still listening after {sent} bytes of one header");
    });
}

#[test]
fn row_09_keep_alive_connections_opened_at_once_are_all_answered() {
    withstand(|agent| {
        let (together, unanswered) = (Barrier::new(8), AtomicUsize::new(0));
        let client = || {
            for _ in 0..50 {
                together.wait();
                let mut connection = agent.connect();
                for _ in 0..3 {
                    let response = connection.exchange(Request::get(STATUS));
                    let answered = response.is_ok_and(|response| response.status == 200);
                    unanswered.fetch_add(usize::from(!answered), Ordering::Relaxed);
                    // All eight stay open until the last one has its answer.
                    together.wait();
                }
            }
        };
        std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(client))));
        assert_eq!(unanswered.into_inner(), 0, "of 1,200 requests");
    });
}

#[test]
fn row_10_claims_of_other_versions_leak_no_thread_and_no_descriptor() {
    withstand(|agent| {
        let before = agent.footprint();
        let mut held: Vec<_> = (0..200).map(|_| agent.send(get_as("HTTP/2.0"))).collect();
        for connection in &mut held {
            assert_refused(&connection.receive(PROMPTLY).unwrap(), HTTP_VERSION_NOT_SUPPORTED);
        }
        // While the clients still hold their ends.
        agent.gives_back(&before).unwrap();
        drop(held);
    });
}

#[test]
fn row_11_a_client_that_never_reads_its_answers_is_cut_off() {
    withstand(|agent| {
        let pipelined = Request::get(STATUS).bytes().repeat(500);
        let connection = agent.connect();
        let mut stream = connection.stream();
        stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut sent = 0;
        while sent < 512 * MIB
            && let Ok(written) = stream.write(&pipelined)
        {
            sent += written;
        }
        assert!(sent < 512 * MIB, "requests are read without end");
        let footprint = agent.footprint();
        assert!(footprint.resident_kib < 64 * KIB, "{footprint:?}");
        stream.set_nonblocking(true).unwrap();
        let cut_off = eventually(Duration::from_secs(10) + SLACK, || {
            let written = stream.write(b"G");
            written.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock)
        });
        assert!(cut_off, "connected beyond the 10 s for writing a response");
    });
}

/// Runs an attack on a licensed Agent while an ordinary client uses it, and looks at what is left.
fn withstand(attack: impl FnOnce(&Agent)) {
    withstand_as(Agent::builder(), attack);
}

fn withstand_as(builder: AgentBuilder, attack: impl FnOnce(&Agent)) {
    let agent = builder.start_licensed();
    let before = agent.footprint();
    agent.serves_throughout(|| attack(&agent));
    agent.serves().expect("served after the attack");
    agent.gives_back(&before).expect("nothing is left of the attack");
}

/// Eight signed requests at once, twice as many as the pool has threads, all answered.
fn assert_pool_works(agent: &Agent) {
    let request = Request::post(SMALL_READ).body("{}").signed();
    let mut connections: Vec<_> = (0..8).map(|_| agent.send(&request)).collect();
    for connection in &mut connections {
        assert_refused(&connection.receive(PROMPTLY).unwrap(), NOT_IMPLEMENTED);
    }
}

// --------------------------------------------------------------------------------------------------------------------
// Connections: order, reuse, ends.

#[test]
fn pipelined_requests_are_answered_in_order() {
    let agent = Agent::licensed();
    let round = [
        (Request::get(STATUS), 200),
        (Request::get("/nowhere"), 404),
        (Request::post(LARGE_WRITE).body("{\"a\":1}").signed(), 501),
        (Request::new("DELETE", STATUS), 405),
        (Request::post(SMALL_READ).body("{}"), 401),
        (Request::post(SMALL_READ).body("{}").signed(), 501),
        (Request::get("/health"), 200),
    ];
    let bytes: Vec<u8> = round.iter().flat_map(|(request, _)| request.bytes()).collect();
    let mut connection = agent.send(bytes.repeat(20));
    for number in 0..20 {
        for (request, status) in &round {
            let response = connection.receive(PROMPTLY).unwrap();
            let asked = String::from_utf8_lossy(&request.head()).into_owned();
            assert_eq!(response.status, *status, "round {number}: {asked}");
        }
    }
}

#[test]
fn a_connection_is_kept_alive_until_the_client_says_close() {
    let agent = Agent::licensed();
    let mut connection = agent.connect();
    for target in [STATUS, "/nowhere", "/health", SMALL_READ, STATUS] {
        let response = connection.exchange(Request::get(target)).unwrap();
        assert_ne!(response.header("Connection"), Some("close"), "{target}");
    }
    let last = connection.exchange(Request::get(STATUS).header("Connection", "close"));
    assert_eq!(last.unwrap().status, 200);
    assert!(connection.ends(PROMPTLY), "open after Connection: close");
}

#[test]
fn an_idle_connection_is_closed_after_fifteen_seconds() {
    let agent = Agent::unlicensed();
    let mut connection = agent.connect();
    connection.exchange(Request::get(STATUS)).unwrap();
    let idle = Instant::now();
    assert!(connection.ends(Duration::from_secs(15) + SLACK), "still open");
    assert!(idle.elapsed() > Duration::from_secs(12), "{:?}", idle.elapsed());
}

#[test]
fn http_1_0_needs_no_host_and_is_closed_after_the_answer() {
    let agent = Agent::licensed();
    for host in ["", "Host: localhost\r\n"] {
        let mut connection = agent.send(format!("GET {STATUS} HTTP/1.0\r\n{host}\r\n"));
        let response = connection.receive(PROMPTLY).unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.json()["valid"], true);
        assert!(connection.ends(PROMPTLY), "open after HTTP/1.0");
    }
    check_and_closed(&agent, "GET /nowhere HTTP/1.0\r\n\r\n", NOT_FOUND);
    let foreign = "GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n";
    check_and_closed(&agent, foreign, UNKNOWN_HOST);
}

#[test]
fn an_answer_to_head_has_no_body() {
    let agent = Agent::licensed();
    for target in [STATUS, "/nowhere"] {
        let mut connection = agent.send(Request::new("HEAD", target));
        connection.receive_head(PROMPTLY).unwrap();
        // A body would be taken for the beginning of the next answer.
        match connection.exchange(Request::get(STATUS)) {
            Ok(next) => assert_eq!(next.status, 200),
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::InvalidData, "{error}"),
        }
    }
}

#[test]
fn a_body_is_never_taken_for_the_next_request() {
    let agent = Agent::licensed();
    let smuggled = Request::get("/nowhere").bytes();
    for (request, status) in [
        (Request::get(STATUS).body(smuggled.clone()), 200),
        (Request::post("/").body(smuggled.clone()), 405),
        (Request::post("/nowhere/else").body(smuggled.clone()), 404),
        (Request::post(SMALL_READ).body(smuggled.clone()), 401),
        (Request::post(SMALL_READ).body(smuggled).signed(), 501),
    ] {
        let mut connection = agent.send(request);
        assert_eq!(connection.receive(PROMPTLY).unwrap().status, status);
        // In step, or closed.
        if let Ok(next) = connection.exchange(Request::get("/health")) {
            assert_eq!(next.status, 200, "out of step after {status}");
        }
    }
}

#[test]
fn a_port_that_is_taken_is_named_and_ends_the_daemon() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let agent = Agent::builder().set("port", &address.port().to_string()).spawn();
    let exit = agent.wait_exit(Duration::from_secs(30));
    let text = agent.lines().join("\n");
    assert_eq!(exit.code(), Some(1), "{text}");
    assert!(text.contains(&address.to_string()), "no {address} in: {text}");
    assert!(!text.contains("panicked"), "{text}");
}

// --------------------------------------------------------------------------------------------------------------------
// Framing and limits: what is refused before anyone looks at the path.

#[test]
fn malformed_heads_are_refused() {
    let agent = Agent::licensed();
    for (what, after_the_path) in [
        ("NUL in the target", "\0 HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("NUL in a value", " HTTP/1.1\r\nHost: ::1\r\nA: a\0b\r\n\r\n"),
        ("NUL in a name", " HTTP/1.1\r\nHost: ::1\r\nA\0B: b\r\n\r\n"),
        ("control byte", " HTTP/1.1\r\nHost: ::1\r\nA: a\x01b\r\n\r\n"),
        ("bare CR", " HTTP/1.1\r\nHost: ::1\r\nA: a\rb\r\n\r\n"),
        ("bare LF, first line", " HTTP/1.1\nHost: ::1\r\n\r\n"),
        ("bare LF, header", " HTTP/1.1\r\nHost: ::1\nA: b\r\n\r\n"),
        ("bare LF, last line", " HTTP/1.1\r\nHost: ::1\r\n\n"),
        ("bare LF throughout", " HTTP/1.1\nHost: ::1\n\n"),
        ("obs-fold", " HTTP/1.1\r\nHost: ::1\r\nA: a\r\n b\r\n\r\n"),
        ("obs-fold, tab", " HTTP/1.1\r\nHost: ::1\r\nA: a\r\n\tb\r\n\r\n"),
        ("space before colon", " HTTP/1.1\r\nHost: ::1\r\nA : b\r\n\r\n"),
        ("no name", " HTTP/1.1\r\nHost: ::1\r\n: b\r\n\r\n"),
        ("no colon", " HTTP/1.1\r\nHost: ::1\r\nA\r\n\r\n"),
        ("no Host", " HTTP/1.1\r\nA: b\r\n\r\n"),
        ("two Hosts", " HTTP/1.1\r\nHost: ::1\r\nHost: ::1\r\n\r\n"),
    ] {
        eprintln!("{what}");
        check_and_closed(&agent, format!("GET {STATUS}{after_the_path}"), BAD_REQUEST);
    }
}

#[test]
fn a_content_length_that_is_not_one_number_is_refused() {
    let agent = Agent::licensed();
    for value in ["-1", "+5", "0x5", "5a", "", "5 5", "5,5", "5, 6", "1e3", "5.0", "five", "\u{ff15}"] {
        eprintln!("Content-Length: {value}");
        check_and_closed(&agent, post_of_length(LARGE_WRITE, value), BAD_REQUEST);
    }
    for two in ["5\r\nContent-Length: 5", "5\r\ncontent-length: 6", "0\r\nContent-Length: 5"] {
        eprintln!("Content-Length: {two}");
        let request = post_of_length(LARGE_WRITE, two) + "hello!";
        check_and_closed(&agent, request, BAD_REQUEST);
    }
}

#[test]
fn transfer_encodings_are_refused() {
    let agent = Agent::licensed();
    for headers in [
        "Transfer-Encoding: chunked",
        "transfer-encoding: CHUNKED",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
    ] {
        eprintln!("{headers}");
        let head = format!("POST {LARGE_WRITE} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n");
        check_and_closed(&agent, head + "0\r\n\r\n", TRANSFER_ENCODING_NOT_SUPPORTED);
    }
}

#[test]
fn other_versions_are_refused() {
    let agent = Agent::licensed();
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"] {
        eprintln!("{version}");
        check_and_closed(&agent, get_as(version), HTTP_VERSION_NOT_SUPPORTED);
    }
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    check_and_closed(&agent, preface, HTTP_VERSION_NOT_SUPPORTED);
}

#[test]
fn a_head_may_have_8_kib_and_not_a_byte_more() {
    let agent = Agent::licensed();
    assert_eq!(agent.fetch(head_of(8 * KIB)).status, 200);
    check_and_closed(&agent, head_of(8 * KIB + 1), HEAD_TOO_LARGE);
    check_and_closed(&agent, head_of(20 * KIB), HEAD_TOO_LARGE);
    // As soon as there are too many bytes, whether or not the line or the head ever ends.
    check_and_closed(&agent, &head_of(20 * KIB)[..9 * KIB], HEAD_TOO_LARGE);
    check_and_closed(&agent, format!("GET /{}", "a".repeat(9 * KIB)), HEAD_TOO_LARGE);
}

#[test]
fn a_head_may_have_64_headers_and_not_one_more() {
    let agent = Agent::licensed();
    // With the Host that is there already.
    let request = |headers: usize| (1..headers).fold(Request::get(STATUS), |r, _| r.header("X", "a"));
    assert_eq!(agent.fetch(request(64)).status, 200);
    check_and_closed(&agent, request(65), HEAD_TOO_LARGE);
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_arrives() {
    let agent = Agent::licensed();
    for (target, length) in [(LARGE_WRITE, MIB + 1), (SMALL_READ, 64 * KIB + 1), (STATUS, MIB + 1)] {
        eprintln!("{target}: {length}");
        check_and_closed(&agent, post_of_length(target, length), BODY_TOO_LARGE);
    }
    let beyond_64_bits = (u128::from(u64::MAX) + 2).to_string();
    let beyond_reason = "9".repeat(1000);
    for length in ["4294967297", "9223372036854775807", &beyond_64_bits, &beyond_reason] {
        eprintln!("{length}");
        check_and_closed(&agent, post_of_length(LARGE_WRITE, length), BODY_TOO_LARGE);
    }
}

#[test]
fn a_body_over_the_limit_is_refused_legibly_while_it_is_being_sent() {
    let agent = Agent::licensed();
    let request = Request::post(LARGE_WRITE).body(vec![b'x'; MIB + 1]).signed();
    for _ in 0..10 {
        // A reset that overtakes the answer would make the Panel show the server as offline.
        let response = agent.send(&request).receive(PROMPTLY);
        assert_refused(&response.expect("a legible refusal"), BODY_TOO_LARGE);
    }
}

#[test]
fn bodies_of_exactly_the_limit_are_taken() {
    let agent = Agent::licensed();
    for (target, length) in [(LARGE_WRITE, MIB), (SMALL_READ, 64 * KIB)] {
        let request = Request::post(target).body(vec![b'x'; length]).signed();
        check(&agent, request, NOT_IMPLEMENTED);
    }
}

#[test]
fn expect_100_continue_is_honoured() {
    let agent = Agent::licensed();
    let expecting = Request::post(LARGE_WRITE).header("Expect", "100-continue");
    let body = vec![b'x'; MIB];

    let signed = expecting.clone().body(body.clone()).signed();
    let mut connection = agent.send(signed.head());
    assert_eq!(connection.receive(PROMPTLY).unwrap().status, 100);
    connection.send(&body).unwrap();
    assert_refused(&connection.receive(PROMPTLY).unwrap(), NOT_IMPLEMENTED);

    // Without a signature the answer may come before the body does.
    let mut connection = agent.send(expecting.clone().body(body.clone()).head());
    let mut response = connection.receive(PROMPTLY).unwrap();
    if response.status == 100 {
        connection.send(&body).unwrap();
        response = connection.receive(PROMPTLY).unwrap();
    }
    assert_refused(&response, SIGNATURE_MISSING);

    let too_large = expecting.body(vec![b'x'; MIB + 1]).signed();
    check_and_closed(&agent, too_large.head(), BODY_TOO_LARGE);
}

#[test]
fn a_client_that_does_not_wait_for_100_is_served() {
    let agent = Agent::licensed();
    let expecting = Request::post(LARGE_WRITE).header("Expect", "100-continue");
    let mut connection = agent.send(expecting.body(vec![b'x'; MIB]).signed());
    let mut response = connection.receive(PROMPTLY).unwrap();
    if response.status == 100 {
        response = connection.receive(PROMPTLY).unwrap();
    }
    assert_refused(&response, NOT_IMPLEMENTED);
}

#[test]
fn a_request_slower_than_ten_seconds_is_ended() {
    let agent = Agent::licensed();
    let request = Request::post(SMALL_READ).body(vec![b'x'; 4 * KIB]).signed();
    let (in_head, in_body) = (agent.connect(), agent.send(request.head()));
    let (head, body) = (request.head(), vec![b'x'; 4 * KIB]);
    std::thread::scope(|scope| {
        for (connection, left) in [(in_head, head), (in_body, body)] {
            scope.spawn(|| {
                let lasted = drip(connection, left);
                let allowed = Duration::from_secs(8)..Duration::from_secs(10) + SLACK;
                assert!(allowed.contains(&lasted), "ended after {lasted:?}");
            });
        }
    });
}

/// Sends a byte each quarter of a second until the daemon has had enough; says how long that took.
fn drip(mut connection: Connection, bytes: Vec<u8>) -> Duration {
    let began = Instant::now();
    for byte in bytes {
        let sent = connection.send([byte]);
        let answer = sent.and_then(|()| connection.receive(Duration::from_millis(250)));
        match answer {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(_closed) => break,
            Ok(response) => {
                assert_refused(&response, REQUEST_TIMEOUT);
                break;
            }
        }
    }
    began.elapsed()
}

#[test]
fn rubbish_gets_a_refusal_or_nothing() {
    let agent = Agent::licensed();
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec();
    let every_byte: Vec<u8> = (0..=255).chain(*b"\r\n\r\n").collect();
    let texts = [
        "\r\n\r\n\r\n\r\n\r\n",
        " \r\n\r\n",
        "GET\r\n\r\n",
        "GET / \r\n\r\n",
        "GET / HTTP\r\n\r\n",
        "GET / HTTP/\r\n\r\n",
        "GET / HTTP/1.1x\r\n\r\n",
        "GET / HTTP/11\r\n\r\n",
        "GET / http/1.1\r\nHost: localhost\r\n\r\n",
        "GET /license/status\r\nHost: localhost\r\n\r\n",
        "GET  /license/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /license /status HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET //license/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /x/../license/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET license/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET ? HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "CONNECT localhost:7443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    let texts = texts.map(|text| text.as_bytes().to_vec());
    for bytes in [tls, every_byte].into_iter().chain(texts) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut connection = agent.send(bytes);
        let _ = connection.stream().shutdown(Shutdown::Write);
        match connection.receive(PROMPTLY) {
            Ok(response) => {
                assert!(response.status >= 400, "{text:?}: {}", response.status);
                assert_error_body(&response);
            }
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::TimedOut, "{text:?} hangs"),
        }
        agent.serves().expect("served after rubbish");
    }
}

// --------------------------------------------------------------------------------------------------------------------
// Refusals that are not about framing.

#[test]
fn unknown_paths_are_refused() {
    let agent = Agent::licensed();
    for target in ["/nowhere", "/license", "/license/status/", "/LICENSE/STATUS", "/files/write/x"] {
        check(&agent, Request::get(target), NOT_FOUND);
        check(&agent, Request::post(target).body("{}").signed(), NOT_FOUND);
    }
}

#[test]
fn wrong_methods_are_refused_with_the_right_ones() {
    let agent = Agent::licensed();
    for (method, target, allowed) in [
        ("DELETE", STATUS, vec!["GET"]),
        ("POST", STATUS, vec!["GET"]),
        ("BREW", "/health", vec!["GET"]),
        ("GET", SMALL_READ, vec!["POST"]),
        ("PUT", LARGE_WRITE, vec!["POST"]),
        ("DELETE", "/php/config", vec!["GET", "POST"]),
    ] {
        let response = check(&agent, Request::new(method, target), METHOD_NOT_ALLOWED);
        let header = response.header("Allow").expect("an Allow header");
        let mut names: Vec<&str> = header.split(", ").filter(|name| *name != "HEAD").collect();
        names.sort_unstable();
        assert_eq!(names, allowed, "{method} {target}");
    }
}

#[test]
fn a_query_is_no_part_of_the_path() {
    let agent = Agent::licensed();
    assert_eq!(agent.fetch(Request::get("/license/status?a=b/../c")).status, 200);
    for target in ["/ssl/wildcard/progress?domain=x", "/ssl/wildcard/progress?domain=%2e%00"] {
        check(&agent, Request::get(target).signed(), NOT_IMPLEMENTED);
    }
}

#[test]
fn a_percent_in_a_signed_path_is_refused() {
    let agent = Agent::licensed();
    for target in ["/files/%77rite", "/stats%2Fserver", "/files/write%00", "/files/write%"] {
        check(&agent, Request::post(target).body("{}").signed(), BAD_REQUEST);
    }
}

#[test]
fn a_host_name_that_is_not_ours_is_refused() {
    let agent = Agent::builder().set("allowed_hosts", "panel.example.com").start_licensed();
    for host in [
        "127.0.0.1",
        "127.0.0.1:7443",
        "192.0.2.7:7443",
        "[::1]",
        "[::1]:7443",
        "localhost",
        "LocalHost:7443",
        "panel.example.com",
        "PANEL.example.com:7443",
    ] {
        let response = agent.fetch(Request::get(STATUS).header("Host", host));
        assert_eq!(response.status, 200, "Host: {host}");
    }
    for host in [
        "evil.example",
        "evil.example:7443",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-panel.example.com",
        "panel.example.com.evil.example",
        "example.com",
    ] {
        eprintln!("Host: {host}");
        check(&agent, Request::get(STATUS).header("Host", host), UNKNOWN_HOST);
        let write = Request::post(LARGE_WRITE).header("Host", host).signed();
        check(&agent, write, UNKNOWN_HOST);
    }
}

#[test]
fn a_foreign_origin_is_refused() {
    let agent = Agent::licensed();
    let host = format!("127.0.0.1:{}", agent.port());
    let own = Request::get(STATUS).header("Host", &host);
    let same_origin = own.clone().header("Origin", &format!("http://{host}"));
    assert_eq!(agent.fetch(same_origin).status, 200);
    for origin in ["null", "https://evil.example", "http://127.0.0.1.evil.example"] {
        eprintln!("Origin: {origin}");
        check(&agent, own.clone().header("Origin", origin), FORBIDDEN_ORIGIN);
        let write = Request::post(LARGE_WRITE).header("Origin", origin).signed();
        check(&agent, write, FORBIDDEN_ORIGIN);
    }
}

#[test]
fn nothing_a_client_sends_comes_back_in_a_head() {
    let agent = Agent::licensed();
    let marker = "zq-marker";
    for request in [
        Request::get("/zq-marker"),
        Request::get("/zq-marker/"),
        Request::get("/license/status?zq-marker=zq-marker"),
        Request::get("/%0d%0azq-marker:%20x"),
        Request::new(marker, STATUS),
        Request::get(STATUS).header("Host", "zq-marker.example"),
        Request::get(STATUS).header("Origin", "https://zq-marker.example"),
        Request::get(STATUS).header(marker, marker),
        Request::get(STATUS).header("X-Request-Id", marker).header("Connection", marker),
        Request::get(STATUS).header("Cookie", marker).header("Accept", marker),
        Request::get(STATUS).header("Expect", marker),
        Request::get(STATUS).header("Content-Length", marker),
        Request::get(STATUS).header("Transfer-Encoding", marker),
        Request::post(SMALL_READ).header("X-Signature", marker).header("X-Timestamp", marker),
        Request::post(SMALL_READ).body(marker),
        Request::post(SMALL_READ).body(marker).signed(),
    ] {
        let response = agent.fetch(request);
        let head = response.head_text();
        assert!(!head.contains(marker), "{head}");
        if response.status != 200 {
            assert_error_body(&response);
        }
    }
}

// --------------------------------------------------------------------------------------------------------------------
// Signatures and the license gate.

#[test]
fn the_tests_sign_as_the_panel_does() {
    let domain = r#"{"domain":"example.com","document_root":"\/home\/alice\/example.com\/public_html","username":"alice","php_version":"8.4"}"#;
    let account = r#"{"username":"alice","domains":["b\u00fccher.example"],"databases":[]}"#;
    // contract.md §1.10, made with PHP.
    #[rustfmt::skip]
    let vectors = [
        ("POST", "/domains/create", domain, "106b12f3efc46aced343cf51d7af6c9d78cddca48e1e2f9912662ae01edd13c0"),
        ("POST", "/stats/server", "", "2932c82684a07527210dc40f56307839cc1afc8976bb977694ec5595738fd308"),
        ("GET", "/ssl/wildcard/progress?domain=x", "", "c3637d69e5c6f33c2aec04787b2f895ea6a15cc1dccefeec404f82e7e407f7d3"),
        ("POST", "/files/upload", "", "04f2449eee3566fd1d403ef8253b905c5b8c6a73775cdc6945fac808af0a4452"),
        ("POST", "/stats/account", account, "e57eb182dbc8c3f78fb4f85eb66fe4a468bdb94e6c275a65a0e7e8613cd6701c"),
        ("POST", "/terminal/connect?a=b", "ls\r", "952302c90e29b0ab3290e84ef4a7621231837782f63e70a36b6ee958c91b41e0"),
    ];
    let noon = http::timestamp(OffsetDateTime::from_unix_timestamp(1_777_636_800).unwrap());
    assert_eq!(noon, "2026-05-01T12:00:00+00:00");
    for (method, target, body, expected) in vectors {
        let signature = http::signature(SECRET, &noon, method, target, body.as_bytes());
        assert_eq!(signature, expected, "{method} {target}");
    }
}

#[test]
fn a_signed_request_passes_again_and_again() {
    let agent = Agent::licensed();
    for request in [
        Request::post(SMALL_READ),
        Request::post(SMALL_READ).body("{}"),
        Request::post("/files/read").body(r#"{"username":"alice","path":"\/home\/alice"}"#),
        Request::post(LARGE_WRITE).body(r#"{"username":"alice","path":"b\u00fccher"}"#),
        Request::post("/git/clone").body([0xff, 0x00, 0x0d, 0x0a]),
        Request::get("/update/log"),
    ] {
        let signed = request.signed();
        // Identical signatures within one second are the Panel's normal traffic.
        for _ in 0..3 {
            check(&agent, &signed, NOT_IMPLEMENTED);
        }
    }
}

#[test]
fn a_request_without_a_signature_is_refused() {
    let agent = Agent::licensed();
    let now = http::timestamp(OffsetDateTime::now_utc());
    let signature = http::signature(SECRET, &now, "POST", SMALL_READ, b"");
    let post = Request::post(SMALL_READ);
    check(&agent, post.clone().header("X-Signature", &signature), SIGNATURE_MISSING);
    check(&agent, post.header("X-Timestamp", &now), SIGNATURE_MISSING);
    for target in [LARGE_WRITE, SMALL_READ, "/files/upload", "/account/delete"] {
        check(&agent, Request::post(target).body("{}"), SIGNATURE_MISSING);
    }
    for target in ["/version", "/update/log", "/backup/download?filename=x"] {
        check(&agent, Request::get(target), SIGNATURE_MISSING);
    }
}

#[test]
fn a_wrong_signature_is_refused() {
    let agent = Agent::licensed();
    let now = http::timestamp(OffsetDateTime::now_utc());
    let sign = |secret: &str, method: &str, path: &str, body: &[u8]| http::signature(secret, &now, method, path, body);
    let with = |signature: &str| {
        let request = Request::post(SMALL_READ).body("{}");
        request.header("X-Timestamp", &now).header("X-Signature", signature)
    };
    let right = sign(SECRET, "POST", SMALL_READ, b"{}");
    check(&agent, with(&right), NOT_IMPLEMENTED);
    for signature in [
        sign("", "POST", SMALL_READ, b"{}"),
        sign(&SECRET[1..], "POST", SMALL_READ, b"{}"),
        sign(SECRET, "GET", SMALL_READ, b"{}"),
        sign(SECRET, "POST", LARGE_WRITE, b"{}"),
        sign(SECRET, "POST", SMALL_READ, b""),
        sign(SECRET, "POST", SMALL_READ, b"{ }"),
        http::signature(SECRET, "", "POST", SMALL_READ, b"{}"),
        right[..63].to_owned(),
        format!("{right}00"),
        format!("sha256={right}"),
        "0".repeat(64),
        "g".repeat(64),
        "\u{e9}".repeat(32),
    ] {
        eprintln!("X-Signature: {signature}");
        check(&agent, with(&signature), SIGNATURE_INVALID);
    }
}

#[test]
fn a_body_changed_on_the_way_is_refused() {
    let agent = Agent::licensed();
    let signed = Request::post(LARGE_WRITE).body(r#"{"path":"a"}"#).signed();
    check(&agent, signed.body(r#"{"path":"b"}"#), SIGNATURE_INVALID);
    let signed_as_empty = Request::post(LARGE_WRITE).signed();
    check(&agent, signed_as_empty.body("{}"), SIGNATURE_INVALID);
}

#[test]
fn an_upload_alone_may_be_signed_over_an_empty_body() {
    let agent = Agent::licensed();
    let upload = Request::post("/files/upload");
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n/a\r\n--x--\r\n";
    check(&agent, upload.clone().signed().body(multipart), NOT_IMPLEMENTED);
    check(&agent, upload.clone().body(multipart).signed(), NOT_IMPLEMENTED);
    check(&agent, upload.body("other").signed().body(multipart), SIGNATURE_INVALID);
}

#[test]
fn a_timestamp_outside_the_window_is_refused() {
    let agent = Agent::licensed();
    let now = OffsetDateTime::now_utc();
    let after = |seconds| Request::post(SMALL_READ).signed_at(now + time::Duration::seconds(seconds));
    for seconds in [-200, 200] {
        check(&agent, after(seconds), NOT_IMPLEMENTED);
    }
    for seconds in [-400, 400, -86_400, 86_400] {
        check(&agent, after(seconds), TIMESTAMP_OUTSIDE_WINDOW);
    }
    let long_ago = Request::post(SMALL_READ).signed_with(SECRET, "2026-05-01T12:00:00+00:00");
    check(&agent, long_ago, TIMESTAMP_OUTSIDE_WINDOW);
}

#[test]
fn the_timestamp_is_hashed_as_it_was_written() {
    let agent = Agent::licensed();
    let with = |timestamp: &str| Request::post(SMALL_READ).signed_with(SECRET, timestamp);
    let now = OffsetDateTime::now_utc();
    let utc = http::timestamp(now);
    let east = http::timestamp(now + time::Duration::HOUR);
    for (written, zone) in [(&utc, "Z"), (&utc, ".25Z"), (&east, "+01:00")] {
        check(&agent, with(&written.replace("+00:00", zone)), NOT_IMPLEMENTED);
    }
    for written in ["yesterday", "1777636800", "2026-05-01", "2026-13-01T12:00:00Z"] {
        let response = agent.fetch(with(written));
        assert_eq!(response.status, 401, "X-Timestamp: {written}");
        assert_error_body(&response);
    }
}

#[test]
fn without_a_license_writes_are_refused_and_reads_are_not() {
    let agent = Agent::unlicensed();
    for target in [LARGE_WRITE, "/domains/create", "/account/delete", "/update/run"] {
        let request = Request::post(target).body("{}").signed();
        let answer = check(&agent, request, LICENSE_REQUIRED).json();
        assert_eq!(answer["reason"], "unreachable", "{answer}");
        assert!(answer["help"].as_str().is_some_and(|help| !help.is_empty()), "{answer}");
    }
    check(&agent, Request::post(SMALL_READ).signed(), NOT_IMPLEMENTED);
    check(&agent, Request::post("/files/read").body("{}").signed(), NOT_IMPLEMENTED);
    check(&agent, Request::get("/update/log").signed(), NOT_IMPLEMENTED);
    // Who did not sign learns nothing.
    check(&agent, Request::post(LARGE_WRITE).body("{}"), SIGNATURE_MISSING);
    assert_eq!(agent.status()["valid"], false);
}

// --------------------------------------------------------------------------------------------------------------------
// What all of them stand on.

/// Sends a request on a connection of its own and expects this refusal.
fn check(agent: &Agent, request: impl Into<Vec<u8>>, refusal: Refusal) -> Response {
    let response = agent.fetch(request);
    assert_refused(&response, refusal);
    response
}

/// The same, and the daemon must end the connection: it cannot know where the next request begins.
fn check_and_closed(agent: &Agent, request: impl Into<Vec<u8>>, refusal: Refusal) {
    let mut connection = agent.send(request);
    let response = connection.receive(PROMPTLY);
    let response = response.unwrap_or_else(|error| panic!("no {refusal:?}: {error}"));
    assert_refused(&response, refusal);
    assert!(connection.ends(PROMPTLY), "open, or more came, after {refusal:?}");
}

fn assert_refused(response: &Response, (status, error): Refusal) {
    let answer = assert_error_body(response);
    assert_eq!((response.status, answer["error"].as_str()), (status, Some(error)), "{answer}");
}

/// Every error is a JSON object whose `error` and `message` are strings; the Panel shows the first to a person.
fn assert_error_body(response: &Response) -> serde_json::Value {
    let kind = response.header("Content-Type").unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{}", response.head_text());
    let answer = response.json();
    for field in ["error", "message"] {
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

/// A request whose head has exactly this many bytes, the empty line included.
fn head_of(length: usize) -> Vec<u8> {
    let unfilled = Request::get(STATUS).header("X", "").bytes().len();
    Request::get(STATUS).header("X", &"a".repeat(length - unfilled)).bytes()
}
