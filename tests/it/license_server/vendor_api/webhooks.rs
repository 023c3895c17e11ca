//! Webhooks and the API: a license looks the same in both.

use super::*;
use crate::license_server::webhooks::{deliverer, event, json_of, receiver, server, types};
use crate::support::SOON;

/// A license with every member set, and all that can happen to it: the license of each event is the one that the API and the
/// command line show after it, member by member.
#[test]
fn a_webhook_has_the_license_as_the_api_shows_it() {
    let receiver = receiver();
    let shop = Shop::at(server(&[&receiver], true), EVERYTHING);
    json_of(&shop.server, &["webhook", "add", &receiver.url(), "--json"]);
    let _deliverer = deliverer(shop.server.directory());
    let reader = add_token(&shop.server, "reader", "licenses:read", &[]);

    let note = "first line\n\t\"quoted\" \u{1f511} ".to_owned() + &"x".repeat(3900);
    let labels: Vec<String> = (0..20).map(|number| format!("label-{number}:{}", "y".repeat(30))).collect();
    let sold = shop.post(
        "/licenses",
        &json!({
            "owner": {"name": "carol"}, "plan": "business", "expires_at": "2126-03-01T12:00:00Z", "reference": "o/1",
            "note": note, "labels": labels, "trial": true,
        }),
    );
    assert_eq!(sold.status, 201, "{}", sold.text());
    let (path, key) = (format!("/licenses/{}", sold.json()["id"]), sold.json()["key"].clone());
    let id = sold.json()["id"].to_string();
    let post = |action: &str, body: Value| assert_eq!(shop.post(&format!("{path}{action}"), &body).status, 200);
    let patch = |body: Value| assert_eq!(shop.call("PATCH", &path, Some(&body)).status, 200);
    let verify = |ip: &str| assert_granted(&shop.server.verify(&json!({"key": key, "server_ip": ip})));
    let steps: [(&str, &dyn Fn()); 11] = [
        ("license.created", &|| ()),
        ("server.activated", &|| verify(SERVERS[0])),
        ("server.activated", &|| verify(SERVERS[1])),
        ("license.plan_changed", &|| patch(json!({"plan": "free"}))),
        ("license.suspended", &|| post("/suspend", json!({"reason": "\u{2014}".repeat(500)}))),
        ("license.resumed", &|| post("/resume", json!({}))),
        ("license.renewed", &|| post("/renew", json!({"until": null}))),
        ("server.moved", &|| post(&format!("/servers/{}/move", SERVERS[1]), json!({"to": SERVERS[2]}))),
        ("server.revoked", &|| {
            assert_eq!(shop.call("DELETE", &format!("{path}/servers/{}", SERVERS[2]), None).status, 200);
        }),
        ("license.cancelled", &|| {
            // Billing is not announced, but shown with what is.
            let words = ["license", "set-billing", &id, "--status", "past_due", "--period-end", "2126-01-01"];
            assert!(shop.server.run(&words).status.success());
            patch(json!({"lock_ip": SERVERS[0]}));
            post("/cancel", json!({}));
        }),
        ("license.resumed", &|| post("/resume", json!({}))),
    ];
    for (number, (name, step)) in steps.iter().enumerate() {
        step();
        let shown = shop.server.fetch(request(&reader, "GET", &path, None)).json();
        assert!(receiver.wait_for(number + 1, SOON), "{name}: {:?}", types(&receiver));
        let request = &receiver.received()[number];
        let sent = event(request);
        assert_eq!(sent["type"], *name, "{sent}");
        assert_same_members(name, &sent["data"]["license"], &shown);
        let listed = shop.server.fetch(super::request(&reader, "GET", "/licenses", None)).json();
        assert_same_members("the list", &listed["data"][0], &shown);
        assert_same_members("license list", &json_of(&shop.server, &["license", "list", "--json"])[0], &shown);
        let mut alone = json_of(&shop.server, &["license", "show", &id, "--json"]);
        for more in ["activations", "refused_servers", "kept_out", "history"] {
            assert!(alone.as_object_mut().unwrap().remove(more).is_some(), "{more}");
        }
        assert_same_members("license show", &alone, &shown);
    }
    let all = json_of(&shop.server, &["license", "show", &id, "--reveal-key", "--json"]);
    assert_eq!((&all["key"], &all["key_masked"]), (&key, &json!(false)));
    assert_same_members("creation", &keyless(sold.json()), &keyless(shop.get(&path).json()));
}

/// The members of a new license that no step has changed.
fn keyless(mut license: Value) -> Value {
    for changed in ["active_servers", "billing", "expires_at", "last_check_at", "lock_ip", "revision"] {
        license[changed] = Value::Null;
    }
    for changed in ["plan", "plan_name", "max_accounts", "max_servers"] {
        license[changed] = Value::Null;
    }
    license
}

fn assert_same_members(place: &str, found: &Value, expected: &Value) {
    let (found, expected) = (found.as_object().unwrap(), expected.as_object().unwrap());
    for (name, value) in expected {
        assert_eq!(found.get(name), Some(value), "{place}: {name}");
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{place}");
    assert!(expected.len() > 20, "{expected:?}");
}
