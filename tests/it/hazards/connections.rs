//! Connections: order, reuse, closing.

use super::{LARGE_WRITE, NOT_FOUND, SLACK, SMALL_READ, STATUS, UNKNOWN_HOST, check_and_closed};
use crate::support::agent::Agent;
use crate::support::http::{PROMPTLY, Request};
use std::io;
use std::net::TcpListener;
use std::time::{Duration, Instant};

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
            let received = String::from_utf8_lossy(&request.head()).into_owned();
            assert_eq!(response.status, *status, "round {number}: {received}");
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
fn a_client_that_half_closes_after_its_request_gets_the_answer_and_the_close() {
    let agent = Agent::licensed();
    let mut connection = agent.connect();
    assert_eq!(connection.exchange(Request::get(STATUS)).unwrap().status, 200);
    connection.send(Request::get(STATUS).bytes()).unwrap();
    connection.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(connection.receive(PROMPTLY).unwrap().status, 200);
    assert!(connection.ends(PROMPTLY), "kept open for a client that half-closed");
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
        // A body would be parsed as the beginning of the next response.
        match connection.exchange(Request::get(STATUS)) {
            Ok(next) => assert_eq!(next.status, 200),
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::InvalidData, "{error}"),
        }
    }
}

#[test]
fn a_body_is_never_parsed_as_the_next_request() {
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
        // In sync, or closed.
        if let Ok(next) = connection.exchange(Request::get("/health")) {
            assert_eq!(next.status, 200, "out of sync after {status}");
        }
    }
}

#[test]
fn an_occupied_port_is_reported_and_the_daemon_exits() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let agent = Agent::builder().set("port", &address.port().to_string()).spawn();
    let exit = agent.wait_exit(Duration::from_secs(30));
    let text = agent.lines().join("\n");
    assert_eq!(exit.code(), Some(1), "{text}");
    assert!(text.contains(&address.to_string()), "no {address} in: {text}");
    assert!(!text.contains("panicked"), "{text}");
}
