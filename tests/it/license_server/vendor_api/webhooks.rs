//! Webhooks over the API, and the license in their events.

use super::*;
use crate::license_server::webhooks::{assert_signed_with, deliverer, event, json_of, receiver, server, types};
use crate::support::SOON;
use opterius_license_server::model::EventType;

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

#[test]
fn a_webhook_is_added_tested_rotated_and_removed() {
    let receiver = receiver();
    let shop = Shop::at(server(&[&receiver], true), EVERYTHING);
    let _deliverer = deliverer(shop.server.directory());
    let wanted = json!(["server.activated", "license.suspended", "server.activated"]);
    let added = shop.post("/webhooks", &json!({"url": format!("{}/hook", receiver.url()), "events": wanted}));
    assert_eq!(added.status, 201, "{}", added.text());
    let added = added.json();
    let (path, secret) = (format!("/webhooks/{}", added["id"]), added["secret"].as_str().unwrap().to_owned());
    assert_eq!(added["events"], json!(["license.suspended", "server.activated"]));
    assert!(secret.starts_with("whsec_"), "{added}");

    // Only the answers that make a secret have it.
    let shown = |path: &str| shop.get(path);
    for answer in [shown("/webhooks"), shown(&path), shown(&format!("{path}/deliveries"))] {
        assert!(answer.status == 200 && !answer.text().contains("whsec_"), "{}", answer.text());
    }
    assert_eq!(shown("/webhooks").json()["data"], json!([shown(&path).json()]));
    let mut without = added;
    without.as_object_mut().unwrap().remove("secret");
    assert_same_names(&without, &shown(&path).json());
    assert_eq!(json_of(&shop.server, &["webhook", "list", "--json"])[0], shown(&path).json());

    let id = shop.sell("o-1")["id"].clone();
    assert_eq!(shop.post(&format!("/licenses/{id}/suspend"), &json!({})).status, 200);
    let tested = shop.call("POST", &format!("{path}/test"), None);
    assert_eq!(tested.status, 202, "{}", tested.text());
    assert!(receiver.wait_for(2, SOON), "{:?}", types(&receiver));
    assert_eq!(types(&receiver), ["license.suspended", "webhook.test"]);
    assert_eq!(event(&receiver.received()[1])["id"], tested.json()["event"]);
    assert_signed_with(&receiver.received()[1], &secret);

    let deliveries = || shown(&format!("{path}/deliveries")).json()["data"].clone();
    assert!(eventually(SOON, || deliveries()[0]["state"] == "delivered"), "{}", deliveries());
    let found = deliveries();
    assert_eq!(found, json_of(&shop.server, &["webhook", "show", &added_id(&path), "--json"])["deliveries"]);
    assert_eq!((&found[0]["type"], &found[0]["license"]), (&json!("webhook.test"), &Value::Null));
    assert_eq!(
        (&found[1]["type"], &found[1]["license"], &found[1]["status"], &found[1]["answer"]),
        (&json!("license.suspended"), &id, &json!(200), &json!("thanks"))
    );
    // Page by page.
    let first = shown(&format!("{path}/deliveries?limit=1")).json();
    assert_eq!(first["data"], json!([found[0]]));
    let cursor = first["next"].as_str().unwrap();
    let second = shown(&format!("{path}/deliveries?limit=1&cursor={cursor}")).json();
    assert_eq!((&second["data"], &second["next"]), (&json!([found[1]]), &Value::Null));

    let rotated = shop.call("POST", &format!("{path}/rotate"), None).json()["secret"].as_str().unwrap().to_owned();
    assert_ne!(rotated, secret);
    let event_id = found[1]["event"].as_str().unwrap();
    let again = shop.call("POST", &format!("{path}/deliveries/{event_id}/replay"), None);
    assert_eq!((again.status, &again.json()["event"]), (202, &json!(event_id)), "{}", again.text());
    assert!(receiver.wait_for(3, SOON), "{:?}", types(&receiver));
    let third = &receiver.received()[2];
    assert_eq!(event(third)["id"], json!(event_id));
    assert_signed_with(third, &rotated);
    assert_signed_with(third, &secret);
    let nothing = shop.call("POST", &format!("{path}/replay"), None).json();
    assert!(nothing["message"].as_str().unwrap().starts_with("No event was given up"), "{nothing}");

    let removed = shop.call("DELETE", &path, None);
    assert!(removed.status == 200 && !removed.text().contains("whsec_"), "{}", removed.text());
    assert_api_error(&shop.call("DELETE", &path, None), 404, "not_found", None);
    assert_eq!(shown("/webhooks").json(), json!({"data": [], "next": null}));
    let history = shop.server.database.history(None);
    let actors: Vec<(Action, Actor)> = history.into_iter().map(|event| (event.action, event.actor)).collect();
    let token = Actor { role: Role::Token, name: "shop".to_owned() };
    for action in [Action::WebhookAdded, Action::WebhookRotated, Action::WebhookRemoved] {
        assert!(actors.contains(&(action, token.clone())), "{action:?}: {actors:?}");
    }
}

