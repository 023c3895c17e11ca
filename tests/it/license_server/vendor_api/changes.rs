//! Suspending, resuming, cancelling, renewing and changing licenses, plans and the feed of events.

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

#[test]
fn each_action_can_be_repeated_and_answers_the_resulting_standing() {
    let shop = Shop::start();
    let id = shop.sell("A-1")["id"].as_i64().unwrap();
    let until = json!({"until": "2126-03-01T00:00:00Z"});
    let table = [
        ("suspend", json!({"reason": "unpaid"}), true, "suspended", Some("resume it")),
        ("suspend", json!({"reason": "unpaid"}), false, "suspended", Some("resume it")),
        ("suspend", json!({}), false, "suspended", Some("resume it")),
        ("renew", until.clone(), true, "suspended", Some("resume it")),
        ("renew", until, false, "suspended", Some("resume it")),
        ("resume", json!({}), true, "active", None),
        ("resume", json!({}), false, "active", None),
        ("cancel", json!({}), true, "cancelled", Some("resume it")),
        ("cancel", json!({}), false, "cancelled", Some("resume it")),
        ("resume", json!({}), true, "active", None),
        ("renew", json!({"until": null}), true, "active", None),
    ];
    let mut revision = 1;
    for (action, body, changed, standing, next_step) in table {
        let response = shop.post(&format!("/licenses/ref:A-1/{action}"), &body);
        let license = response.json();
        let said = format!("{action} {body}: {license}");
        assert_eq!(
            (response.status, &license["changed"], &license["standing"]),
            (200, &json!(changed), &json!(standing)),
            "{said}"
        );
        revision += i64::from(changed);
        assert_eq!((&license["revision"], &license["id"]), (&json!(revision), &json!(id)), "{said}");
        assert_eq!(response.header("ETag"), Some(format!("\"{revision}\"").as_str()));
        match next_step {
            Some(words) => assert!(license["next_step"].as_str().unwrap().contains(words), "{said}"),
            None => assert_eq!(license["next_step"], Value::Null, "{said}"),
        }
        assert!(license["message"].as_str().is_some_and(|message| message.starts_with("License ")), "{said}");
    }
    assert_eq!(shop.server.database.history_lines(id).len(), 1 + 6, "what is so already is not recorded");
    assert_eq!(shop.server.database.history_lines(id)[1], "shop suspended unpaid");
    // Without a body, and with the conflict that is none of the above.
    assert_eq!(shop.call("POST", &format!("/licenses/{id}/cancel"), None).status, 200);
    assert_api_error(&shop.post(&format!("/licenses/{id}/suspend"), &json!({})), 409, "conflict", None);
    assert_api_error(&shop.post("/licenses/99/suspend", &json!({})), 404, "not_found", None);
}

#[test]
fn time_is_added_at_the_expiry_or_now() {
    let server = TimedLicenseServer::start();
    let terms = actions::TokenTerms {
        name: "shop".to_owned(),
        scopes: vec![Scope::LicensesRead, Scope::LicensesWrite],
        networks: Vec::new(),
        expires_at: None,
    };
    let (_, token) = server.database.change(|transaction| actions::add_token(transaction, &operator(), &terms));
    let now = server.database.now();
    let soon = now.plus(10 * DAY);
    let renew = |id: i64, body: Value| {
        server.fetch(request(token.expose(), "POST", &format!("/licenses/{id}/renew"), Some(&body)))
    };
    let ends = |response: &Response| at(response.json()["expires_at"].as_str().unwrap());
    for (body, expected) in [
        (json!({"add": "P1M"}), soon.plus_months(1)),
        (json!({"add": "P1M", "basis": "expiry"}), soon.plus_months(1)),
        (json!({"add": "P1M", "basis": "now_if_expired"}), soon.plus_months(1)),
        (json!({"add": "P1Y2W", "basis": "now"}), now.plus_months(12).plus_days(14)),
    ] {
        let license = server.database.license_until("free", Some(soon), None);
        assert_eq!(ends(&renew(license.id, body.clone())), expected, "{body}");
    }
    let license = server.database.license_until("free", Some(soon), None);
    let never = server.database.license("free");
    server.clock.pass(100 * DAY);
    let now = server.database.now();
    let past = renew(license.id, json!({"add": "P1M", "basis": "expiry"}));
    assert_api_error(&past, 422, "validation_failed", Some("add"));
    assert_eq!(ends(&renew(license.id, json!({"add": "P1M"}))), now.plus_months(1));
    assert_api_error(&renew(never.id, json!({"add": "P1M"})), 409, "conflict", None);
    for (body, field) in [
        (json!({}), "until"),
        (json!({"until": "2020-01-01T00:00:00Z"}), "until"),
        (json!({"until": "2127-01-01T00:00:00Z", "add": "P1M"}), "add"),
        (json!({"until": "2127-01-01T00:00:00Z", "basis": "now"}), "basis"),
        (json!({"add": "1 month"}), "add"),
        (json!({"add": "PT1H"}), "add"),
        (json!({"add": null}), "add"),
        (json!({"add": "P1M", "basis": "tomorrow"}), "basis"),
    ] {
        assert_api_error(&renew(license.id, body), 422, "validation_failed", Some(field));
    }
}

