//! Rotation of the signing keys: Agents that trust either key keep their license.

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
fn agents_with_either_key_stay_valid_during_a_rotation() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let old = server.public_keys();
    let trusts_old = agent(&server, &license, &old);
    assert_active(&trusts_old.status_after_checks(1));

    change_keys(&server, |keys| keys.rotate(server.database.now()).unwrap());
    let both = server.public_keys();
    let (new, rest) = both.split_once(", ").unwrap();
    assert_eq!(rest, old, "the new key comes first");
    let response = server.verify(&question(&license, SERVERS[0]));
    assert!(is_signed_by(&response, new) && is_signed_by(&response, &old), "{}", response.head_text());
    let header = response.header("Opterius-Signature").unwrap();
    assert_eq!(header.matches("keyid=").count(), 2, "{header}");
    assert_active(&trusts_old.reverify().json());
    let trusts_both = agent(&server, &license, &format!("{new},{old}"));
    assert_active(&trusts_both.status_after_checks(1));

    // Too early without force.
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
    assert_eq!(status["state"], "grace", "an untrusted response does not end the license immediately: {status}");
    assert!(status["message"].as_str().unwrap().contains("is not signed by"), "{status}");
}

#[test]
fn an_agent_with_a_foreign_key_rejects_all_responses() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let stranger = crate::support::fake_license_server::SigningKey::generate().public_base64();
    let agent = agent(&server, &license, &stranger);
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    assert!(status["message"].as_str().unwrap().contains("is not signed by"), "{status}");
}

#[test]
fn a_reload_with_unusable_keys_keeps_the_current_ones() {
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
    for (bytes, message) in table {
        fs::write(&path, bytes).unwrap();
        server.reload();
        let line = server.wait_for_line(|line| line.contains(message) && line.contains("The keys were not reloaded"));
        assert!(line.is_some(), "{message}: {:#?}", server.lines());
        let response = server.fetch(Request::post(VERIFY).body(question(&license, SERVERS[0]).to_string()));
        assert_granted(&response);
        assert!(is_signed_by(&response, &own), "{message}");
    }
    fs::write(&path, good).unwrap();
    server.reload();
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
}
