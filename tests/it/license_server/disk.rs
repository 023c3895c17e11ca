//! A full disk: no wrong verdicts, and recovery without a restart.

use super::*;

/// Fills the disk and the remaining space in the database files, until a new activation fails.
pub(super) fn fill(server: &LicenseServerProcess, license: &TestLicense, address: &str) {
    server.inside("dd if=/dev/zero of=$DIRECTORY/disk/filler bs=4k status=none 2>/dev/null || true");
    let full = (0..50).any(|_| server.verify(&question(license, address)).status == 503);
    assert!(full, "the disk is not full");
}

pub(super) fn make_room(server: &LicenseServerProcess) {
    server.inside("rm $DIRECTORY/disk/filler");
}

fn assert_unavailable(response: &Response) {
    assert_error(response, 503, "unavailable");
    assert!((1..=300).contains(&retry_after(response)), "{}", response.head_text());
    assert_eq!(response.header("Content-Type"), Some("application/json"));
}

fn health(server: &LicenseServerProcess) -> (u16, Value) {
    let response = server.fetch(Request::get("/health"));
    let answer = response.json();
    (response.status, json!([answer["status"], answer["storage"]]))
}

fn is_failing(server: &LicenseServerProcess) -> bool {
    server.fetch(Request::get("/metrics")).text().contains("opterius_license_server_storage_failing 1\n")
}

#[test]
fn a_full_disk_is_answered_with_503_until_there_is_space() {
    let builder = LicenseServerProcess::builder();
    let (license, suspended) = (builder.database.license("business"), builder.database.license("free"));
    builder.database.apply_change(suspended.id, Change::Suspend);
    let server = builder.on_disk("size=1m").start();
    let [there, new, another, ..] = SERVERS;
    assert_granted(&server.verify(&question(&license, there)));
    assert_eq!(health(&server), (200, json!(["ok", "ok"])));

    fill(&server, &license, new);
    for _ in 0..3 {
        assert_unavailable(&server.verify(&question(&license, new)));
        assert_eq!(health(&server), (503, json!(["failing", "failing"])));
        assert!(is_failing(&server));
        // Verdicts without a change are still given, and do not reset the health status.
        assert_denied(&server.verify(&json!({"key": "AAAA"})), "invalid_key", "License key is not known.");
        assert_denied(&server.verify(&question(&suspended, there)), "suspended", "License is suspended.");
        assert_eq!(health(&server), (503, json!(["failing", "failing"])));
    }
    let lines = server.lines();
    let count = lines.iter().filter(|line| line.contains("Changes cannot be stored: the disk is full")).count();
    assert_eq!(count, 1, "logged once, not for each request: {lines:#?}");
    assert_eq!(server.database_on_disk().addresses(license.id), [there], "a refused server has no slot");

    make_room(&server);
    assert_granted(&server.verify(&question(&license, new)));
    assert_granted(&server.verify(&question(&license, another)));
    assert_eq!(health(&server), (200, json!(["ok", "ok"])));
    assert!(!is_failing(&server));
    let line = server.wait_for_line(|line| line.contains("Changes can be stored again"));
    assert!(line.is_some(), "{:#?}", server.lines());
    assert_eq!(server.database_on_disk().addresses(license.id), [there, new, another]);
    assert_eq!(server.database_on_disk().defects(), [] as [String; 0]);
}

#[test]
fn a_disk_that_fills_up_under_load_loses_no_granted_activation() {
    let builder = LicenseServerProcess::builder();
    let licenses = builder.database.licenses("datacenter", 20);
    let server = builder.on_disk("size=1m").start();
    let mut granted = Vec::new();
    // Each activation adds a few pages to the write-ahead log.
    for number in 0..2000 {
        let license = &licenses[number % licenses.len()];
        let address = format!("198.51.{}.{}", 100 + number / 250, number % 250);
        let response = server.verify(&question(license, &address));
        if response.status != 200 {
            assert_unavailable(&response);
            break;
        }
        granted.push((license.id, address));
    }
    assert!((10..2000).contains(&granted.len()), "{} until the disk was full", granted.len());
    server.inside("mount -o remount,size=64m $DIRECTORY/disk");
    let response = server.verify(&question(&licenses[0], SERVERS[0]));
    assert_granted(&response);
    let database = server.database_on_disk();
    for (id, address) in granted {
        assert!(database.addresses(id).contains(&address), "{address} was granted but is not stored");
    }
    assert_eq!(server.database_on_disk().defects(), [] as [String; 0]);
}