#[test]
fn members_are_changed_together_or_not_at_all() {
    let shop = Shop::start();
    let id = shop.sell("A-1")["id"].as_i64().unwrap();
    shop.sell("A-2");
    let path = format!("/licenses/{id}");
    let patch = |body: &Value| shop.call("PATCH", &path, Some(body));
    let body = json!({"plan": "free", "note": "new", "labels": ["eu"], "reference": "B-1", "lock_ip": "203.0.113.9", "trial": true});
    let license = patch(&body).json();
    assert_eq!((&license["changed"], &license["revision"]), (&json!(true), &json!(2)), "{license}");
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&license[name], value, "{license}");
    }
    assert_eq!(patch(&body).json()["changed"], json!(false));
    assert_eq!(patch(&json!({})).json()["changed"], json!(false));
    let cleared = patch(&json!({"reference": null, "lock_ip": null, "labels": [], "note": ""})).json();
    assert_eq!(
        (&cleared["reference"], &cleared["lock_ip"], &cleared["plan"]),
        (&Value::Null, &Value::Null, &json!("free"))
    );
    let before = shop.get(&path).json();
    for (body, status, code, field) in [
        (json!({"note": "x", "plan": "gold"}), 422, "validation_failed", "plan"),
        (json!({"note": "x", "owner": "nobody"}), 422, "validation_failed", "owner"),
        (json!({"note": "x", "reference": "A-2"}), 409, "conflict", "reference"),
        (json!({"note": "x", "lock_ip": "0.0.0.0"}), 422, "validation_failed", "lock_ip"),
        (json!({"note": "x", "key": "y"}), 422, "validation_failed", "key"),
        (json!({"note": null}), 422, "validation_failed", "note"),
    ] {
        assert_api_error(&patch(&body), status, code, Some(field));
    }
    assert_eq!(shop.get(&path).json(), before);
    let other = shop.post("/licenses", &json!({"owner": {"name": "dave"}, "plan": "free"}));
    assert_eq!(other.status, 201);
    let moved = patch(&json!({"owner": "dave"})).json();
    assert_eq!(moved["owner"], json!("dave"));
    assert!(shop.server.database.history_lines(id).contains(&"shop transferred from carol to dave".to_owned()));
}

