//! A disk that is full: nobody is told anything wrong, and it heals without a restart.

use super::*;

/// Fills the disk, and the room that the database's own files still have, until a new server finds none.
pub(super) fn fill(vendor: &Vendor, license: &Licensed, address: &str) {
    vendor.inside("dd if=/dev/zero of=$DIRECTORY/disk/filler bs=4k status=none 2>/dev/null || true");
    let full = (0..50).any(|_| vendor.verify(&question(license, address)).status == 503);
    assert!(full, "there is room still");
}

pub(super) fn make_room(vendor: &Vendor) {
    vendor.inside("rm $DIRECTORY/disk/filler");
}

fn assert_unavailable(response: &Response) {
    assert_error(response, 503, "unavailable");
    assert!((1..=300).contains(&retry_after(response)), "{}", response.head_text());
    assert_eq!(response.header("Content-Type"), Some("application/json"));
}

fn health(vendor: &Vendor) -> (u16, Value) {
    let response = vendor.fetch(Request::get("/health"));
    let answer = response.json();
    (response.status, json!([answer["status"], answer["storage"]]))
}

fn is_failing(vendor: &Vendor) -> bool {
    vendor.fetch(Request::get("/metrics")).text().contains("license_server_storage_failing 1\n")
}

#[test]
fn a_full_disk_is_answered_with_come_again_until_there_is_room() {
    let builder = Vendor::builder();
    let (license, suspended) = (builder.books.license("business"), builder.books.license("free"));
    builder.books.alter(suspended.id, Change::Suspend);
    let vendor = builder.on_disk("size=1m").start();
    let [there, new, another, ..] = SERVERS;
    assert_granted(&vendor.verify(&question(&license, there)));
    assert_eq!(health(&vendor), (200, json!(["ok", "ok"])));

    fill(&vendor, &license, new);
    for _ in 0..3 {
        assert_unavailable(&vendor.verify(&question(&license, new)));
        assert_eq!(health(&vendor), (503, json!(["failing", "failing"])));
        assert!(is_failing(&vendor));
        // What needs nothing stored is still decided, and does not make the disk look well.
        assert_denied(&vendor.verify(&json!({"key": "AAAA"})), "invalid_key", "License key is not known.");
        assert_denied(&vendor.verify(&question(&suspended, there)), "suspended", "License is suspended.");
        assert_eq!(health(&vendor), (503, json!(["failing", "failing"])));
    }
    let lines = vendor.lines();
    let told = lines.iter().filter(|line| line.contains("Nothing can be stored: the disk is full")).count();
    assert_eq!(told, 1, "once, not for each request: {lines:#?}");
    assert_eq!(vendor.books_on_disk().addresses(license.id), [there], "who was told to come again took no slot");

    make_room(&vendor);
    assert_granted(&vendor.verify(&question(&license, new)));
    assert_granted(&vendor.verify(&question(&license, another)));
    assert_eq!(health(&vendor), (200, json!(["ok", "ok"])));
    assert!(!is_failing(&vendor));
    let line = vendor.wait_for_line(|line| line.contains("Changes can be stored again"));
    assert!(line.is_some(), "{:#?}", vendor.lines());
    assert_eq!(vendor.books_on_disk().addresses(license.id), [there, new, another]);
    assert_eq!(vendor.books_on_disk().defects(), [] as [String; 0]);
}

#[test]
fn a_disk_that_fills_up_under_load_loses_nothing_that_was_promised() {
    let builder = Vendor::builder();
    let licenses = builder.books.licenses("datacenter", 20);
    let vendor = builder.on_disk("size=1m").start();
    let mut granted = Vec::new();
    // The log of the database grows by some pages with each of them.
    for number in 0..2000 {
        let license = &licenses[number % licenses.len()];
        let address = format!("198.51.{}.{}", 100 + number / 250, number % 250);
        let response = vendor.verify(&question(license, &address));
        if response.status != 200 {
            assert_unavailable(&response);
            break;
        }
        granted.push((license.id, address));
    }
    assert!((10..2000).contains(&granted.len()), "{} until the disk was full", granted.len());
    vendor.inside("mount -o remount,size=64m $DIRECTORY/disk");
    let response = vendor.verify(&question(&licenses[0], SERVERS[0]));
    assert_granted(&response);
    let books = vendor.books_on_disk();
    for (id, address) in granted {
        assert!(books.addresses(id).contains(&address), "{address} was granted and is not there");
    }
    assert_eq!(vendor.books_on_disk().defects(), [] as [String; 0]);
}
