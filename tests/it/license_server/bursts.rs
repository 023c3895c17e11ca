//! Bursts of check-ins: more in a second than are written to their rows at once.

use super::*;
use crate::support::engine::Engine;
use crate::support::http::fetch;
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// More servers than check in at once without waiting.
const SERVERS_OF_BURST: usize = 320;

fn address(number: usize) -> String {
    format!("10.0.{}.{}", number / 250, number % 250 + 1)
}

#[test]
fn check_ins_of_a_burst_are_seen_at_once_and_survive_a_stop() {
    let mut server = TimedLicenseServer::start();
    let license = server.database.license("datacenter");
    let all_check_in = |server: &TimedLicenseServer| {
        for number in 0..SERVERS_OF_BURST {
            assert_granted(&server.verify(&question(&license, &address(number))));
        }
    };
    let assert_seen = |server: &TimedLicenseServer, at: Timestamp| {
        let activations = server.database.activations(license.id);
        assert_eq!(activations.len(), SERVERS_OF_BURST);
        let late: Vec<_> = activations.iter().filter(|activation| activation.last_seen_at != at).collect();
        assert!(late.is_empty(), "{} were not seen at {at}: {:?}", late.len(), late[0]);
    };
    all_check_in(&server);
    for day in 1..=2 {
        server.clock.pass(DAY);
        all_check_in(&server);
        assert_seen(&server, BEGINNING.plus(day * DAY));
    }
    // What still waits after a stop of days is with its servers before the first question.
    server.restart_after(6 * DAY);
    assert_eq!(server.fetch(Request::get("/health")).status, 200);
    assert_seen(&server, BEGINNING.plus(2 * DAY));
    assert_eq!(server.database.read(|transaction| transaction.deferred_check_ins()), None);
    server.clock.pass(DAY);
    assert_granted(&server.verify(&question(&license, &address(0))));
    let first = server.database.activations(license.id).pop().unwrap();
    assert_eq!(
        (first.ip.to_string(), first.started_at),
        (address(0), BEGINNING.plus(9 * DAY)),
        "silent for seven days"
    );
}

#[test]
fn a_killed_server_has_stored_every_granted_check_in() {
    let mut server = LicenseServerProcess::start();
    let license = server.database.license("datacenter");
    for number in 0..SERVERS_OF_BURST {
        assert_granted(&server.verify(&question(&license, &address(number))));
    }
    // The second in which the last granted check-in of each server began.
    let granted: Mutex<BTreeMap<String, Timestamp>> = Mutex::default();
    for round in 0..3 {
        let done = AtomicBool::new(false);
        let port = server.port();
        let send = |thread: usize| {
            for number in (thread..).step_by(4) {
                let address = address(number % SERVERS_OF_BURST);
                let began = SystemClock.wall();
                let body = question(&license, &address).to_string();
                match fetch(port, Request::post(VERIFY).body(body)) {
                    Ok(response) if response.status == 200 => drop(granted.lock().unwrap().insert(address, began)),
                    Ok(response) => assert_error(&response, 429, "rate_limited"),
                    Err(_) => return,
                }
                if done.load(Ordering::Relaxed) {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || send(thread))).collect();
            // Instances on PostgreSQL let none wait.
            let is_in_burst = || match Engine::of_tests() {
                Engine::Sqlite => server.database.read(|transaction| transaction.deferred_check_ins()).is_some(),
                Engine::Postgresql => granted.lock().unwrap().len() >= SERVERS_OF_BURST / 2,
            };
            let has_begun = eventually(START, is_in_burst);
            server.kill();
            done.store(true, Ordering::Relaxed);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert!(has_begun, "round {round}: no burst");
        });
        server.restart();
        let seen: BTreeMap<String, Timestamp> = server
            .database
            .activations(license.id)
            .into_iter()
            .map(|activation| (activation.ip.to_string(), activation.last_seen_at))
            .collect();
        for (address, began) in granted.lock().unwrap().iter() {
            assert!(seen[address] >= *began, "round {round}: {address} checked in at {began}, not {}", seen[address]);
        }
        assert_eq!(server.database.defects(), [] as [String; 0], "round {round}");
    }
    let all_are_stored = || server.database.read(|transaction| transaction.deferred_check_ins()).is_none();
    assert!(eventually(START, all_are_stored), "check-ins wait for longer than a few seconds");
}
