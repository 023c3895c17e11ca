//! Tokens of the vendor API in the dashboard: a call with the token is the oracle.

use super::visitor::Visitor;
use super::*;

const NEW: &str = "/api-tokens/new";

/// The form of a new token with these fields over the usual ones.
fn send(visitor: &mut Visitor<'_>, once: &str, changed: &[(&str, &str)]) -> Response {
    let usual = [
        ("token", "shop"),
        ("scopes-licenses:read", "yes"),
        ("scopes-events:read", "yes"),
        ("until", ""),
        ("networks", ""),
        ("password", PASSWORD),
        ("once", once),
    ];
    let is_usual = |(name, _): &&(&str, &str)| changed.iter().all(|(other, _)| other != name);
    let fields: Vec<(&str, &str)> = usual.iter().filter(is_usual).chain(changed).copied().collect();
    visitor.post(NEW, &fields)
}

/// The token on the page that shows it.
fn secret(response: &Response) -> String {
    assert_eq!(response.status, 200, "{}", response.text());
    let page = response.text();
    let (_, rest) = page.split_once("id=\"secret\" class=\"key\">").unwrap_or_else(|| panic!("{page}"));
    rest.split('<').next().unwrap().to_owned()
}

/// The status of a call of the API with this token.
fn call(server: &LicenseServerProcess, token: &str, path: &str) -> u16 {
    server.fetch(Request::get(&format!("/api/v1{path}")).header("Authorization", &format!("Bearer {token}"))).status
}

#[test]
fn a_token_is_shown_once_works_and_is_revoked() {
    let server = server();
    let mut carol = Visitor::signed_in(&server, ADMINISTRATOR);
    assert!(carol.get("/api-tokens").text().contains("No tokens."));
    assert!(carol.get(NEW).text().contains("type=\"checkbox\" id=\"scopes-keys:reveal\""));
    let shown = send(&mut carol, "first", &[("until", "2099-12-31"), ("networks", "127.0.0.0/8, 2001:db8::/32")]);
    let token = secret(&shown);
    assert!(token.starts_with("opl_1_"), "{token}");
    assert_eq!((shown.header("Cache-Control"), shown.header("Location")), (Some("no-store"), None));
    assert_eq!([call(&server, &token, "/licenses"), call(&server, &token, "/users")], [200, 403]);

    // The same form again, as by a reload.
    let again = send(&mut carol, "first", &[("until", "2099-12-31")]);
    assert_eq!((again.status, again.header("Location")), (303, Some("/api-tokens")));
    let list = carol.get("/api-tokens").text();
    assert!(list.contains("The token was added already. It is not shown again."), "{list}");
    assert_eq!(list.matches("<tr id=\"token-").count(), 1, "{list}");
    for wanted in ["licenses:read", "events:read", "127.0.0.0/8", "2001:db8::/32", "end of 2099-12-31", "carol"] {
        assert!(list.contains(wanted), "{wanted}: {list}");
    }
    assert!(list.contains("title=\"20"), "the last use is shown: {list}");
    let history = carol.get("/history").text();
    assert!(history.contains("carol") && history.contains("token added"), "{history}");
    let (_, secret_part) = token.rsplit_once('_').unwrap();
    for page in [&list, &history, &carol.get(NEW).text(), &server.lines().join("\n")] {
        assert!(!page.contains(secret_part), "{page}");
    }
    let listed = String::from_utf8(server.run(&["token", "list", "--json"]).stdout).unwrap();
    assert!(listed.contains("\"created_by\":\"administrator carol\""), "{listed}");

    let question = carol.get("/api-tokens/1/revoke").text();
    assert!(question.contains("class=\"danger\" id=\"confirm\">Revoke token"), "{question}");
    assert_eq!(call(&server, &token, "/licenses"), 200, "a question revokes nothing");
    assert_eq!(carol.post("/api-tokens/1/revoke", &[]).status, 303);
    assert_eq!(call(&server, &token, "/licenses"), 401);
    assert!(carol.get("/api-tokens").text().contains("No tokens."));
    let revoked = carol.get("/api-tokens?revoked=1").text();
    assert!(revoked.contains("badge revoked") && !revoked.contains("id=\"revoke-1\""), "{revoked}");
    assert!(carol.get("/history").text().contains("token revoked"));
    // Its name is free; the old form ends the new token neither.
    let next = secret(&send(&mut carol, "second", &[]));
    assert_eq!(carol.post("/api-tokens/1/revoke", &[]).status, 404);
    assert_eq!(carol.get("/api-tokens/1/revoke").status, 404);
    assert_eq!(call(&server, &next, "/licenses"), 200);
}

