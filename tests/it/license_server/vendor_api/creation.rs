//! Creating, reading and listing licenses.

use super::*;
use crate::support::http::Connection;

#[test]
fn a_license_is_created_with_its_owner_and_can_be_used() {
    let shop = Shop::start();
    let body = json!({
        "owner": {"name": "carol"}, "plan": "business", "expires_at": "2126-03-01T01:00:00+01:00",
        "reference": "Bestellung 17/ä", "note": "paid\nby invoice", "labels": ["eu", "gold"], "trial": true,
    });
    let response = shop.post("/licenses", &body);
    assert_eq!(response.status, 201, "{}", response.text());
    let license = response.json();
    for (name, expected) in [
        ("owner", json!("carol")),
        ("plan", json!("business")),
        ("standing", json!("active")),
        ("expires_at", json!("2126-03-01T00:00:00Z")),
        ("reference", json!("Bestellung 17/ä")),
        ("note", json!("paid\nby invoice")),
        ("labels", json!(["eu", "gold"])),
        ("trial", json!(true)),
        ("lock_ip", Value::Null),
        ("revision", json!(1)),
    ] {
        assert_eq!(license[name], expected, "{name}: {license}");
    }
    assert_eq!(response.header("ETag"), Some("\"1\""));
    let key = license["key"].as_str().unwrap();
    assert_granted(&shop.server.verify(&json!({"key": key, "server_ip": "203.0.113.5"})));
    let id = license["id"].as_i64().unwrap();
    let history = shop.server.database.history(Some(id));
    assert_eq!((history[0].actor.role, history[0].actor.name.as_str()), (Role::Token, "shop"));
    for path in [format!("/licenses/{id}"), "/licenses/ref:Bestellung%2017%2F%C3%A4".to_owned()] {
        let found = shop.get(&path);
        assert_eq!((found.status, &found.json()["id"]), (200, &json!(id)), "{path}");
    }
    for path in ["/licenses/ref:other", "/licenses/0", "/licenses/99", "/licenses/01", "/licenses/x", "/licenses/ref:"]
    {
        assert_api_error(&shop.get(path), 404, "not_found", None);
    }
}

