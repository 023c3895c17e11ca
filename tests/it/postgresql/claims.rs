//! Slots that several instances grant: never more than there are, and each with its entry in the history.

use super::instances::{Instances, ask, verification};
use crate::support::http::{Request, Response};
use crate::support::license_database::TestLicense;
use crate::support::postgresql::Cluster;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

const CROWD: usize = 200;

/// The number of slots of the plan `business`.
const SLOTS: usize = 5;

/// Verifies from all servers at once, over both instances; returns those that were granted.
fn crowd(instances: &Instances, license: &TestLicense) -> BTreeSet<String> {
    let barrier = Barrier::new(CROWD);
    let claim = |number: usize| {
        let address = format!("198.51.100.{number}");
        let request = verification(license, &address);
        barrier.wait();
        let response = ask(instances.ports()[number % 2], &request).unwrap();
        match response.status {
            200 => Some(address),
            403 => {
                assert_eq!(response.json()["reason"], "server_limit_reached");
                None
            }
            _ => panic!("{address}: {}", response.text()),
        }
    };
    std::thread::scope(|scope| {
        let claim = &claim;
        let threads: Vec<_> = (0..CROWD).map(|number| scope.spawn(move || claim(number))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    })
}

/// What psql sees: the addresses of a license, and the entries of activations.
fn stored(cluster: &Cluster, license: &TestLicense) -> (BTreeSet<String>, usize) {
    let ips = cluster.psql(&format!("SELECT ip FROM activations WHERE license = {}", license.id));
    let entries =
        cluster.psql(&format!("SELECT count(*) FROM events WHERE license = {} AND action = 'activated'", license.id));
    (ips.lines().map(str::to_owned).collect(), entries.parse().unwrap())
}

#[test]
fn one_of_two_hundred_claims_over_two_instances_gets_the_last_slot() {
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    for round in 0..3 {
        let license = instances.database().license("business");
        let mut expected: BTreeSet<String> = (1..SLOTS).map(|number| format!("203.0.113.{number}")).collect();
        for (number, address) in expected.iter().enumerate() {
            assert_eq!(ask(instances.ports()[number % 2], &verification(&license, address)).unwrap().status, 200);
        }
        let winners = crowd(&instances, &license);
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        expected.extend(winners);
        assert_eq!(stored(&cluster, &license), (expected, SLOTS), "round {round}");
    }
}

#[test]
fn two_hundred_claims_over_two_instances_get_exactly_the_slots() {
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    for round in 0..3 {
        let license = instances.database().license("business");
        let winners = crowd(&instances, &license);
        assert_eq!(winners.len(), SLOTS, "round {round}: {winners:?}");
        assert_eq!(stored(&cluster, &license), (winners, SLOTS), "round {round}");
    }
}

/// The addresses of a license by its history alone, which never has more of them than slots.
fn replayed(cluster: &Cluster, license: &TestLicense) -> BTreeSet<String> {
    let mut addresses = BTreeSet::new();
    let sql = format!("SELECT action, actor, detail FROM events WHERE license = {} ORDER BY id", license.id);
    for line in cluster.psql(&sql).lines() {
        let words: Vec<&str> = line.split('|').collect();
        match words[..] {
            ["activated", address, _] => assert!(addresses.insert(address.to_owned()), "{line}: twice"),
            ["revoked", _, address] => assert!(addresses.remove(address), "{line}: was not there"),
            ["moved", _, detail] => {
                let (from, to) = detail.strip_prefix("from ").unwrap().split_once(" to ").unwrap();
                assert!(addresses.remove(from) && addresses.insert(to.to_owned()), "{line}: {addresses:?}");
            }
            _ => {}
        }
        assert!(addresses.len() <= SLOTS, "{line}: {addresses:?}");
    }
    addresses
}

/// Sends a request until it is not answered by 503; returns the answer.
fn insist(port: u16, request: &Request, unavailable: &AtomicUsize) -> Response {
    loop {
        let response = ask(port, request).unwrap();
        if response.status != 503 {
            return response;
        }
        unavailable.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_history_of_twenty_licenses_agrees_with_claims_revocations_and_moves_at_once() {
    const LICENSES: usize = 20;
    const ROUNDS: usize = 12;
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    let licenses = instances.database().licenses("business", LICENSES);
    let unavailable = AtomicUsize::new(0);
    let counts = [const { AtomicUsize::new(0) }; 4];
    let count = |which: usize| counts[which].fetch_add(1, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for worker in 0..LICENSES * 2 {
            let (license, instances, unavailable, count) =
                (&licenses[worker % LICENSES], &instances, &unavailable, &count);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    // Each worker changes between the instances; two workers share a license.
                    let port = instances.ports()[(worker / LICENSES + round) % 2];
                    let address = |number: usize| format!("198.51.100.{}", 1 + (worker * 7 + round * 3 + number) % 12);
                    for number in 0..3 {
                        match insist(port, &verification(license, &address(number)), unavailable).status {
                            200 => count(0),
                            403 => count(1),
                            status => panic!("{status}"),
                        };
                    }
                    let path = format!("/licenses/{}/servers/{}", license.id, address(1));
                    let request = if (worker + round) % 2 == 0 {
                        instances.call("DELETE", &path, None)
                    } else {
                        instances.call("POST", &format!("{path}/move"), Some(&json!({"to": address(9)})))
                    };
                    let response = insist(port, &request, unavailable);
                    match (response.status, response.status == 200 && response.json()["changed"] == true) {
                        (200, true) => count(2),
                        // It was not there, or the other address was.
                        (200 | 404 | 409, _) => count(3),
                        _ => panic!("{path}: {}", response.text()),
                    };
                }
            });
        }
    });
    for license in &licenses {
        let (addresses, _) = stored(&cluster, license);
        assert!(addresses.len() <= SLOTS, "{addresses:?}");
        assert_eq!(addresses, replayed(&cluster, license), "license {}", license.id);
    }
    let places = "SELECT count(*) FROM activations WHERE NOT EXISTS (SELECT 1 FROM events WHERE events.id = \
                  activations.sequence AND events.license = activations.license AND action IN ('activated', 'moved'))";
    assert_eq!(cluster.psql(places), "0", "activations without an entry");
    let [granted, refused, changed, unchanged] = counts.map(AtomicUsize::into_inner);
    assert!(granted > LICENSES && changed > LICENSES, "{granted} {changed}");
    let repeated = unavailable.into_inner();
    println!("granted {granted}, refused {refused}, changed {changed}, unchanged {unchanged}, 503 {repeated}");
    // A claim that found changes under way for more than a second, on a busy machine.
    assert!(repeated * 10 < granted + refused, "{repeated} answers 503 while the database works");
}
