//! The signing keys change while servers go on: nobody loses the license who knows either of the two.

use super::*;
use crate::license::{assert_active, assert_restricted};
use crate::support::agent::Agent;
use opterius_license_server::keys::SigningKeys;
use std::fs;

fn change_keys(server: &LicenseServerProcess, change: impl FnOnce(&mut SigningKeys)) {
    let path = server.database.data_dir.keys_path();
    let mut keys = SigningKeys::load(&path).unwrap_or_else(|error| panic!("{error}"));
    change(&mut keys);
    keys.store(&path).unwrap();
    server.reload();
}

fn agent(server: &LicenseServerProcess, license: &TestLicense, keys: &str) -> Agent {
    agent::builder(server, license, SERVERS[0]).set("license_public_key", keys).start()
}

#[test]
fn whoever_knows_either_key_stays_valid_while_both_sign() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let old = server.public_keys();
    let trusts_old = agent(&server, &license, &old);
    assert_active(&trusts_old.status_after_checks(1));

    change_keys(&server, |keys| keys.rotate(server.database.now()).unwrap());
    let both = server.public_keys();
    let (new, rest) = both.split_once(", ").unwrap();
    assert_eq!(rest, old, "the new key is the first");
    let response = server.verify(&question(&license, SERVERS[0]));
    assert!(is_signed_by(&response, new) && is_signed_by(&response, &old), "{}", response.head_text());
    let header = response.header("Opterius-Signature").unwrap();
    assert_eq!(header.matches("keyid=").count(), 2, "{header}");
    assert_active(&trusts_old.reverify().json());
    let trusts_both = agent(&server, &license, &format!("{new},{old}"));
    assert_active(&trusts_both.status_after_checks(1));

    // Too early but for who insists.
    let mut keys = SigningKeys::load(&server.database.data_dir.keys_path()).unwrap_or_else(|error| panic!("{error}"));
    assert!(keys.retire(server.database.now(), false).is_err());
    change_keys(&server, |keys| keys.retire(server.database.now(), true).unwrap());
    assert_eq!(server.public_keys(), new);
    let response = server.verify(&question(&license, SERVERS[0]));
    assert!(is_signed_by(&response, new) && !is_signed_by(&response, &old), "{}", response.head_text());
    assert_active(&trusts_both.reverify().json());
    let trusts_new = agent(&server, &license, new);
    assert_active(&trusts_new.status_after_checks(1));
    let status = trusts_old.reverify().json();
    assert_eq!(status["state"], "grace", "an answer that is not trusted ends nothing at once: {status}");
    assert!(status["message"].as_str().unwrap().contains("is not signed by"), "{status}");
}

#[test]
fn a_stranger_s_key_trusts_no_answer_of_ours() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let stranger = crate::support::fake_license_server::SigningKey::generate().public_base64();
    let agent = agent(&server, &license, &stranger);
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    assert!(status["message"].as_str().unwrap().contains("is not signed by"), "{status}");
}

#[test]
fn keys_that_cannot_be_used_change_nothing_at_a_reload() {
    let server = LicenseServerProcess::start();
    let other = LicenseServerProcess::start();
    let license = server.database.license("free");
    let (path, good) = (server.database.data_dir.keys_path(), fs::read(server.database.data_dir.keys_path()).unwrap());
    let own = server.public_keys();
    let table: [(&[u8], &str); 3] = [
        (b"{}", "is damaged"),
        (b"", "is damaged"),
        (&fs::read(other.database.data_dir.keys_path()).unwrap(), "belong to another installation"),
    ];
    for (bytes, told) in table {
        fs::write(&path, bytes).unwrap();
        server.reload();
        let line = server.wait_for_line(|line| line.contains(told) && line.contains("The keys in use stay"));
        assert!(line.is_some(), "{told}: {:#?}", server.lines());
        let response = server.fetch(Request::post(VERIFY).body(question(&license, SERVERS[0]).to_string()));
        assert_granted(&response);
        assert!(is_signed_by(&response, &own), "{told}");
    }
    fs::write(&path, good).unwrap();
    server.reload();
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
}
