//! Servers over the API: revoking, moving, keeping out, and what was refused.

use super::*;
use crate::support::SOON;

/// A shop with a license for one server, which the first of [`SERVERS`] uses and the second was refused.
fn with_refused_server() -> Shop {
    let shop = Shop::start();
    let body = json!({"owner": {"name": "carol"}, "plan": "free", "reference": "r"});
    let license = shop.post("/licenses", &body).json();
    let verify =
        |address: &str| shop.server.verify(&json!({"key": license["key"], "server_ip": address, "hostname": "h"}));
    assert_granted(&verify(SERVERS[0]));
    assert_eq!(verify(SERVERS[1]).status, 403);
    let refusals = || shop.get("/licenses/ref:r/refusals").json()["data"].as_array().map(Vec::len);
    assert!(eventually(SOON, || refusals() == Some(1)));
    shop
}

fn path(address: &str, rest: &str) -> String {
    format!("/licenses/ref:r/servers/{address}{rest}")
}

#[test]
fn a_slot_moves_to_the_refused_server_once() {
    let shop = with_refused_server();
    let refused = shop.get("/licenses/ref:r/refusals").json();
    let found = &refused["data"][0];
    assert_eq!((&found["ip"], &found["reason"]), (&json!(SERVERS[1]), &json!("server_limit_reached")), "{refused}");
    assert_eq!((&found["help"], &found["hostname"]), (&json!(["move", "revoke", "upgrade"]), &json!("h")), "{refused}");
    let (from, to) = (path(SERVERS[0], "/move"), json!({"to": SERVERS[1]}));
    let rehearsed = shop.post(&format!("{from}?dry_run=1"), &to).json();
    assert_eq!((&rehearsed["changed"], &rehearsed["ip"]), (&json!(true), &json!(SERVERS[1])), "{rehearsed}");
    for changed in [true, false] {
        let moved = shop.post(&from, &to);
        assert_eq!((moved.status, &moved.json()["changed"]), (200, &json!(changed)), "{}", moved.text());
    }
    let servers = shop.get("/licenses/ref:r/servers").json();
    assert_eq!((servers["data"].as_array().unwrap().len(), &servers["data"][0]["ip"]), (1, &json!(SERVERS[1])));
    assert_eq!(shop.get("/licenses/ref:r/refusals").json()["data"][0]["help"], json!(["wait"]));
    let last = shop.server.database.history_lines(1).pop().unwrap();
    assert_eq!(last, format!("shop moved from {} to {}", SERVERS[0], SERVERS[1]));
}

#[test]
fn a_server_is_revoked_and_kept_out_until_it_is_let_in() {
    let shop = with_refused_server();
    let delete = |path: &str| shop.call("DELETE", path, None);
    for changed in [true, false] {
        let revoked = delete(&path(SERVERS[0], "")).json();
        assert_eq!((&revoked["changed"], &revoked["kept_out_until"]), (&json!(changed), &Value::Null), "{revoked}");
    }
    let kept_out = delete(&path(SERVERS[0], "?block=7d")).json();
    assert!(kept_out["kept_out_until"].is_string(), "{kept_out}");
    let blocks = shop.get("/licenses/ref:r/blocks").json();
    assert_eq!(blocks["data"][0]["ip"], json!(SERVERS[0]), "{blocks}");
    let key = shop.get("/licenses/ref:r").json()["key"].clone();
    assert_eq!(
        shop.server.verify(&json!({"key": key, "server_ip": SERVERS[0]})).json()["reason"],
        "server_ip_mismatch"
    );
    for changed in [true, false] {
        let unblocked = delete(&format!("/licenses/ref:r/blocks/{}", SERVERS[0])).json();
        assert_eq!(unblocked["changed"], json!(changed), "{unblocked}");
    }
    assert_granted(&shop.server.verify(&json!({"key": key, "server_ip": SERVERS[0]})));
}

#[test]
fn a_wrong_call_about_a_server_says_what_is_wrong() {
    let shop = with_refused_server();
    let post = |path: &str, to: &str| shop.post(path, &json!({"to": to}));
    let from = path(SERVERS[0], "/move");
    for to in ["127.0.0.1", "::1", "fe80::1", "169.254.1.1", "0.0.0.0", "ff02::1", "255.255.255.255"] {
        assert_api_error(&post(&from, to), 422, "validation_failed", Some("to"));
    }
    assert_api_error(&post(&from, "nonsense"), 422, "validation_failed", Some("to"));
    assert_api_error(&post(&path("nonsense", "/move"), SERVERS[1]), 422, "validation_failed", Some("ip"));
    assert_api_error(&post(&path(SERVERS[2], "/move"), SERVERS[3]), 404, "not_found", None);
    assert_api_error(&shop.get("/licenses/ref:none/servers"), 404, "not_found", None);
    for block in ["0d", "91d", "7", "-1d", "7D", "07d"] {
        let response = shop.call("DELETE", &path(SERVERS[0], &format!("?block={block}")), None);
        assert_api_error(&response, 422, "validation_failed", Some("block"));
    }
    let private = post(&from, "10.0.0.5").json();
    assert!(private["warning"].as_str().is_some_and(|text| text.contains("private address")), "{private}");
    let reader = add_token(&shop.server, "reader", "licenses:read", &[]);
    let deleted = shop.server.fetch(request(&reader, "DELETE", &path("10.0.0.5", ""), None));
    assert_api_error(&deleted, 403, "scope_missing", None);
}
