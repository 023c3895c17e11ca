//! Many servers at once: the number of slots holds, whoever comes.

use super::*;
use crate::support::http::fetch;
use std::collections::BTreeSet;
use std::sync::Barrier;

const CROWD: usize = 200;

/// All ask at the same time, each on a connection and a thread of its own; the addresses that were granted.
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
fn of_two_hundred_that_want_the_last_slot_one_gets_it() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("business");
    let there: Vec<&str> = SERVERS[..4].to_vec();
    for address in &there {
        assert_granted(&server.verify(&question(&license, address)));
    }
    let granted = crowd(&server, &license, 4, 5);
    let expected: Vec<String> = there.into_iter().map(str::to_owned).chain(granted).collect();
    assert_eq!(server.database.addresses(license.id), expected);
}

#[test]
fn of_two_hundred_that_come_at_once_as_many_get_a_slot_as_there_are() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("business");
    let granted = crowd(&server, &license, 0, 5);
    let stored: BTreeSet<String> = server.database.addresses(license.id).into_iter().collect();
    assert_eq!(stored, granted);
    let activated =
        server.database.history(Some(license.id)).into_iter().filter(|line| line.action == Action::Activated);
    assert_eq!(activated.count(), 5, "each has its line in the history, and nobody else");
}

#[test]
fn one_server_that_asks_two_hundred_times_at_once_takes_one_slot() {
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