#[test]
fn a_wrong_term_has_its_error_beside_the_field_and_keeps_what_was_typed() {
    let server = server();
    let mut carol = Visitor::signed_in(&server, ADMINISTRATOR);
    carol.get(NEW);
    secret(&send(&mut carol, "first", &[("token", "taken")]));
    let table = [
        ("token", "a b", "“a b” is not a valid name"),
        ("token", "", "Use 1 to 64 letters"),
        ("token", "taken", "There is already a token “taken”."),
        ("until", "2020-01-31", "cannot end in the past"),
        ("until", "soon", "This is not a date"),
        ("networks", "203.0.113.5/24", "write 203.0.113.0/24"),
        ("networks", "203.0.113.0/24 shop.example.com", "“shop.example.com” is not an IP address"),
        ("networks", &"10.0.0.1,".repeat(33), "at most 32 networks"),
        ("password", "wrong", "Wrong password."),
    ];
    for (field, typed, expected) in table {
        let response = send(&mut carol, "next", &[(field, typed)]);
        let page = response.text();
        assert_eq!(response.status, 422, "{field} {typed}: {page}");
        let (_, error) = page.split_once(&format!("id=\"{field}-error\"")).unwrap_or_else(|| panic!("{field}: {page}"));
        let error = error.split("</p>").next().unwrap().replace("<span class=\"ip\">", "").replace("</span>", "");
        assert!(error.contains(expected), "{field} {typed}: {error}");
        assert_eq!(page.matches("-error\" role=\"alert\"").count(), 1, "only there: {page}");
        let is_kept = page.contains(&format!("name=\"{field}\" value=\"{typed}\""));
        assert_eq!(is_kept, field != "password", "{field} {typed}: {page}");
        for chosen in ["licenses:read", "events:read"] {
            assert!(page.contains(&format!("name=\"scopes-{chosen}\" value=\"yes\" checked")), "{chosen}: {page}");
        }
        assert!(!page.contains(PASSWORD), "{page}");
    }
    let none = carol.post(NEW, &[("token", "b c"), ("until", "x"), ("networks", "y"), ("password", PASSWORD)]);
    for field in ["token", "scopes", "until", "networks"] {
        assert!(none.text().contains(&format!("id=\"{field}-error\"")), "{field}: {}", none.text());
    }
    assert_eq!(carol.get("/api-tokens").text().matches("<tr id=\"token-").count(), 1, "nothing was added");
}

#[test]
fn the_pages_of_tokens_are_for_administrators_and_their_forms_for_this_dashboard() {
    let server = server();
    let mut carol = Visitor::signed_in(&server, ADMINISTRATOR);
    carol.get(NEW);
    let token = secret(&send(&mut carol, "first", &[]));
    let mut alice = Visitor::signed_in(&server, OWNER);
    for path in ["/api-tokens", NEW, "/api-tokens/1/revoke"] {
        assert_eq!(alice.get(path).status, 404, "{path}");
        let visitor = Visitor::new(&server).get(path);
        assert_eq!((visitor.status, visitor.text().as_str()), (303, ""), "{path}");
    }
    assert_eq!(alice.get("/licenses").text().matches("api-tokens").count(), 0);
    assert_eq!(send(&mut alice, "own", &[("token", "own")]).status, 404);
    assert_eq!(alice.post("/api-tokens/1/revoke", &[]).status, 404);
    carol.csrf = "0".repeat(64);
    assert_eq!(send(&mut carol, "forged", &[("token", "forged")]).status, 403);
    carol.csrf = "0".repeat(64);
    assert_eq!(carol.post("/api-tokens/1/revoke", &[]).status, 403);
    assert_eq!(call(&server, &token, "/licenses"), 200);
    assert_eq!(server.database.read(|transaction| transaction.api_tokens(true)).len(), 1);
}

#[test]
fn a_reload_of_the_page_with_the_token_makes_no_second_one() {
    let server = server();
    let browser = Browser::start();
    sign_in(&browser, &server, ADMINISTRATOR);
    click(&browser, "#nav-api-tokens");
    click(&browser, "#reference");
    assert_path(&browser, "/api/v1/docs");
    open(&browser, &server, "/api-tokens");
    click(&browser, "#new-token");
    type_into(&browser, "#token", "shop");
    choose(&browser, &by_id("scopes-licenses:read"));
    type_into(&browser, "#networks", "203.0.113.0/33");
    type_into(&browser, "#password", PASSWORD);
    click(&browser, "#confirm");
    assert_eq!(text_of(&browser, "#networks-error"), "“203.0.113.0/33” needs a number from 0 to 32 after the slash.");
    assert!(browser.find(&by_id("scopes-licenses:read")).attribute("checked").is_some());
    type_into(&browser, "#networks", "127.0.0.1");
    type_into(&browser, "#password", PASSWORD);
    click(&browser, "#confirm");
    let token = text_of(&browser, "#secret");
    assert!(!browser.url().contains("opl_"), "{}", browser.url());
    assert_eq!(call(&server, &token, "/licenses"), 200);
    browser.command("Page.reload", &json!({}));
    assert_path(&browser, "/api-tokens");
    assert_flash(&browser, "The token was added already. It is not shown again.");
    assert!(!browser.find("html").text().contains(&token));
    assert_eq!(browser.find_all("#tokens tbody tr").len(), 1);
    click(&browser, "#revoke-1");
    assert!(consequences(&browser).contains("refused from its next call on"));
    click(&browser, "#confirm");
    assert_flash(&browser, "Token shop revoked. Calls with it are refused from now on.");
    assert_eq!(call(&server, &token, "/licenses"), 401);
}
