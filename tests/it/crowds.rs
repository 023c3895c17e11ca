//! Many clients at once, most of them hostile, and one ordinary client that must not be affected.

use crate::support::agent::Agent;
use crate::support::http::{self, Connection, PROMPTLY, Request};
use crate::support::pause;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A write with a body limit of 1 MiB, and a read with a limit of 64 KiB. Neither operation is implemented, so being
/// served means 501.
const LARGE_WRITE: &str = "/autoresponder/set";
const SMALL_READ: &str = "/analytics/live";
const SERVED: u16 = 501;

#[test]
fn a_thousand_idle_and_a_thousand_half_sent_connections_block_no_client() {
    raise_descriptor_limit(4096);
    let agent = Agent::licensed();
    let idle: Vec<Connection> = (0..1000).map(|_| agent.connect()).collect();
    let half_sent: Vec<Connection> = (0..1000).map(|number| half_sent(&agent, number)).collect();
    for number in 0..300 {
        agent.serves().unwrap_or_else(|error| panic!("request {number} next to 2,000 connections: {error}"));
        let post = Request::post(SMALL_READ).body("{}").signed();
        assert_eq!(agent.fetch(post).status, SERVED, "signed request {number}");
    }
    let footprint = agent.footprint();
    assert!(footprint.descriptors <= 512 + 64, "more connections than the limit: {footprint:?}");
    assert!(footprint.resident_kib < 40 * KIB, "{footprint:?}");
    drop((idle, half_sent));
}

#[test]
fn an_active_keep_alive_client_is_not_evicted() {
    raise_descriptor_limit(4096);
    let agent = Agent::licensed();
    let request = Request::get("/license/status");
    let mut at_work = agent.connect();
    let mut crowd = Vec::new();
    for number in 0..100 {
        crowd.extend((0..10).map(|_| agent.connect()));
        let response = at_work.exchange(&request);
        assert_eq!(response.unwrap_or_else(|error| panic!("request {number}: {error}")).status, 200);
    }
}

#[test]
fn two_hundred_clients_at_one_byte_per_second_do_not_slow_others_down() {
    raise_descriptor_limit(4096);
    let agent = Agent::licensed();
    let request = Request::post(SMALL_READ).body("{}").signed().bytes();
    let slow: Vec<Connection> = (0..200).map(|_| agent.connect()).collect();
    let mut slowest = Duration::ZERO;
    agent.serves_throughout(|| {
        // 8 s, so that none of them times out before the end.
        for byte in &request[..8] {
            let second = Instant::now();
            for connection in &slow {
                connection.stream().write_all(&[*byte]).expect("a slow client is closed before its time");
            }
            let received = Instant::now();
            assert_eq!(agent.fetch(request.as_slice()).status, SERVED);
            slowest = slowest.max(received.elapsed());
            pause(Duration::from_secs(1).saturating_sub(second.elapsed()));
        }
    });
    assert!(slowest < Duration::from_secs(3), "a request took {slowest:?} next to 200 slow clients");
}

#[test]
fn bodies_held_one_byte_short_of_the_limit_block_no_other_post() {
    let agent = Agent::licensed();
    let (over, held) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| hold_bodies(&agent, &over, &held));
        }
        let end = Instant::now() + Duration::from_secs(60);
        let mut outcome = Ok(());
        while outcome.is_ok() && Instant::now() < end {
            outcome = post_bodies(&agent).and_then(|()| agent.serves());
            pause(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        outcome.expect("an ordinary client next to 16 that hold their bodies back");
    });
    assert!(held.into_inner() >= 16, "the attack did not take place");
    let footprint = agent.footprint();
    assert!(footprint.peak_resident_kib < 40 * KIB, "{footprint:?}");
    agent.serves().expect("served after the attack");
}

#[test]
fn two_hundred_pipeliners_that_never_read_block_no_client() {
    raise_descriptor_limit(4096);
    let agent = Agent::licensed();
    let requests = b"GET /license/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(4000);
    let end = Instant::now() + Duration::from_secs(15);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // They send more than all buffers on the path can hold, so every buffer fills up and stays full.
            scope.spawn(|| {
                while Instant::now() < end {
                    let crowd: Vec<Connection> = (0..50).map(|_| agent.connect()).collect();
                    for connection in &crowd {
                        let _ = connection.stream().set_nonblocking(true);
                        for _ in 0..40 {
                            let _ = connection.stream().write(&requests);
                        }
                    }
                    pause(Duration::from_secs(3));
                }
            });
        }
        while Instant::now() < end {
            post_bodies(&agent).and_then(|()| agent.serves()).expect("an ordinary client next to 200 that never read");
        }
    });
    let footprint = agent.footprint();
    assert!(footprint.peak_resident_kib < 40 * KIB, "{footprint:?}");
}

