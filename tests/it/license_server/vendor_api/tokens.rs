//! Tokens: what is stored, who may call what, and from where.

use super::*;

#[test]
fn a_call_needs_a_token_and_a_cookie_is_none() {
    let shop = Shop::start();
    for headers in [
        vec![],
        vec![("Cookie", "opterius_session=0123; __Host-opterius_session=0123")],
        vec![("Authorization", "Basic YTpi")],
        vec![("Authorization", "Bearer")],
        vec![("Authorization", "")],
    ] {
        let request =
            headers.iter().fold(Request::get("/api/v1/licenses"), |request, (name, value)| request.header(name, value));
        let response = shop.server.fetch(request);
        assert_api_error(&response, 401, "token_missing", None);
        assert_eq!(response.header("WWW-Authenticate"), Some("Bearer realm=\"opterius-license-server\""));
        assert_eq!(response.header("Access-Control-Allow-Origin"), None);
    }
    let twice = shop.request("GET", "/licenses", None).header("Authorization", "Bearer x");
    assert_api_error(&shop.server.fetch(twice), 400, "bad_request", Some("Authorization"));
    // The checks of the dashboard do not apply.
    let foreign = shop
        .request("GET", "/licenses", None)
        .header("Host", "other.example.com")
        .header("Origin", "https://evil.example");
    assert_eq!(shop.server.fetch(foreign).status, 200);
}

#[test]
fn a_wrong_token_is_refused_whatever_part_is_wrong() {
    let shop = Shop::start();
    let (head, secret) = shop.token.rsplit_once('_').unwrap();
    let changed = format!("{head}_{}{}", if secret.starts_with('0') { '1' } else { '0' }, &secret[1..]);
    let other = format!("opl_99_{secret}");
    let short = shop.token[..shop.token.len() - 1].to_owned();
    for token in [
        changed,
        other,
        short,
        format!("{}0", shop.token),
        shop.token.to_uppercase(),
        "opl_1_".to_owned(),
        "x".to_owned(),
    ] {
        let response = shop.server.fetch(request(&token, "GET", "/licenses", None));
        assert_api_error(&response, 401, "token_invalid", None);
        assert!(response.header("WWW-Authenticate").unwrap().contains("invalid_token"));
    }
    assert_eq!(shop.get("/licenses").status, 200);
}

#[test]
fn the_secret_is_stored_nowhere() {
    let shop = Shop::start();
    assert_eq!(shop.get("/licenses").status, 200);
    let (_, secret) = shop.token.rsplit_once('_').unwrap();
    let listed = shop.server.run(&["token", "list", "--json"]);
    assert!(!shop.server.database.stored_text().contains(secret));
    let text = [shop.server.lines().join("\n"), String::from_utf8(listed.stdout).unwrap()].concat();
    assert!(!text.contains(secret), "{text}");
}

#[test]
fn a_token_is_limited_to_its_scopes_its_networks_and_its_time() {
    let server = LicenseServerProcess::builder().set("trusted_proxies", "127.0.0.1").start();
    let reader = add_token(&server, "reader", "licenses:read", &["--networks", "203.0.113.0/24,2001:db8::/32"]);
    let call = |method: &str, path: &str, client: &str| {
        let body = json!({"owner": {"name": "a"}, "plan": "free"});
        let body = (method == "POST").then_some(&body);
        server.fetch(request(&reader, method, path, body).header("X-Forwarded-For", client))
    };
    assert_eq!(call("GET", "/licenses", "203.0.113.7").status, 200);
    assert_eq!(call("GET", "/licenses", "2001:db8:1::1").status, 200);
    let error = assert_api_error(&call("GET", "/licenses", "198.51.100.7"), 403, "network_not_allowed", None);
    assert!(error["message"].as_str().unwrap().contains("198.51.100.7"));
    // A proxy that withholds the client's address is no client of the network, not even of its own.
    let local = add_token(&server, "local", "licenses:read", &["--networks", "127.0.0.1"]);
    for forwarded in ["unknown", "_hidden", ""] {
        let request = request(&local, "GET", "/licenses", None).header("X-Forwarded-For", forwarded);
        assert_api_error(&server.fetch(request), 403, "network_not_allowed", None);
    }
    let error = assert_api_error(&call("POST", "/licenses", "203.0.113.7"), 403, "scope_missing", None);
    assert!(error["message"].as_str().unwrap().contains("licenses:write"), "{error}");

    let output = server.run(&["token", "revoke", "reader"]);
    assert!(output.status.success());
    assert_api_error(&call("GET", "/licenses", "203.0.113.7"), 401, "token_revoked", None);
    let again = server.run(&["token", "revoke", "reader"]);
    assert_eq!(again.status.code(), Some(1));
    // A revoked name is free again, and the old token stays revoked.
    add_token(&server, "reader", "licenses:read", &[]);
    assert_api_error(&call("GET", "/licenses", "203.0.113.7"), 401, "token_revoked", None);
}