#[test]
fn a_webhook_cannot_lead_into_the_vendors_own_network() {
    let shop = Shop::start();
    let add = |url: &str| shop.post("/webhooks", &json!({"url": url}));
    for url in [
        "https://127.0.0.1/",
        "https://[::1]:8443/",
        "https://[::ffff:10.0.0.1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[64:ff9b::7f00:1]/",
        "https://2130706433/",
        "https://127.1/",
        "http://shop.example.com/",
        "http://localhost/",
        "https://user:word@shop.example.com/",
        "https://",
        "https://shop.example.com/#part",
        "ftp://shop.example.com/",
        "shop.example.com",
        "https://shop.example.com/a b",
    ] {
        assert_api_error(&add(url), 422, "validation_failed", Some("url"));
    }
    for (body, field) in [
        (json!({}), "url"),
        (json!({"url": null}), "url"),
        (json!({"url": "https://shop.example.com/".to_owned() + &"x".repeat(2048)}), "url"),
        (json!({"url": "https://shop.example.com/", "events": []}), "events"),
        (json!({"url": "https://shop.example.com/", "events": "license.created"}), "events"),
        (json!({"url": "https://shop.example.com/", "events": ["license.created", "webhook.test"]}), "events.1"),
        (json!({"url": "https://shop.example.com/", "secret": "whsec_mine"}), "secret"),
    ] {
        assert_api_error(&shop.post("/webhooks", &body), 422, "validation_failed", Some(field));
    }
    assert_eq!(shop.get("/webhooks").json()["data"], json!([]));
}

#[test]
fn webhooks_need_their_scopes_and_are_bounded() {
    let shop = Shop::start();
    let body = json!({"url": "https://shop.example.com/hook", "events": null});
    let rehearsed = shop.post("/webhooks?dry_run=1", &body);
    assert_eq!((rehearsed.status, &shop.get("/webhooks").json()["data"]), (201, &json!([])));
    // A repetition adds no second one, and still has the secret: the first answer may be lost.
    let keyed = || shop.server.fetch(shop.request("POST", "/webhooks", Some(&body)).header("Idempotency-Key", "k"));
    assert_eq!(keyed().json(), keyed().json());
    let all = EventType::subscribable().count();
    assert_eq!(shop.get("/webhooks").json()["data"][0]["events"].as_array().unwrap().len(), all);
    for _ in 1..20 {
        assert_eq!(shop.post("/webhooks", &body).status, 201);
    }
    assert_api_error(&shop.post("/webhooks", &body), 409, "conflict", None);

    let reader = add_token(&shop.server, "reader", "events:read", &[]);
    let writer = add_token(&shop.server, "writer", "webhooks:write", &[]);
    let with = |token: &str, method: &str, path: &str| shop.server.fetch(request(token, method, path, None));
    for (method, path, reads) in [
        ("GET", "/webhooks", true),
        ("GET", "/webhooks/1", true),
        ("GET", "/webhooks/1/deliveries", true),
        ("POST", "/webhooks", false),
        ("POST", "/webhooks/1/test", false),
        ("POST", "/webhooks/1/rotate", false),
        ("POST", "/webhooks/1/replay", false),
        ("POST", "/webhooks/1/deliveries/evt_x/replay", false),
        ("DELETE", "/webhooks/1", false),
    ] {
        let (allowed, refused) = if reads { (&reader, &writer) } else { (&writer, &reader) };
        assert_api_error(&with(refused, method, path), 403, "scope_missing", None);
        assert_ne!(with(allowed, method, path).status, 403, "{method} {path}");
    }
    for path in ["/webhooks/0", "/webhooks/x", "/webhooks/99", "/webhooks/99999999999999999999", "/webhooks/-1"] {
        assert_api_error(&shop.get(path), 404, "not_found", None);
        assert_api_error(&shop.get(&format!("{path}/deliveries")), 404, "not_found", None);
        assert_api_error(&shop.call("POST", &format!("{path}/test"), None), 404, "not_found", None);
    }
    assert_api_error(&shop.call("POST", "/webhooks/2/deliveries/evt_x/replay", None), 404, "not_found", None);
    assert_api_error(&shop.get("/webhooks/2/deliveries?cursor=x"), 422, "validation_failed", Some("cursor"));
    assert_api_error(&shop.call("PATCH", "/webhooks/2", Some(&json!({}))), 405, "method_not_allowed", None);
}

fn added_id(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}

fn assert_same_names(found: &Value, expected: &Value) {
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
}
