//! Many concurrent sign-ins do not delay verifications.

use super::*;
use crate::dashboard::visitor::{Visitor, encode};
use crate::support::http::Connection;
use std::fs;

/// A sign-in request as a browser sends it, with a unique name.
fn sign_in(visitor: &Visitor<'_>, number: usize) -> Request {
    let (cookie, value) = visitor.cookies.iter().next().unwrap();
    let name = encode(&format!("mallory-{number}"));
    Request::new("POST", "/sign-in")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Cookie", &format!("{cookie}={value}"))
        .body(format!("name={name}&password=wrong&csrf={}", visitor.csrf))
}

#[test]
fn verifications_and_health_are_answered_during_many_sign_ins() {
    let server = LicenseServerProcess::builder().set("max_connections", "32").start();
    let license = server.database.license("free");
    let mut visitor = Visitor::new(&server);
    assert_eq!(visitor.get("/sign-in").status, 200);
    // More sign-ins than connections, each with a password to check.
    let crowd: Vec<Connection> = (0..40)
        .map(|number| {
            let mut connection = Connection::open(server.port()).unwrap();
            connection.send(Vec::from(sign_in(&visitor, number))).unwrap();
            connection
        })
        .collect();
    for _ in 0..10 {
        assert_granted(&server.verify(&question(&license, SERVERS[0])));
        assert_eq!(server.fetch(Request::get("/health")).status, 200);
    }
    drop(crowd);
}

#[test]
fn password_checks_reuse_one_buffer() {
    let server = LicenseServerProcess::start();
    let mut visitor = Visitor::new(&server);
    let mut resident = Vec::new();
    for number in 0..20 {
        assert_eq!(visitor.sign_in(&format!("mallory-{number}"), "wrong").status, 422);
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.push(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap());
    }
    let (first, last) = (resident[0], resident[19]);
    assert!(last < first + 8 * 1024, "from {first} to {last} KiB: {resident:?}");
}
