//! Each call with a token of each scope: it is performed with its own scope only.

use super::*;
use opterius_license_server::vendor_api::route::Handler;
use opterius_license_server::vendor_api::routes::ROUTES;

/// The scope that each call needs, as the guide promises it: what only reads licenses needs no more, and so on.
fn expected_scope(method: &str, path: &str) -> &'static str {
    let subject = path.split('/').nth(1).unwrap();
    match (method, subject) {
        ("GET", "licenses" | "plans") => "licenses:read",
        (_, "licenses" | "plans") => "licenses:write",
        (_, "users") => "users:write",
        ("GET", "events" | "webhooks") => "events:read",
        (_, "webhooks") => "webhooks:write",
        other => panic!("which scope does {other:?} need?"),
    }
}

#[test]
fn a_token_can_do_what_its_scope_says_and_nothing_else() {
    let shop = Shop::start();
    let license = shop.sell("A-1");
    let (id, key) = (license["id"].to_string(), license["key"].as_str().unwrap());
    let tokens: Vec<(&str, String)> = EVERYTHING
        .split(',')
        .map(|scope| (scope, add_token(&shop.server, &scope.replace(':', "-"), scope, &[])))
        .collect();
    let history = || shop.server.database.history(None).len();
    for route in ROUTES {
        let (method, about) = (route.method.as_str(), format!("{:?} {}", route.method, route.path));
        let path = route.path.replace("{license}", &id).replace("{ip}", "203.0.113.9").replace("{plan}", "free");
        let path = path.replace("{user}", "1").replace("{webhook}", "1").replace("{event}", "evt_1");
        assert!(!path.contains('{'), "{path}");
        let body = json!({});
        let call = |token: &str| {
            let body = (method != "GET").then_some(&body);
            shop.server.fetch(request(token, method, &path, body))
        };
        if matches!(route.handler, Handler::Open(_)) {
            assert_eq!(shop.server.fetch(Request::get(&format!("/api/v1{path}"))).status, 200, "{about}");
            continue;
        }
        let needed = expected_scope(method, route.path);
        let without = Request::new(method, &format!("/api/v1{path}"));
        assert_api_error(&shop.server.fetch(without), 401, "token_missing", None);
        let before = history();
        for (scope, token) in tokens.iter().filter(|(scope, _)| *scope != needed) {
            let response = call(token);
            let error = assert_api_error(&response, 403, "scope_missing", None);
            assert!(error["message"].as_str().unwrap().contains(needed), "{about} with {scope}: {error}");
        }
        assert_eq!(history(), before, "{about}");
        let (_, token) = tokens.iter().find(|(scope, _)| *scope == needed).unwrap();
        let response = call(token);
        assert!(![401, 403].contains(&response.status) && response.status < 500, "{about}: {}", response.text());
        assert!(!response.text().contains(key), "{about} shows the key without keys:reveal");
    }
}
