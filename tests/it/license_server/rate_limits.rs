//! Keys cannot be guessed, and one license cannot keep the server busy; honest servers notice nothing of either.

use super::*;

/// Unknown keys that may be tried at once, and how long the next one has to wait.
const TRIES: usize = 20;
const WAIT: Duration = Duration::from_secs(10);

/// Checks of one license that are answered at once, and in each second after that.
const CHECKS: u64 = 600;
const CHECKS_PER_SECOND: f64 = 10.0;

fn unknown(number: usize) -> Value {
    json!({"key": format!("AAAAAAAA-{number:08}"), "nonce": "n", "server_id": "s"})
}

/// Says nothing about any license, is bound to the question, and says when to come again.
fn assert_too_often(response: &Response) -> Duration {
    assert_error(response, 429, "rate_limited");
    assert_eq!(response.header("Content-Type"), Some("application/json"));
    Duration::from_secs(retry_after(response))
}

#[test]
fn the_twenty_first_unknown_key_has_to_wait_and_known_ones_do_not() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    for number in 0..TRIES {
        assert_denied(&server.verify(&unknown(number)), "invalid_key", "License key is not known.");
    }
    let response = server.verify(&unknown(20));
    let wait = assert_too_often(&response);
    assert!((Duration::from_secs(1)..=WAIT).contains(&wait), "{wait:?}");
    let answer = response.json();
    assert_eq!((&answer["nonce"], &answer["server_id"]), (&json!("n"), &json!("s")), "{answer}");
    assert_eq!(answer["key_sha256"], crate::license::sha256(b"AAAAAAAA-00000020"), "an Agent trusts no other answer");
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
    assert_too_often(&server.verify(&unknown(0)));

    server.clock.pass(wait);
    assert_denied(&server.verify(&unknown(21)), "invalid_key", "License key is not known.");
    assert_too_often(&server.verify(&unknown(22)));
    server.clock.pass(20 * WAIT);
    for number in 0..TRIES {
        assert_denied(&server.verify(&unknown(number)), "invalid_key", "License key is not known.");
    }
    assert_too_often(&server.verify(&unknown(23)));
}

#[test]
fn whoever_has_a_whole_ipv6_network_is_one_client_and_others_have_tries_of_their_own() {
    let server = LicenseServerProcess::builder().set("trusted_proxies", "127.0.0.1").start();
    let ask = |client: &str, number: usize| {
        let request = Request::post(VERIFY).header("X-Forwarded-For", client).body(unknown(number).to_string());
        server.fetch(request).status
    };
    for number in 0..TRIES {
        assert_eq!(ask(&format!("2a01:4f8:1:2:{number:x}::1"), number), 403, "{number}");
        assert_eq!(ask("9.9.9.9", number), 403, "{number}");
    }
    assert_eq!(ask("2a01:4f8:1:2:ffff::1", TRIES), 429);
    assert_eq!(ask("9.9.9.9", TRIES), 429);
    assert_eq!(ask("2a01:4f8:1:3::1", TRIES), 403);
    assert_eq!(ask("9.9.9.10", TRIES), 403);
}

#[test]
fn one_license_is_answered_six_hundred_times_at_once_and_then_ten_times_a_second() {
    let server = TimedLicenseServer::start();
    let (busy, quiet) = (server.database.license("free"), server.database.license("free"));
    let verify = |license| server.verify(&question(license, SERVERS[0]));
    let began = std::time::Instant::now();
    for _ in 0..CHECKS {
        assert_granted(&verify(&busy));
    }
    // Tries come back in the time that really passes meanwhile.
    let mut more = 0.0;
    let wait = loop {
        let response = verify(&busy);
        if response.status == 429 {
            break assert_too_often(&response);
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
fn who_is_refused_for_asking_too_often_takes_no_slot() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("datacenter");
    let mut granted = Vec::new();
    for number in 0..1000 {
        let address = format!("198.51.{}.{}", number / 256, number % 256);
        let response = server.verify(&question(&license, &address));
        match response.status {
            200 => granted.push(address),
            _ => drop(assert_too_often(&response)),
        }
    }
    assert!(granted.len() < 1000);
    assert_eq!(server.database.addresses(license.id), granted);
}
