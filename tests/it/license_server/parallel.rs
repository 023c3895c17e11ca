//! Concurrent verifications never exceed the number of slots.

use super::*;
use crate::support::http::fetch;
use std::collections::BTreeSet;
use std::sync::Barrier;

const CROWD: usize = 200;

/// Verifies from all servers concurrently, on separate connections and threads; returns the granted addresses.
fn crowd(server: &LicenseServerProcess, license: &TestLicense, taken: usize, allowed: usize) -> BTreeSet<String> {
    let (port, barrier) = (server.port(), Barrier::new(CROWD));
    let ask = |number: usize| {
        let address = format!("198.51.100.{number}");
        let request = Request::post(VERIFY).body(question(license, &address).to_string());
        barrier.wait();
        (address, fetch(port, request).unwrap())
    };
    let ask = &ask;
    let answers: Vec<(String, Response)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CROWD).map(|number| scope.spawn(move || ask(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut granted = BTreeSet::new();
    let mut refused = 0;
    for (address, response) in answers {
        assert!(is_signed_by(&response, &server.public_keys()), "{}", response.text());
        match response.status {
            200 => assert!(granted.insert(address)),
            _ => {
                assert_no_slot(&response, allowed, allowed);
                refused += 1;
            }
        }
    }
    assert_eq!((granted.len(), refused), (allowed - taken, CROWD - (allowed - taken)));
    granted
}

#[test]
fn one_of_two_hundred_servers_gets_the_last_slot() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("business");
    let existing: Vec<&str> = SERVERS[..4].to_vec();
    for address in &existing {
        assert_granted(&server.verify(&question(&license, address)));
    }
    let granted = crowd(&server, &license, 4, 5);
    let expected: Vec<String> = existing.into_iter().map(str::to_owned).chain(granted).collect();
    assert_eq!(server.database.addresses(license.id), expected);
}

#[test]
fn two_hundred_concurrent_servers_get_exactly_the_available_slots() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("business");
    let granted = crowd(&server, &license, 0, 5);
    let stored: BTreeSet<String> = server.database.addresses(license.id).into_iter().collect();
    assert_eq!(stored, granted);
    let activated =
        server.database.history(Some(license.id)).into_iter().filter(|line| line.action == Action::Activated);
    assert_eq!(activated.count(), 5, "one history entry per granted server");
}

#[test]
fn two_hundred_concurrent_requests_of_one_server_take_one_slot() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let (port, barrier) = (server.port(), Barrier::new(CROWD));
    let ask = || {
        let request = Request::post(VERIFY).body(question(&license, SERVERS[0]).to_string());
        barrier.wait();
        fetch(port, request).unwrap()
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CROWD).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().status).collect()
    });
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(server.database.addresses(license.id), [SERVERS[0]]);
    assert_eq!(server.database.history_lines(license.id).len(), 2);
}
