//! The eleven attacks that stop or starve a tiny_http `Server`. SECURITY.md names the test for each row.

use super::{
    BODY_TOO_LARGE, HTTP_VERSION_NOT_SUPPORTED, KIB, LARGE_WRITE, MIB, NOT_IMPLEMENTED, SLACK, SMALL_READ, STATUS,
    assert_refused, check_and_closed, get_as, post_of_length,
};
use crate::support::agent::{Agent, AgentBuilder, FEW_THREADS};
use crate::support::eventually;
use crate::support::http::{Connection, PROMPTLY, Request};
use std::io::{self, Write as _};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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
            served.unwrap_or_else(|error| panic!("{number} next to 200 connections: {error}"));
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
            ended.expect("a half-sent request times out");
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
                    // All eight stay open until the last one has its response.
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

/// Runs an attack on a licensed Agent while an ordinary client uses it, and checks for leaks afterward.
fn withstand(attack: impl FnOnce(&Agent)) {
    withstand_as(Agent::builder(), attack);
}

fn withstand_as(builder: AgentBuilder, attack: impl FnOnce(&Agent)) {
    let agent = builder.start_licensed();
    let before = agent.footprint();
    agent.serves_throughout(|| attack(&agent));
    agent.serves().expect("served after the attack");
    agent.gives_back(&before).expect("no resources are left in use after the attack");
}

/// Eight signed requests at once, twice as many as the pool has threads, all answered.
fn assert_pool_works(agent: &Agent) {
    let request = Request::post(SMALL_READ).body("{}").signed();
    let mut connections: Vec<_> = (0..8).map(|_| agent.send(&request)).collect();
    for connection in &mut connections {
        assert_refused(&connection.receive(PROMPTLY).unwrap(), NOT_IMPLEMENTED);
    }
}
