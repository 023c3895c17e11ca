//! What makes calls safe to repeat, to rehearse and to make at the same time; and that no input is a failure of the server.

use std::sync::Barrier;
use std::thread;

use super::*;

#[test]
fn a_call_with_a_key_is_performed_once() {
    let shop = Shop::start();
    let other = add_token(&shop.server, "other", EVERYTHING, &[]);
    let body = json!({"owner": {"name": "carol"}, "plan": "free"});
    let keyed = |token: &str, key: &str, path: &str, body: &Value| {
        shop.server.fetch(request(token, "POST", path, Some(body)).header("Idempotency-Key", key))
    };
    let first = keyed(&shop.token, "order-1", "/licenses", &body);
    assert_eq!((first.status, first.header("Idempotent-Replayed")), (201, None));
    let again = keyed(&shop.token, "order-1", "/licenses", &body);
    assert_eq!((again.status, again.text(), again.header("Idempotent-Replayed")), (201, first.text(), Some("true")));
    assert_eq!(again.header("ETag"), Some("\"1\""));
    let reordered = shop
        .request("POST", "/licenses", None)
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", "order-1");
    let reordered = shop.server.fetch(reordered.body(r#"{ "plan" : "free", "owner" : {"name":"carol"} }"#));
    assert_eq!((reordered.status, reordered.text()), (201, first.text()), "the same JSON in other bytes");
    let mut changed = body.clone();
    changed["plan"] = json!("business");
    assert_api_error(
        &keyed(&shop.token, "order-1", "/licenses", &changed),
        409,
        "idempotency_key_reused",
        Some("Idempotency-Key"),
    );
    let id = first.json()["id"].as_i64().unwrap();
    assert_api_error(
        &keyed(&shop.token, "order-1", &format!("/licenses/{id}/cancel"), &json!({})),
        409,
        "idempotency_key_reused",
        Some("Idempotency-Key"),
    );
    assert_eq!(keyed(&other, "order-1", "/licenses", &body).status, 201, "each token has its own keys");
    assert_eq!(shop.get("/licenses").json()["data"].as_array().unwrap().len(), 2);

    // A refusal has changed nothing and is not kept.
    let wrong = json!({"owner": "nobody", "plan": "free"});
    assert_eq!(keyed(&shop.token, "order-2", "/licenses", &wrong).status, 422);
    assert_eq!(keyed(&shop.token, "order-2", "/licenses", &body).status, 201);
    for key in ["", "a b", "ä", &"x".repeat(256)] {
        assert_api_error(&keyed(&shop.token, key, "/licenses", &body), 400, "bad_request", Some("Idempotency-Key"));
    }
}

#[test]
fn parallel_calls_with_one_key_or_one_reference_make_one_license() {
    const CALLS: usize = 16;
    let shop = Shop::start();
    for (name, with_key) in [("key", true), ("reference", false)] {
        let body = json!({"owner": {"name": name}, "plan": "free", "reference": name});
        let barrier = Barrier::new(CALLS);
        let answers: Vec<Response> = thread::scope(|scope| {
            let call = || {
                barrier.wait();
                let request = shop.request("POST", "/licenses", Some(&body));
                shop.server.fetch(if with_key { request.header("Idempotency-Key", "k-1") } else { request })
            };
            let threads: Vec<_> = (0..CALLS).map(|_| scope.spawn(call)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let keys: std::collections::HashSet<String> =
            answers.iter().map(|answer| answer.json()["key"].to_string()).collect();
        assert_eq!(keys.len(), 1, "{name}");
        let statuses = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(statuses, if with_key { CALLS } else { 1 }, "{name}");
        assert_eq!(shop.get(&format!("/licenses?owner={name}")).json()["data"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn an_answer_is_kept_for_a_day_and_over_a_restart() {
    let server = TimedLicenseServer::start();
    let terms = actions::TokenTerms {
        name: "shop".to_owned(),
        scopes: vec![Scope::LicensesWrite],
        networks: Vec::new(),
        expires_at: Some(server.database.now().plus(3 * DAY)),
    };
    let (_, token) = server.database.change(|transaction| actions::add_token(transaction, &operator(), &terms));
    let body = json!({"owner": {"name": "carol"}, "plan": "free"});
    let create = || {
        let request = request(token.expose(), "POST", "/licenses", Some(&body)).header("Idempotency-Key", "order-1");
        server.fetch(request)
    };
    let first = create().json()["id"].clone();
    server.clock.pass(DAY - Duration::from_secs(2));
    assert_eq!(create().json()["id"], first);
    server.clock.pass(Duration::from_secs(3));
    assert_ne!(create().json()["id"], first);
    server.clock.pass(2 * DAY);
    assert_api_error(&create(), 401, "token_expired", None);

    let mut shop = Shop::start();
    let keyed = |shop: &Shop| {
        shop.server.fetch(shop.request("POST", "/licenses", Some(&body)).header("Idempotency-Key", "order-1")).text()
    };
    let before = keyed(&shop);
    shop.server.restart();
    assert_eq!(keyed(&shop), before);
}

#[test]
fn a_change_needs_the_revision_that_it_names() {
    let shop = Shop::start();
    let id = shop.sell("A-1")["id"].as_i64().unwrap();
    let act = |method: &str, path: &str, body: &Value, revision: &str| {
        let request = shop.request(method, &format!("/licenses/{id}{path}"), Some(body)).header("If-Match", revision);
        shop.server.fetch(request)
    };
    assert_eq!(act("POST", "/suspend", &json!({}), "\"1\"").status, 200);
    for (method, path, body) in
        [("POST", "/resume", json!({})), ("PATCH", "", json!({"note": "x"})), ("POST", "/renew", json!({"add": "P1M"}))]
    {
        for stale in ["\"1\"", "\"other\"", "\"3\", \"4\""] {
            assert_api_error(&act(method, path, &body, stale), 412, "precondition_failed", Some("If-Match"));
        }
    }
    assert_api_error(&act("POST", "/resume", &json!({}), "2"), 400, "bad_request", Some("If-Match"));
    assert_eq!(act("POST", "/resume", &json!({}), "W/\"2\"").status, 200);
    assert_eq!(act("POST", "/suspend", &json!({}), "*").status, 200);
}

#[test]
fn a_rehearsal_answers_the_same_and_changes_nothing() {
    let shop = Shop::start();
    let id = shop.sell("A-1")["id"].as_i64().unwrap();
    let events = shop.server.database.history(None).len();
    let body = json!({"owner": {"name": "dave"}, "plan": "free", "reference": "A-2"});
    let rehearsed = shop.post("/licenses?dry_run=1", &body);
    assert_eq!((rehearsed.status, &rehearsed.json()["owner"]), (201, &json!("dave")));
    let suspended = shop.post(&format!("/licenses/{id}/suspend?dry_run=true"), &json!({})).json();
    assert_eq!((&suspended["standing"], &suspended["changed"]), (&json!("suspended"), &json!(true)));
    let plan = json!({"name": "X", "max_accounts": 1, "max_servers": 1});
    assert_eq!(shop.call("PUT", "/plans/x?dry_run=1", Some(&plan)).status, 200);
    assert_api_error(
        &shop.post("/licenses?dry_run=1", &json!({"owner": "nobody", "plan": "free"})),
        422,
        "validation_failed",
        Some("owner"),
    );
    // The key of a rehearsal is free for the call itself.
    let keyed = |query: &str| {
        shop.server
            .fetch(shop.request("POST", &format!("/licenses{query}"), Some(&body)).header("Idempotency-Key", "k"))
    };
    assert_eq!(keyed("?dry_run=1").status, 201);
    assert_eq!(shop.server.database.history(None).len(), events);
    assert_eq!(shop.get(&format!("/licenses/{id}")).json()["standing"], json!("active"));
    assert_eq!(shop.get("/licenses/ref:A-2").status, 404);
    assert!(shop.server.database.read(|transaction| transaction.user("dave")).is_none());
    assert_eq!(shop.get("/plans").json()["data"].as_array().unwrap().len(), 4);
    assert_eq!((keyed("").status, keyed("?dry_run=1").header("Idempotent-Replayed")), (201, Some("true")));
}

#[test]
fn what_the_front_refuses_has_the_form_of_the_api() {
    let shop = Shop::start();
    let large = json!({"owner": "carol", "plan": "free", "note": "x".repeat(70_000)});
    assert_api_error(&shop.post("/licenses", &large), 413, "body_too_large", None);
    let chunked = shop.request("POST", "/licenses", None).header("Transfer-Encoding", "chunked");
    assert_api_error(&shop.server.fetch(chunked), 411, "length_required", None);
    let outside = shop.server.fetch(Request::post("/licenses").header("Transfer-Encoding", "chunked"));
    assert_eq!(outside.json()["code"], json!("transfer_encoding_not_supported"));
}

/// A source of numbers that can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }
}

#[test]
fn no_input_is_a_failure_of_the_server() {
    const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    const PATHS: &[&str] = &[
        "/licenses",
        "/licenses/1",
        "/licenses/ref:A-1",
        "/licenses/1/suspend",
        "/licenses/1/resume",
        "/licenses/1/cancel",
        "/licenses/1/renew",
        "/plans",
        "/plans/free",
        "/plans/%00",
        "/users",
        "/events",
        "/licenses/9223372036854775808",
        "/licenses/ref:%F0%9F%A6%80",
        "/licenses/ref:%ff",
        "/licenses/%2e%2e/x",
        "/",
        "",
        "/openapi.json",
    ];
    const NAMES: &[&str] = &[
        "owner",
        "plan",
        "expires_at",
        "reference",
        "note",
        "lock_ip",
        "trial",
        "labels",
        "reason",
        "until",
        "add",
        "basis",
        "name",
        "max_accounts",
        "max_servers",
        "limit",
        "after",
        "cursor",
        "standing",
        "dry_run",
        "\u{0}",
        "ä",
    ];
    const VALUES: &[&str] = &[
        "null",
        "true",
        "0",
        "-1",
        "1e308",
        "1e400",
        "4294967296",
        "18446744073709551616",
        "\"\"",
        "\"free\"",
        "\"A-1\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"9999-12-31T23:59:59Z\"",
        "\"0000-01-01T00:00:00Z\"",
        "\"P1200M\"",
        "\"P99999999999D\"",
        "\"::\"",
        "\"203.0.113.5\"",
        "[]",
        "[\"a\"]",
        "[null]",
        "{}",
        "{\"name\":\"x\"}",
        "{\"name\":{}}",
        "[[[[[[[[[[[]]]]]]]]]]]",
        "\"\u{202e}\"",
        "1.5",
        "\"now\"",
        "{\"a\":1,\"a\":2}",
        "\"carol\"",
        "",
        "nul",
    ];
    let shop = Shop::start();
    shop.sell("A-1");
    let tokens: Vec<String> =
        (0..8).map(|number| add_token(&shop.server, &format!("t{number}"), EVERYTHING, &[])).collect();
    let mut dice = Dice(7);
    for round in 0..2000 {
        let (method, path) = (dice.pick(METHODS), dice.pick(PATHS));
        let members: Vec<String> =
            (0..dice.roll(5)).map(|_| format!("{}:{}", json!(dice.pick(NAMES)), dice.pick(VALUES))).collect();
        let body = format!("{{{}}}", members.join(","));
        let query = if dice.roll(3) == 0 {
            format!(
                "?{}={}",
                dice.pick(NAMES).replace('\u{0}', "%00").replace('ä', "%C3%A4"),
                dice.pick(&["1", "", "%ff", "%", "x", "2027-01-01T00:00:00Z", "99999999999999999999", "&&="])
            )
        } else {
            String::new()
        };
        let mut request = request(&tokens[round % tokens.len()], method, &format!("{path}{query}"), None);
        if dice.roll(8) > 0 {
            request = request.header("Content-Type", "application/json");
        }
        if dice.roll(4) == 0 {
            request = request.header("Idempotency-Key", dice.pick(&["k1", "k2", "", "ä"]));
        }
        if dice.roll(4) == 0 {
            request =
                request.header("If-Match", dice.pick(&["\"1\"", "*", "", "W/\"2\"", "\"99999999999999999999\"", ","]));
        }
        let with_body = !matches!(method, "GET" | "HEAD") || dice.roll(4) == 0;
        let request = if with_body { request.body(body.clone()) } else { request };
        if method == "HEAD" {
            continue;
        }
        let response = shop.server.fetch(request);
        assert!((200..500).contains(&response.status), "{method} {path}{query} {body}: {}", response.text());
        let answer = response.json();
        if response.status >= 400 {
            assert!(answer["error"]["code"].is_string(), "{method} {path}{query} {body}: {answer}");
        }
    }
    assert!(shop.server.is_running());
    assert!(!shop.server.lines().iter().any(|line| line.contains("failed:")), "{:?}", shop.server.lines());
    assert!(shop.server.database.defects().is_empty());
}