#[test]
fn the_same_reference_is_the_same_license() {
    let shop = Shop::start();
    let body = json!({"owner": {"name": "carol"}, "plan": "business", "reference": "A-1", "expires_at": "2126-03-01T00:00:00Z"});
    let first = shop.post("/licenses", &body);
    assert_eq!(first.status, 201);
    // The same meaning in other words, with another order of members.
    let words = r#"{"trial": false, "reference": "A-1", "expires_at": "2126-03-01T01:00:00+01:00", "labels": [],
        "plan": "business", "lock_ip": null, "owner": {"name": "carol"}, "note": ""}"#;
    let again = shop
        .server
        .fetch(shop.request("POST", "/licenses", None).header("Content-Type", "application/json").body(words));
    assert_eq!(
        (again.status, &again.json()["id"], &again.json()["key"]),
        (200, &first.json()["id"], &first.json()["key"])
    );
    for (name, value) in
        [("plan", json!("free")), ("owner", json!("carol")), ("note", json!("x")), ("expires_at", Value::Null)]
    {
        let mut other = body.clone();
        other[name] = value;
        assert_api_error(&shop.post("/licenses", &other), 409, "reference_taken", Some("reference"));
    }
    assert_eq!(shop.get("/licenses").json()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_key_is_masked_without_the_scope_that_reveals_it() {
    let shop = Shop::with_scopes("licenses:read,licenses:write");
    let sold = shop.sell("A-1");
    let (key, id) = (sold["key"].as_str().unwrap().to_owned(), sold["id"].as_i64().unwrap());
    let masked = format!("{}…{}", &key[..4], &key[key.len() - 4..]);
    let path = format!("/licenses/{id}");
    assert_eq!(shop.get(&path).json()["key"], json!(masked));
    assert!(!shop.get("/licenses").text().contains(&key));
    // Another token with the body of the creation gets no key either.
    let other = add_token(&shop.server, "other", "licenses:read,licenses:write", &[]);
    let body = json!({"owner": {"name": "carol"}, "plan": "business", "reference": "A-1"});
    let repeated = shop.server.fetch(request(&other, "POST", "/licenses", Some(&body)));
    assert_eq!((repeated.status, &repeated.json()["key"]), (200, &json!(masked)));
    assert_eq!(shop.server.database.history_lines(id).len(), 1);

    let revealing = add_token(&shop.server, "support", "licenses:read,keys:reveal", &[]);
    for _ in 0..3 {
        let shown = shop.server.fetch(request(&revealing, "GET", &path, None));
        assert_eq!((&shown.json()["key"], &shown.json()["key_masked"]), (&json!(key), &json!(false)));
    }
    let lines = shop.server.database.history_lines(id);
    assert_eq!(lines[1..], ["support key shown to 127.0.0.1"], "once an hour");
}

#[test]
fn a_wrong_body_names_the_member_and_changes_nothing() {
    let shop = Shop::start();
    let good = json!({"owner": {"name": "carol"}, "plan": "business"});
    let table = [
        ("owner", Value::Null, "owner"),
        ("owner", json!(7), "owner"),
        ("owner", json!("nobody"), "owner"),
        ("owner", json!({}), "owner.name"),
        ("owner", json!({"name": "a b"}), "owner.name"),
        ("owner", json!({"name": "carol", "password": "x"}), "owner.password"),
        ("plan", json!("gold"), "plan"),
        ("plan", json!(""), "plan"),
        ("expires_at", json!("2027-01-01"), "expires_at"),
        ("expires_at", json!("2020-01-01T00:00:00Z"), "expires_at"),
        ("expires_at", json!(1_900_000_000), "expires_at"),
        ("reference", json!("a\u{0}b"), "reference"),
        ("reference", json!(" a"), "reference"),
        ("reference", json!("order-\u{200b}1"), "reference"),
        ("note", json!("\u{1b}[2J"), "note"),
        ("note", Value::Null, "note"),
        ("lock_ip", json!("0.0.0.0"), "lock_ip"),
        ("lock_ip", json!("host"), "lock_ip"),
        ("trial", json!("yes"), "trial"),
        ("labels", json!(["a b"]), "labels"),
        ("labels", json!(["a", "a"]), "labels"),
        ("labels", json!(["a", 7]), "labels.1"),
        ("key", json!("ABC"), "key"),
    ];
    for (name, value, field) in table {
        let mut body = good.clone();
        body[name] = value;
        assert_api_error(&shop.post("/licenses", &body), 422, "validation_failed", Some(field));
    }
    let bytes = |body: &str| {
        shop.server.fetch(shop.request("POST", "/licenses", None).header("Content-Type", "application/json").body(body))
    };
    assert_api_error(&bytes("{"), 400, "bad_request", None);
    assert_api_error(&bytes("[]"), 400, "bad_request", None);
    assert_api_error(&bytes(r#"{"plan": "free", "plan": "business"}"#), 422, "validation_failed", Some("plan"));
    let form = shop.request("POST", "/licenses", None).header("Content-Type", "text/plain").body("{}");
    assert_api_error(&shop.server.fetch(form), 415, "unsupported_media_type", Some("Content-Type"));
    assert_api_error(&shop.call("POST", "/licenses", None), 422, "validation_failed", Some("owner"));
    assert_eq!(shop.get("/licenses").json(), json!({"data": [], "next": null}));
    assert_eq!(shop.server.database.read(|transaction| transaction.users()).len(), 0, "no owner is left behind");
}

#[test]
fn a_list_is_filtered_and_read_page_by_page() {
    let shop = Shop::start();
    let ids: Vec<i64> = (0..5).map(|number| shop.sell(&format!("A-{number}"))["id"].as_i64().unwrap()).collect();
    shop.server.database.apply_change(ids[1], Change::Suspend);
    let list = |query: &str| {
        let response = shop.get(&format!("/licenses?{query}"));
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    };
    let numbers = |list: &Value| {
        list["data"].as_array().unwrap().iter().map(|license| license["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let first = list("limit=2");
    assert_eq!(numbers(&first), [ids[4], ids[3]]);
    let second = list(&format!("limit=2&cursor={}", first["next"].as_str().unwrap()));
    assert_eq!(numbers(&second), [ids[2], ids[1]]);
    let third = list(&format!("limit=2&cursor={}", second["next"].as_str().unwrap()));
    assert_eq!((numbers(&third), &third["next"]), (vec![ids[0]], &Value::Null));
    assert_eq!(numbers(&list("standing=suspended")), [ids[1]]);
    assert_eq!(numbers(&list("reference=A-3")), [ids[3]]);
    assert_eq!(numbers(&list("owner=nobody")), [0; 0]);
    assert_eq!(numbers(&list("owner=carol&plan=business&standing=active")).len(), 4);
    assert_eq!(numbers(&list("plan=free")), [0; 0]);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("standing=gone", "standing"),
        ("expires_before=soon", "expires_before"),
        ("cursor=x", "cursor"),
        ("colour=red", "colour"),
        ("server_ip=host", "server_ip"),
    ] {
        assert_api_error(&shop.get(&format!("/licenses?{query}")), 422, "validation_failed", Some(field));
    }
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let shop = Shop::start();
    let id = shop.sell("A-1")["id"].as_i64().unwrap();
    let mut connection = Connection::open(shop.server.port()).unwrap();
    let path = format!("/licenses/{id}");
    connection.send(shop.request("HEAD", &path, None).bytes()).unwrap();
    let head = connection.receive_head(PROMPTLY).unwrap();
    // A body would be read as the next response on this connection.
    let get = connection.exchange(shop.request("GET", &path, None)).unwrap();
    assert_eq!((get.status, head.status), (200, 200));
    for header in ["Content-Type", "Content-Length", "ETag", "Cache-Control"] {
        assert_eq!(head.header(header), get.header(header), "{header}");
    }
}

#[test]
fn paths_and_methods_that_do_not_exist_are_errors_of_the_api() {
    let shop = Shop::start();
    for path in ["", "/", "/nothing", "/licenses/", "/licenses/1/2/3", "//licenses"] {
        assert_api_error(&shop.get(path), 404, "not_found", None);
    }
    let response = shop.call("DELETE", "/licenses", None);
    assert_api_error(&response, 405, "method_not_allowed", None);
    assert_eq!(response.header("Allow"), Some("GET, HEAD, POST"));
    assert_eq!(shop.call("OPTIONS", "/licenses", None).status, 405);
    assert_api_error(&shop.get("/licenses/%ff"), 400, "bad_request", Some("license"));
}
