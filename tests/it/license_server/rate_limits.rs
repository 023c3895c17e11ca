//! Rate limits for unknown keys and for each address of a license do not affect other servers.

use super::*;
use crate::support::SetOnDrop;
use crate::support::http::Connection;
use std::sync::atomic::{AtomicBool, Ordering};

/// Unknown keys that are allowed at once, and the wait for the next.
const MAX_UNKNOWN: usize = 20;
const WAIT: Duration = Duration::from_secs(10);

/// Verifications from an address of a license that are allowed at once, and per second after that.
const CHECKS: u64 = 600;
const CHECKS_PER_SECOND: f64 = 1.0;

fn unknown(number: usize) -> Value {
    json!({"key": format!("AAAAAAAA-{number:08}"), "nonce": "n", "server_id": "s"})
}

/// Asserts a rate limit error and returns its `Retry-After`.
fn assert_rate_limited(response: &Response) -> Duration {
    assert_error(response, 429, "rate_limited");
    assert_eq!(response.header("Content-Type"), Some("application/json"));
    Duration::from_secs(retry_after(response))
}

#[test]
fn the_twenty_first_unknown_key_is_refused_and_known_keys_are_not() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    for number in 0..MAX_UNKNOWN {
        assert_denied(&server.verify(&unknown(number)), "invalid_key", "License key is not known.");
    }
    let response = server.verify(&unknown(20));
    let wait = assert_rate_limited(&response);
    assert!((Duration::from_secs(1)..=WAIT).contains(&wait), "{wait:?}");
    let answer = response.json();
    assert_eq!((&answer["nonce"], &answer["server_id"]), (&json!("n"), &json!("s")), "{answer}");
    assert_eq!(
        answer["key_sha256"],
        crate::license::sha256(b"AAAAAAAA-00000020"),
        "the Agent requires the fingerprint"
    );
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
    assert_rate_limited(&server.verify(&unknown(0)));

    server.clock.pass(wait);
    assert_denied(&server.verify(&unknown(21)), "invalid_key", "License key is not known.");
    assert_rate_limited(&server.verify(&unknown(22)));
    server.clock.pass(20 * WAIT);
    for number in 0..MAX_UNKNOWN {
        assert_denied(&server.verify(&unknown(number)), "invalid_key", "License key is not known.");
    }
    assert_rate_limited(&server.verify(&unknown(23)));
}

#[test]
fn an_ipv6_network_counts_as_one_client() {
    let server = LicenseServerProcess::builder().set("trusted_proxies", "127.0.0.1").start();
    let ask = |client: &str, number: usize| {
        let request = Request::post(VERIFY).header("X-Forwarded-For", client).body(unknown(number).to_string());
        server.fetch(request).status
    };
    for number in 0..MAX_UNKNOWN {
        assert_eq!(ask(&format!("2a01:4f8:1:2:{number:x}::1"), number), 403, "{number}");
        assert_eq!(ask("9.9.9.9", number), 403, "{number}");
    }
    assert_eq!(ask("2a01:4f8:1:2:ffff::1", MAX_UNKNOWN), 429);
    assert_eq!(ask("9.9.9.9", MAX_UNKNOWN), 429);
    assert_eq!(ask("2a01:4f8:1:3::1", MAX_UNKNOWN), 403);
    assert_eq!(ask("9.9.9.10", MAX_UNKNOWN), 403);
}

#[test]
fn an_address_of_a_license_allows_six_hundred_verifications_at_once_and_then_one_per_second() {
    let server = TimedLicenseServer::start();
    let (busy, quiet) = (server.database.license("free"), server.database.license("free"));
    let verify = |license| server.verify(&question(license, SERVERS[0]));
    let began = std::time::Instant::now();
    for _ in 0..CHECKS {
        assert_granted(&verify(&busy));
    }
    // Some tokens are refilled while the requests above run.
    let mut more = 0.0;
    let wait = loop {
        let response = verify(&busy);
        if response.status == 429 {
            break assert_rate_limited(&response);
        }
        assert_granted(&response);
        more += 1.0;
        assert!(more <= 1.0 + CHECKS_PER_SECOND * began.elapsed().as_secs_f64(), "{more} more");
    };
    assert_eq!(wait, Duration::from_secs(1));
    assert_granted(&verify(&quiet));
    server.clock.pass(wait);
    assert_granted(&verify(&busy));
}

