//! No ghosts: a daemon that lost a thread would only look alive, so it exits.

use super::{Body, Daemon, SOON, start_thread};
use crate::support::http::Request;
use opterius_daemon::supervisor::Failure;
use std::io;
use std::time::Duration;

/// Every thread of a daemon with `request_threads=4`.
const THREADS: [&str; 15] = [
    "front",
    "verifier",
    "metrics",
    "certificates",
    "read-1",
    "write-1",
    "read-2",
    "write-2",
    "slow-1",
    "slow-2",
    "slow-3",
    "transfer-1",
    "transfer-2",
    "transfer-3",
    "transfer-4",
];

#[test]
fn the_daemon_has_exactly_these_threads() {
    let (sender, names) = std::sync::mpsc::channel();
    let daemon = Daemon::start_with(None, move |name, body| {
        sender.send(name.to_owned()).unwrap();
        start_thread(name, body)
    });
    assert_eq!(daemon.fetch(Request::get("/health")).status, 200);
    assert_eq!(daemon.ended_within(Duration::from_millis(300)), None);
    let mut started: Vec<String> = names.try_iter().collect();
    let mut expected = THREADS.map(str::to_owned).to_vec();
    started.sort();
    expected.sort();
    assert_eq!(started, expected);
}

#[test]
fn a_thread_that_returns_ends_the_daemon() {
    for name in THREADS {
        check_ends_the_daemon(name, drop);
    }
}

#[test]
fn a_thread_that_panics_ends_the_daemon() {
    for name in THREADS {
        check_ends_the_daemon(name, |body| {
            let _body = body;
            // Unwinds like a panic, but without a message on stderr.
            std::panic::resume_unwind(Box::new("injected"));
        });
    }
}

#[test]
fn a_thread_that_cannot_start_prevents_the_daemon_from_starting() {
    for name in THREADS {
        let daemon = Daemon::start_with(None, move |thread, body| {
            if thread == name { Err(io::ErrorKind::OutOfMemory.into()) } else { start_thread(thread, body) }
        });
        let ended = daemon.ended_within(SOON);
        assert!(matches!(ended, Some(Err(Failure::Start(_)))), "{name}: {ended:?}");
    }
}

/// Runs a daemon whose thread `name` runs `instead` in place of its own code.
fn check_ends_the_daemon(name: &'static str, instead: fn(Body)) {
    let daemon = Daemon::start_with(None, move |thread, body| {
        if thread == name { start_thread(thread, Box::new(move || instead(body))) } else { start_thread(thread, body) }
    });
    let ended = daemon.ended_within(Duration::from_secs(10));
    assert_eq!(ended, Some(Err(Failure::ThreadEnded(name.to_owned()))), "{name}");
}
