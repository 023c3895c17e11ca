//! Guessing passwords from many networks, through a trusted proxy. The owner with the right password is served meanwhile.

use super::visitor::encode;
use super::*;
use crate::support::SetOnDrop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Connections of the attacker.
const GUESSERS: usize = 50;

/// How often the owner signs in while the attack lasts, and the least number of guesses of the attack.
const SIGN_INS: usize = 8;
const GUESSES: usize = 300;

/// The longest duration of the attack, on a machine that is busy with other tests.
const ATTACK: Duration = Duration::from_secs(90);

/// A visitor whose address is the one that the proxy sends.
fn visitor_from<'v>(server: &'v LicenseServerProcess, address: &str) -> Visitor<'v> {
    let mut visitor = Visitor::new(server);
    visitor.headers = vec![("X-Forwarded-For", address.to_owned())];
    visitor
}

/// Guesses OWNER's password until `stop`, each time from another network; returns how many guesses were checked.
fn guess(
    server: &LicenseServerProcess,
    network: impl Fn(usize) -> String,
    next: &AtomicUsize,
    stop: &AtomicBool,
) -> usize {
    let mut form = visitor_from(server, &network(0));
    form.get("/sign-in");
    let cookies: Vec<String> = form.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut checked = 0;
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let body = format!("name={OWNER}&password={}&csrf={}", encode(&format!("guess {number}")), form.csrf);
        let request = Request::new("POST", "/sign-in")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Cookie", &cookies.join("; "))
            .header("X-Forwarded-For", &network(number))
            .body(body);
        match server.fetch(request).status {
            422 => checked += 1,
            429 => {}
            status => panic!("status {status}"),
        }
    }
    checked
}

#[test]
fn the_owner_signs_in_while_the_holder_of_a_48_guesses() {
    let server = LicenseServerProcess::builder().set("trusted_proxies", "127.0.0.1").start();
    add_users(&server.database);
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(1));
    let network = |number: usize| format!("2a01:4f8:1:{:x}::1", number % 0x1_0000);
    std::thread::scope(|scope| {
        let stopping = SetOnDrop(&stop);
        let guessers: Vec<_> = (0..GUESSERS).map(|_| scope.spawn(|| guess(&server, network, &next, &stop))).collect();
        let began = Instant::now();
        let mut signed_in = 0;
        while signed_in < SIGN_INS || next.load(Ordering::Relaxed) < GUESSES {
            assert!(began.elapsed() < ATTACK, "{signed_in} sign-ins in {ATTACK:?}");
            // Each time from a network that was never seen, and a user who mistypes once.
            let mut owner = visitor_from(&server, &format!("198.51.{signed_in}.7"));
            if signed_in == 3 {
                assert_eq!(owner.sign_in(OWNER, "mistyped").status, 422);
            }
            let response = owner.sign_in(OWNER, PASSWORD);
            assert_eq!(response.status, 303, "sign-in {signed_in}: {}", response.text());
            signed_in += 1;
        }
        // In the attacker's own network the name is closed, also for the right password.
        let mut neighbor = visitor_from(&server, "2a01:4f8:1:ffff::1");
        assert_eq!(neighbor.sign_in(OWNER, PASSWORD).status, 429);
        drop(stopping);
        let checked: usize = guessers.into_iter().map(|guesser| guesser.join().unwrap()).sum();
        // The first ones, and then few in a minute.
        let (tried, seconds) = (next.load(Ordering::Relaxed), began.elapsed().as_secs() as usize);
        assert!(checked <= 30 + seconds / 5, "{checked} of {tried} guesses were checked in {seconds} s");
    });
}