#[test]
fn a_rate_limited_server_takes_no_slot() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("datacenter");
    let mut granted = Vec::new();
    for number in 0..1000 {
        let address = format!("198.51.{}.{}", number / 256, number % 256);
        let response = server.verify(&question(&license, &address));
        match response.status {
            200 => granted.push(address),
            _ => drop(assert_rate_limited(&response)),
        }
    }
    assert!(granted.len() < 1000);
    assert_eq!(server.database.addresses(license.id), granted);
}

/// Asks in a loop, on one connection, until `stop`; returns how often it was answered with 200 and with 429.
fn hammer(port: u16, request: impl Fn(usize) -> Request, stop: &AtomicBool) -> [usize; 2] {
    let mut connection = Connection::open(port).unwrap();
    let mut counts = [0, 0];
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let status = connection.exchange(request(number)).unwrap().status;
        counts[usize::from(status != 200)] += 1;
    }
    counts
}

/// Waits until the loop is limited.
fn wait_for_limit(server: &LicenseServerProcess) {
    let limited = || server.fetch(Request::get("/metrics")).text();
    let is_limited = || !limited().contains("verifications_total{outcome=\"rate_limited\"} 0\n");
    assert!(eventually(START, is_limited), "{}", limited());
}

#[test]
fn one_server_in_a_loop_takes_no_answer_from_the_23_others_of_its_license() {
    let server = LicenseServerProcess::builder().set("trusted_proxies", "127.0.0.1").start();
    let license = server.database.license("datacenter");
    let from = |address: &str| {
        let body = json!({"key": license.key, "nonce": "n"}).to_string();
        Request::post(VERIFY).header("X-Forwarded-For", address).body(body)
    };
    let addresses: Vec<String> = (0..24).map(|number| format!("9.9.9.{number}")).collect();
    for address in &addresses {
        assert_granted(&server.fetch(from(address)));
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stopping = SetOnDrop(&stop);
        let hammering = scope.spawn(|| hammer(server.port(), |_| from(&addresses[0]), &stop));
        wait_for_limit(&server);
        for address in &addresses[1..] {
            for _ in 0..5 {
                assert_granted(&server.fetch(from(address)));
            }
        }
        assert_granted(&server.fetch(from("8.8.8.8")));
        assert_rate_limited(&server.fetch(from(&addresses[0])));
        drop(stopping);
        let [granted, limited] = hammering.join().unwrap();
        assert!(granted < 700 && limited > 0, "{granted} granted, {limited} limited");
    });
}

#[test]
fn strangers_with_the_key_take_no_answer_from_the_servers_that_have_a_slot() {
    let server = LicenseServerProcess::builder().set("trusted_proxies", "127.0.0.1").start();
    let license = server.database.license("business");
    let from = |address: &str| {
        let body = json!({"key": license.key, "nonce": "n"}).to_string();
        Request::post(VERIFY).header("X-Forwarded-For", address).body(body)
    };
    let addresses: Vec<String> = (0..5).map(|number| format!("9.9.9.{number}")).collect();
    for address in &addresses {
        assert_granted(&server.fetch(from(address)));
    }
    let stop = AtomicBool::new(false);
    // One holder of a /48, each time with the next /64.
    let stranger = |number: usize| from(&format!("2a01:4f8:1:{:x}::1", number % 0x1_0000));
    std::thread::scope(|scope| {
        let stopping = SetOnDrop(&stop);
        let hammering = scope.spawn(|| hammer(server.port(), stranger, &stop));
        wait_for_limit(&server);
        for address in addresses.iter().cycle().take(50) {
            assert_granted(&server.fetch(from(address)));
        }
        // A new server of another network is told why it gets no slot.
        assert_no_slot(&server.fetch(from("8.8.8.8")), 5, 5);
        drop(stopping);
        assert_eq!(hammering.join().unwrap()[0], 0, "no stranger gets a slot");
    });
}
