//! Framing and limits: requests that are rejected before routing.

use super::{
    BAD_REQUEST, BODY_TOO_LARGE, HEAD_TOO_LARGE, HTTP_VERSION_NOT_SUPPORTED, KIB, LARGE_WRITE, MIB, NOT_IMPLEMENTED,
    REQUEST_TIMEOUT, SIGNATURE_MISSING, SLACK, SMALL_READ, STATUS, TRANSFER_ENCODING_NOT_SUPPORTED, assert_error_body,
    assert_refused, check, check_and_closed, get_as, post_of_length,
};
use crate::support::agent::Agent;
use crate::support::http::{Connection, PROMPTLY, Request};
use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};

#[test]
fn malformed_heads_are_rejected() {
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
fn a_head_is_at_most_8_kib_long() {
    let agent = Agent::licensed();
    assert_eq!(agent.fetch(head_of(8 * KIB)).status, 200);
    check_and_closed(&agent, head_of(8 * KIB + 1), HEAD_TOO_LARGE);
    check_and_closed(&agent, head_of(20 * KIB), HEAD_TOO_LARGE);
    // Rejected as soon as there are too many bytes, even if the line or the head never ends.
    check_and_closed(&agent, &head_of(20 * KIB)[..9 * KIB], HEAD_TOO_LARGE);
    check_and_closed(&agent, format!("GET /{}", "a".repeat(9 * KIB)), HEAD_TOO_LARGE);
}

/// A request whose head has exactly this many bytes, the empty line included.
fn head_of(length: usize) -> Vec<u8> {
    let unfilled = Request::get(STATUS).header("X", "").bytes().len();
    Request::get(STATUS).header("X", &"a".repeat(length - unfilled)).bytes()
}

#[test]
fn a_head_has_at_most_64_headers() {
    let agent = Agent::licensed();
    // Together with the Host header.
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
        // A reset that overtakes the response would make the Panel show the server as offline.
        let response = agent.send(&request).receive(PROMPTLY);
        assert_refused(&response.expect("a readable error response"), BODY_TOO_LARGE);
    }
}

#[test]
fn bodies_of_exactly_the_limit_are_accepted() {
    let agent = Agent::licensed();
    for (target, length) in [(LARGE_WRITE, MIB), (SMALL_READ, 64 * KIB)] {
        let request = Request::post(target).body(vec![b'x'; length]).signed();
        check(&agent, request, NOT_IMPLEMENTED);
    }
}

#[test]
fn expect_100_continue_is_honored() {
    let agent = Agent::licensed();
    let expecting = Request::post(LARGE_WRITE).header("Expect", "100-continue");
    let body = vec![b'x'; MIB];

    let signed = expecting.clone().body(body.clone()).signed();
    let mut connection = agent.send(signed.head());
    assert_eq!(connection.receive(PROMPTLY).unwrap().status, 100);
    connection.send(&body).unwrap();
    assert_refused(&connection.receive(PROMPTLY).unwrap(), NOT_IMPLEMENTED);

    // Without a signature the response can arrive before the body.
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
fn a_request_slower_than_ten_seconds_is_closed() {
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

/// Sends a byte every quarter of a second until the daemon closes the connection; returns the elapsed time.
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
fn garbage_gets_an_error_or_no_response() {
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
        agent.serves().expect("served after garbage");
    }
}