#[test]
fn plans_are_listed_and_set() {
    let shop = Shop::start();
    let slugs = |list: &Value| {
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|plan| plan["slug"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(slugs(&shop.get("/plans").json()), ["free", "starter", "business", "datacenter"]);
    let body = json!({"name": "Team", "max_accounts": 50, "max_servers": 3});
    let put = |path: &str, body: &Value| shop.call("PUT", path, Some(body));
    let saved = put("/plans/team", &body).json();
    assert_eq!(
        (&saved["slug"], &saved["max_servers"], &saved["changed"]),
        (&json!("team"), &json!(3), &json!(true)),
        "{saved}"
    );
    assert_eq!(put("/plans/team", &body).json()["changed"], json!(false));
    assert!(slugs(&shop.get("/plans").json()).contains(&"team".to_owned()));
    assert_api_error(&put("/plans/Team%20A", &body), 422, "validation_failed", Some("plan"));
    assert_api_error(
        &put("/plans/x", &json!({"name": "X", "max_accounts": -1, "max_servers": 0})),
        422,
        "validation_failed",
        Some("max_accounts"),
    );
    assert_api_error(
        &put("/plans/x", &json!({"name": "X", "max_accounts": 4_294_967_296_u64, "max_servers": 0})),
        422,
        "validation_failed",
        Some("max_accounts"),
    );
}

/// The answer says it before the change, with `dry_run`, and after it.
#[test]
fn a_smaller_plan_says_how_many_licenses_are_then_over_its_limit() {
    let shop = Shop::start();
    for (reference, servers) in [("a", 3), ("b", 2), ("c", 1)] {
        let key = shop.sell(reference)["key"].clone();
        for server in &SERVERS[..servers] {
            assert_granted(&shop.server.verify(&json!({"key": key, "server_ip": server})));
        }
    }
    let put = |query: &str, servers: u32| {
        let body = json!({"name": "Business", "max_accounts": 1, "max_servers": servers});
        let response = shop.call("PUT", &format!("/plans/business{query}"), Some(&body));
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    };
    for (query, servers, over, words) in [
        ("?dry_run=1", 2, 1, "1 license of this plan has more than 2 active servers: "),
        ("?dry_run=1", 1, 2, "2 licenses of this plan have more than 1 active server: "),
        ("", 1, 2, "Plan business saved: 1 account, 1 server. 2 licenses"),
        ("", 1, 0, "is like this already"),
        ("", 2, 0, "Plan business saved: 1 account, 2 servers."),
        ("", 0, 0, "Plan business saved: 1 account, unlimited servers."),
        ("", 3, 0, "1 account, 3 servers."),
        ("", 2, 1, "1 license of this plan"),
    ] {
        let saved = put(query, servers);
        assert_eq!(saved["licenses_over_limit"], json!(over), "{query} {servers}: {saved}");
        assert!(saved["message"].as_str().unwrap().contains(words), "{query} {servers}: {saved}");
        let listed = shop.get("/plans").json()["data"].as_array().unwrap().clone();
        let stored = listed.iter().find(|plan| plan["slug"] == "business").unwrap()["max_servers"].clone();
        assert_eq!(stored == json!(servers), query.is_empty(), "{query} {servers}");
    }
    let over = shop.get("/licenses?over_limit=1").json()["data"].as_array().unwrap().clone();
    assert_eq!(over.iter().map(|license| license["reference"].clone()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn the_history_is_a_feed_that_misses_nothing() {
    let shop = Shop::start();
    let ids: Vec<i64> = (0..4).map(|number| shop.sell(&format!("A-{number}"))["id"].as_i64().unwrap()).collect();
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = shop.get(&format!("/events?after={after}&limit=2")).json();
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| (event["id"].as_i64().unwrap(), event["action"].clone())),
        );
        after = page["next"].as_i64().unwrap();
        if page["has_more"] == json!(false) {
            break;
        }
    }
    let expected = shop.server.database.history(None);
    assert_eq!(seen.len(), expected.len());
    assert!(seen.iter().zip(&expected).all(|((id, _), event)| *id == event.id), "{seen:?}");
    let caught_up = shop.get(&format!("/events?after={after}")).json();
    assert_eq!(caught_up, json!({"data": [], "next": after, "has_more": false}));
    let of_license = shop.get(&format!("/events?license={}", ids[2])).json();
    assert_eq!(of_license["data"][0]["license"], json!(ids[2]));
    assert_eq!((&of_license["data"][0]["role"], &of_license["data"][0]["actor"]), (&json!("token"), &json!("shop")));
    assert_api_error(&shop.get("/events?after=-1"), 422, "validation_failed", Some("after"));
}