#[test]
fn wrong_tokens_are_limited_and_right_ones_from_the_same_network_are_not() {
    let shop = Shop::start();
    let wrong = || shop.server.fetch(request("opl_1_00", "GET", "/licenses", None));
    let refused = (0..100).map(|_| wrong()).find(|response| response.status != 401).expect("no limit");
    assert_api_error(&refused, 429, "rate_limited", None);
    assert!(retry_after(&refused) >= 1);
    assert_eq!(shop.get("/licenses").status, 200);
    assert!(shop.server.lines().iter().filter(|line| line.contains("wrong token")).count() < 60);
}

#[test]
fn the_last_use_is_recorded_once_a_minute() {
    let shop = Shop::start();
    let last_use = || shop.server.database.read(|transaction| transaction.api_tokens(true))[0].last_used_at;
    let changes = || -> u64 {
        let text = shop.server.fetch(Request::get("/metrics")).text();
        let line = text.lines().find(|line| line.starts_with("opterius_license_server_changes_total")).unwrap();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    assert_eq!(last_use(), None);
    let before = changes();
    assert_eq!(shop.get("/licenses").status, 200);
    // The commit is visible before the server has counted it.
    assert!(eventually(START, || last_use().is_some() && changes() > before));
    let before = changes();
    for _ in 0..20 {
        assert_eq!(shop.get("/licenses").status, 200);
    }
    assert_eq!(changes(), before);
}

#[test]
fn wrong_terms_of_a_token_are_refused_by_the_command() {
    let server = LicenseServerProcess::start();
    add_token(&server, "shop", "licenses:read", &[]);
    let table: [(&[&str], &str); 7] = [
        (&["shop", "--scopes", "licenses:read"], "already a token"),
        (&["a b", "--scopes", "licenses:read"], "not a valid name"),
        (&["x", "--scopes", "licenses:all"], "not a scope"),
        (&["x", "--scopes", ","], "at least one scope"),
        (&["x", "--scopes", "licenses:read", "--networks", "10.0.0.1/8"], "10.0.0.0/8"),
        (&["x", "--scopes", "licenses:read", "--expires", "2020-01-01"], "in the past"),
        (&["x"], "--scopes"),
    ];
    for (words, expected) in table {
        let output = server.run(&[&["token", "add"], words].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{words:?}: {said}");
    }
}

#[test]
fn too_many_calls_with_one_token_do_not_limit_another() {
    let shop = Shop::start();
    let other = add_token(&shop.server, "other", "licenses:read", &[]);
    let mut refused = None;
    for _ in 0..2000 {
        let response = shop.get("/licenses");
        if response.status == 429 {
            refused = Some(response);
            break;
        }
    }
    let refused = refused.expect("no limit");
    assert_api_error(&refused, 429, "rate_limited", None);
    assert!(retry_after(&refused) >= 1);
    assert_eq!(shop.server.fetch(request(&other, "GET", "/licenses", None)).status, 200);
}
