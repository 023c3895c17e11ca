//! Users: made with a license or by themselves, changed, disabled and deleted; administrators are out of reach.

use super::*;

#[test]
fn an_owner_is_made_with_mail_and_name_and_cannot_sign_in() {
    let shop = Shop::start();
    let owner = json!({"name": "carol", "email": "carol@example.com", "display_name": "Carol C."});
    let sold = shop.post("/licenses", &json!({"owner": owner, "plan": "free"}));
    assert_eq!(sold.status, 201, "{}", sold.text());
    let user = shop.get("/users/name:CAROL").json();
    for (name, expected) in [
        ("name", json!("carol")),
        ("email", json!("carol@example.com")),
        ("display_name", json!("Carol C.")),
        ("administrator", json!(false)),
        ("state", json!("no_password")),
    ] {
        assert_eq!(user[name], expected, "{user}");
    }
    // Who is there already stays as she is, however the name is written.
    let again = json!({"owner": {"name": "Carol", "email": "other@example.com"}, "plan": "free"});
    assert_eq!(shop.post("/licenses", &again).json()["owner"], json!("carol"));
    assert_eq!(shop.get("/users/name:carol").json()["email"], json!("carol@example.com"));
    let wrong = json!({"owner": {"name": "dave", "email": "no address"}, "plan": "free"});
    assert_api_error(&shop.post("/licenses", &wrong), 422, "validation_failed", Some("owner.email"));
    assert_eq!(shop.get("/users/name:dave").status, 404);
}

#[test]
fn users_are_added_changed_disabled_and_deleted() {
    let shop = Shop::start();
    let added = shop.post("/users", &json!({"name": "carol", "email": "carol@example.com"}));
    assert_eq!(added.status, 201, "{}", added.text());
    let path = format!("/users/{}", added.json()["id"]);
    assert_api_error(&shop.post("/users", &json!({"name": "CAROL"})), 409, "conflict", Some("name"));
    assert_api_error(&shop.post("/users", &json!({"name": "a b"})), 422, "validation_failed", Some("name"));
    assert_api_error(
        &shop.post("/users", &json!({"name": "x", "email": "x"})),
        422,
        "validation_failed",
        Some("email"),
    );
    assert_api_error(
        &shop.post("/users", &json!({"name": "x", "administrator": true})),
        422,
        "validation_failed",
        Some("administrator"),
    );

    let patch = |body: &Value| shop.call("PATCH", &path, Some(body)).json();
    let changed = patch(&json!({"display_name": "Carol", "email": null}));
    assert_eq!(
        (&changed["display_name"], &changed["email"], &changed["changed"]),
        (&json!("Carol"), &Value::Null, &json!(true))
    );
    assert_eq!(patch(&json!({"display_name": "Carol", "email": null}))["changed"], json!(false));
    for (action, state, changed) in [
        ("disable", "disabled", true),
        ("disable", "disabled", false),
        ("enable", "no_password", true),
        ("enable", "no_password", false),
    ] {
        let answer = shop.call("POST", &format!("{path}/{action}"), None).json();
        assert_eq!((&answer["state"], &answer["changed"]), (&json!(state), &json!(changed)), "{action}: {answer}");
    }
    let sold = shop.post("/licenses", &json!({"owner": "carol", "plan": "free"})).json();
    assert_api_error(&shop.call("DELETE", &path, None), 409, "conflict", Some("transfer_to"));
    assert_api_error(
        &shop.call("DELETE", &format!("{path}?transfer_to=nobody"), None),
        422,
        "validation_failed",
        Some("transfer_to"),
    );
    assert_eq!(shop.post("/users", &json!({"name": "dave"})).status, 201);
    assert_eq!(shop.call("DELETE", &format!("{path}?transfer_to=dave"), None).status, 200);
    assert_eq!(shop.get(&path).status, 404);
    assert_eq!(shop.get(&format!("/licenses/{}", sold["id"])).json()["owner"], json!("dave"));
}

#[test]
fn administrators_are_out_of_reach_of_a_token() {
    let shop = Shop::start();
    let id = shop.server.database.change(|transaction| actions::add_user(transaction, &operator(), "root", "x", true));
    let path = format!("/users/{id}");
    assert_eq!(shop.get(&path).json()["administrator"], json!(true));
    for (method, path, body) in [
        ("PATCH", path.clone(), Some(json!({"email": "mallory@example.com"}))),
        ("POST", format!("{path}/disable"), None),
        ("DELETE", path.clone(), None),
    ] {
        assert_api_error(&shop.call(method, &path, body.as_ref()), 403, "administrator", None);
    }
}

#[test]
fn users_are_listed_page_by_page() {
    let shop = Shop::start();
    for name in ["eve", "Adam", "carol", "bob", "Dave"] {
        assert_eq!(shop.post("/users", &json!({"name": name, "email": format!("{name}@example.com")})).status, 201);
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = shop.get(&format!("/users?limit=2{cursor}")).json();
        names.extend(page["data"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["Adam", "bob", "carol", "Dave", "eve"]);
    let found = |query: &str| shop.get(&format!("/users?{query}")).json()["data"].as_array().unwrap().len();
    assert_eq!(
        (found("name=ADAM"), found("name=ad"), found("email=BOB%40example.com"), found("email=bob")),
        (1, 0, 1, 0)
    );
    assert_eq!(found("name=adam&email=bob%40example.com"), 0);
}
