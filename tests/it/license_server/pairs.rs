//! One server at an IPv4 and an IPv6 address, over real sockets behind a proxy.

use super::*;

/// A server that trusts X-Forwarded-For from the tests.
fn behind_a_proxy() -> LicenseServerProcess {
    LicenseServerProcess::builder().set("trusted_proxies", "127.0.0.1").start()
}

fn ask(server: &LicenseServerProcess, license: &TestLicense, address: &str, identity: &str) -> Response {
    let body = json!({"key": license.key, "server_id": identity, "hostname": "web1.example.com", "nonce": "n"});
    server.fetch(Request::post(VERIFY).header("X-Forwarded-For", address).body(body.to_string()))
}

fn show(server: &LicenseServerProcess, license: &TestLicense) -> (Value, String) {
    let id = license.id.to_string();
    let json = serde_json::from_slice(&server.run(&["license", "show", &id, "--json"]).stdout).unwrap();
    (json, String::from_utf8(server.run(&["license", "show", &id]).stdout).unwrap())
}

#[test]
fn a_dual_stack_server_takes_one_slot_and_is_shown_with_both_addresses() {
    let server = behind_a_proxy();
    let license = server.database.license("free");
    for address in ["9.9.9.9", "2a01:4f8::1", "9.9.9.9", "2a01:4f8::1", "2a01:4f8::aaaa:2", "9.9.9.9"] {
        assert_granted(&ask(&server, &license, address, "one"));
    }
    assert_no_slot(&ask(&server, &license, "8.8.8.8", "one"), 1, 1);
    assert_no_slot(&ask(&server, &license, "2a01:4f9::1", "one"), 1, 1);
    assert_no_slot(&ask(&server, &license, "2a01:4f8::1", "one"), 1, 1);
    assert_granted(&ask(&server, &license, "2a01:4f8::aaaa:2", "one"));

    let (json, text) = show(&server, &license);
    let [activation] = json["activations"].as_array().unwrap().as_slice() else { panic!("{json}") };
    let addresses: Vec<&str> =
        activation["addresses"].as_array().unwrap().iter().map(|side| side["ip"].as_str().unwrap()).collect();
    assert_eq!((addresses, &json["active_servers"]), (vec!["9.9.9.9", "2a01:4f8::aaaa:2"], &json!(1)));
    assert!(activation["addresses"].as_array().unwrap().iter().all(|side| side["last_seen_at"].is_string()), "{json}");
    assert!(text.contains("one server with 2a01:4f8::aaaa:2, last seen there"), "{text}");
    let search = server.run(&["license", "list", "--search", "2a01:4f8::aaaa:2"]);
    assert!(String::from_utf8_lossy(&search.stdout).contains("1 of 1"), "{search:?}");
}

#[test]
fn revoke_and_move_on_the_command_line_act_on_both_addresses() {
    let server = behind_a_proxy();
    let license = server.database.license("free");
    let id = license.id.to_string();
    let said = |words: &[&str]| String::from_utf8(server.run(words).stdout).unwrap();
    for address in ["9.9.9.9", "2a01:4f8::1"] {
        assert_granted(&ask(&server, &license, address, "one"));
    }
    let moved = said(&["license", "move", &id, "2a01:4f8::1", "8.8.8.8"]);
    assert!(moved.contains("moved from 2a01:4f8::1 and 9.9.9.9, one server, to 8.8.8.8"), "{moved}");
    assert_eq!(server.database.addresses(license.id), ["8.8.8.8"]);
    assert_no_slot(&ask(&server, &license, "9.9.9.9", "one"), 1, 1);
    assert_granted(&ask(&server, &license, "8.8.8.8", "one"));
    assert_granted(&ask(&server, &license, "2a01:4f8::1", "one"));
    let revoked = said(&["license", "revoke", &id, "2a01:4f8::1"]);
    assert!(revoked.contains("2a01:4f8::1 and 8.8.8.8, one server, revoked."), "{revoked}");
    assert_eq!(server.database.addresses(license.id), [""; 0]);
    assert_granted(&ask(&server, &license, "9.9.9.9", "two"));
}