#[test]
fn a_crowd_that_sends_one_byte_each_does_not_evict_new_clients() {
    raise_descriptor_limit(4096);
    let agent = Agent::licensed();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // 200 new connections a second, of which the last 700 are kept open: more than the Agent holds.
        scope.spawn(|| {
            let mut crowd = std::collections::VecDeque::new();
            while !over.load(Ordering::Relaxed) {
                if let Ok(mut connection) = Connection::open(agent.port()) {
                    let _ = connection.send(b"G");
                    crowd.push_back(connection);
                }
                crowd.drain(..crowd.len().saturating_sub(700));
                pause(Duration::from_millis(5));
            }
        });
        pause(Duration::from_secs(5));
        let request = Request::get("/license/status");
        let mut kept = agent.connect();
        for number in 0..20 {
            let mut connection = agent.connect();
            pause(Duration::from_millis(200));
            let response = connection.exchange(&request);
            let kept_response = kept.exchange(&request);
            if number == 19 || response.is_err() || kept_response.is_err() {
                over.store(true, Ordering::Relaxed);
            }
            assert_eq!(response.unwrap_or_else(|error| panic!("newcomer {number}: {error}")).status, 200);
            assert_eq!(kept_response.unwrap_or_else(|error| panic!("keep-alive {number}: {error}")).status, 200);
        }
    });
}

#[test]
fn a_crowd_that_holds_a_little_each_does_not_evict_a_large_upload() {
    raise_descriptor_limit(4096);
    let agent = Agent::licensed();
    let part = Request::post(LARGE_WRITE).body(vec![b'x'; 60_000]).signed().bytes()[..17_500].to_vec();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut crowd = std::collections::VecDeque::new();
                while !over.load(Ordering::Relaxed) {
                    if let Ok(mut connection) = Connection::open(agent.port()) {
                        let _ = connection.send(&part);
                        crowd.push_back(connection);
                    }
                    crowd.drain(..crowd.len().saturating_sub(150));
                    pause(Duration::from_millis(1));
                }
            });
        }
        pause(Duration::from_secs(2));
        for number in 0..30 {
            let request = Request::post(LARGE_WRITE).body(vec![b'y'; 900 * KIB]).signed().bytes();
            let mut connection = agent.connect();
            // Like a client that reads the file while sending it.
            let sent = request.chunks(100 * KIB).try_for_each(|chunk| {
                pause(Duration::from_millis(3));
                connection.send(chunk)
            });
            let response = sent.and_then(|()| connection.receive(PROMPTLY));
            if number == 29 || response.is_err() {
                over.store(true, Ordering::Relaxed);
            }
            assert_eq!(response.unwrap_or_else(|error| panic!("upload {number}: {error}")).status, SERVED);
        }
    });
}

#[test]
fn five_thousand_resets_leak_nothing() {
    let agent = Agent::licensed();
    let before = agent.footprint();
    agent.serves_throughout(|| {
        for _ in 0..5000 {
            agent.connect().reset();
        }
    });
    agent.serves().expect("served after the resets");
    agent.gives_back(&before).expect("no resources are left in use after the resets");
    assert!(agent.lines().len() < 100, "resets flood the log: {} lines", agent.lines().len());
}

#[test]
fn none_of_sixty_four_keep_alive_clients_starves() {
    let agent = Agent::licensed();
    let request = Request::get("/license/status");
    let end = Instant::now() + Duration::from_secs(3);
    let client = || -> io::Result<usize> {
        let mut connection = Connection::open(agent.port())?;
        let mut answers = 0;
        while Instant::now() < end || answers < 20 {
            assert_eq!(connection.exchange(&request)?.status, 200);
            answers += 1;
        }
        Ok(answers)
    };
    let mut answers: Vec<usize> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..64).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap().expect("every request is answered")).collect()
    });
    answers.sort_unstable();
    let (least, median) = (answers[0], answers[answers.len() / 2]);
    assert!(least * 20 >= median, "the least served client got {least} answers, the median one {median}");
}

/// A new connection with the beginning of a request, truncated at a different place each time.
fn half_sent(agent: &Agent, number: usize) -> Connection {
    let request = Request::post(SMALL_READ).body("{\"half\":\"sent\"}").signed().bytes();
    let mut connection = agent.connect();
    connection.send(&request[..1 + number % (request.len() - 1)]).unwrap();
    connection
}

/// A hostile client that repeatedly sends a large body without its last byte.
fn hold_bodies(agent: &Agent, over: &AtomicBool, held: &AtomicUsize) {
    let request = Request::post(LARGE_WRITE).body(vec![b'x'; MIB]).signed().bytes();
    let all_but_one = &request[..request.len() - 1];
    while !over.load(Ordering::Relaxed) {
        // Expects to be rejected or disconnected, and then reconnects.
        let Ok(mut connection) = Connection::open(agent.port()) else {
            continue;
        };
        if connection.send(all_but_one).is_err() {
            continue;
        }
        held.fetch_add(1, Ordering::Relaxed);
        let still_held = |connection: &mut Connection| !connection.ends(Duration::from_millis(100));
        while !over.load(Ordering::Relaxed) && still_held(&mut connection) {}
    }
}

/// An ordinary client posts a small body and one of a quarter of the limit.
fn post_bodies(agent: &Agent) -> Result<(), String> {
    for (target, length) in [(SMALL_READ, 32 * KIB), (LARGE_WRITE, 256 * KIB)] {
        let request = Request::post(target).body(vec![b'y'; length]).signed();
        let response = http::fetch(agent.port(), request);
        match response {
            Ok(response) if response.status == SERVED => {}
            Ok(response) => {
                return Err(format!("{target}: {} {}", response.status, response.text()));
            }
            Err(error) => return Err(format!("{target}: {error} within {PROMPTLY:?}")),
        }
    }
    Ok(())
}

/// Raises this process's descriptor limit: it simulates all the clients.
fn raise_descriptor_limit(descriptors: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < descriptors) {
        let raised = Rlimit { current: Some(descriptors), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).expect("an open-file limit that is high enough for the test's connections");
    }
}
