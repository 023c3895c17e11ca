//! Sessions, their cookies, and the limits for password attempts.

use super::visitor::set_cookies;
use super::*;
use crate::support::SOON;
use crate::support::nginx::Nginx;

const NEW_PASSWORD: &str = "an entirely different sentence";

fn is_signed_in(visitor: &mut Visitor<'_>) -> bool {
    visitor.get("/licenses").status == 200
}

#[test]
fn signing_out_ends_the_session_on_the_server() {
    let server = server();
    let license = server.database.license("free");
    let browser = Browser::start();
    sign_in(&browser, &server, OWNER);
    let mut thief = Visitor::new(&server);
    for cookie in browser.cookies() {
        assert_eq!((&cookie["httpOnly"], &cookie["sameSite"]), (&json!(true), &json!("Strict")), "{cookie}");
        let text = |member: &str| cookie[member].as_str().unwrap().to_owned();
        thief.cookies.insert(text("name"), text("value"));
    }
    assert_eq!(browser.execute("return document.cookie", &[]), "", "scripts cannot read the cookies");
    assert!(is_signed_in(&mut thief), "the cookie identifies the session");
    open(&browser, &server, "/licenses/1");
    click(&browser, "#show-key-button");
    assert!(eventually(SOON, || text_of(&browser, "#key") == license.key));
    click(&browser, "#sign-out-button");
    assert_path(&browser, "/sign-in");
    assert!(!is_signed_in(&mut thief), "the old cookie is invalid");
    browser.back();
    assert!(eventually(SOON, || !browser.source().contains(&license.key)), "the back button still shows the key");
    open(&browser, &server, "/licenses/1");
    assert_path(&browser, "/sign-in?next=%2Flicenses%2F1");
}

#[test]
fn a_new_password_ends_all_other_sessions_and_the_old_password() {
    let server = server();
    let mut elsewhere = Visitor::signed_in(&server, OWNER);
    let mut bystander = Visitor::signed_in(&server, OTHER_OWNER);
    let browser = Browser::start();
    sign_in(&browser, &server, OWNER);
    click(&browser, "#nav-account");
    click(&browser, "#password-link");
    assert!(consequences(&browser).contains("All your other sessions will be signed out."));
    let change = |old: &str, new: &str, again: &str| {
        for (css, text) in [("#old", old), ("#new", new), ("#again", again)] {
            type_into(&browser, css, text);
        }
        click(&browser, "#confirm");
    };
    for (old, new, again, sentence) in [
        (PASSWORD, NEW_PASSWORD, "something else", "The new passwords do not match."),
        (PASSWORD, "eleven char", "eleven char", "The password must have at least 12 characters."),
        ("wrong", NEW_PASSWORD, NEW_PASSWORD, "Wrong password."),
    ] {
        change(old, new, again);
        assert_asked_again(&browser, sentence);
        assert!(!browser.source().contains(new), "a page never contains a password");
    }
    assert!(is_signed_in(&mut elsewhere), "nothing was changed");
    change(PASSWORD, NEW_PASSWORD, NEW_PASSWORD);
    assert_path(&browser, "/licenses");
    assert_flash(&browser, "Password changed. All your other sessions have been signed out.");
    assert!(!is_signed_in(&mut elsewhere));
    assert!(is_signed_in(&mut bystander), "other users stay signed in");
    assert_eq!(elsewhere.sign_in(OWNER, PASSWORD).status, 422);
    assert_eq!(elsewhere.sign_in(OWNER, NEW_PASSWORD).status, 303);
    open(&browser, &server, "/licenses");
    assert_path(&browser, "/licenses");
}

#[test]
fn password_attempts_are_limited() {
    let server = server();
    let mut visitor = Visitor::new(&server);
    let mut fails = |times: usize| {
        for number in 0..times {
            assert_eq!(visitor.sign_in(OWNER, "wrong").status, 422, "{number}");
        }
    };
    // A correct password resets the limit.
    fails(4);
    assert_eq!(Visitor::new(&server).sign_in(OWNER, PASSWORD).status, 303);
    fails(5);
    for password in ["wrong", PASSWORD] {
        let response = visitor.sign_in(OWNER, password);
        assert_eq!(response.status, 429, "{}", response.text());
        let seconds: u64 = response.header("Retry-After").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        let sentence = format!("Too many attempts. Try again in {seconds} seconds.");
        assert!(response.text().contains(&sentence), "{}", response.text());
    }
    assert!(!visitor.cookies.contains_key("opterius_session"), "{:?}", visitor.cookies);
    assert_eq!(visitor.sign_in(OTHER_OWNER, PASSWORD).status, 303, "other users are not locked out");

    let browser = Browser::start();
    open(&browser, &server, "/sign-in");
    send_sign_in(&browser, OWNER, PASSWORD);
    assert!(text_of(&browser, "#error").starts_with("Too many attempts. Try again in "));
    assert_eq!(browser.status(), 429);
}

#[test]
fn behind_the_proxy_cookies_are_secure_and_bound_to_the_host() {
    let mut server = LicenseServerProcess::builder().set("trusted_proxies", "127.0.0.1").start();
    add_users(&server.database);
    let license = server.database.license("free");
    check_in(&server, &license, SERVERS[0]);
    let nginx = Nginx::start(server.port());
    server.rewrite_config(&[("public_url", &nginx.url())]);
    server.reload();
    let browser = Browser::start();
    browser.open(&nginx.url());
    assert_path(&browser, "/sign-in");
    send_sign_in(&browser, OWNER, PASSWORD);
    assert_path(&browser, "/licenses");
    let cookies = browser.cookies();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let attributes =
        ["name", "secure", "httpOnly", "sameSite", "path", "domain"].map(|member| cookies[0][member].clone());
    assert_eq!(json!(attributes), json!(["__Host-opterius_session", true, true, "Strict", "/", "localhost"]));
    // Forms work through the proxy too.
    browser.open(&format!("{}/licenses/1/revoke?ip={}", nginx.url(), SERVERS[0]));
    click(&browser, "#confirm");
    assert_flash(&browser, "203.0.113.1 revoked. Its slot on license 1 is free.");
    let last = server.database.history_lines(license.id).pop().unwrap();
    assert_eq!(last, "alice revoked 203.0.113.1");
}

#[test]
fn x_forwarded_proto_is_trusted_only_from_a_configured_proxy() {
    let server = server();
    let mut visitor = Visitor::new(&server);
    visitor.headers = vec![("X-Forwarded-Proto", "https".to_owned())];
    let response = visitor.sign_in(OWNER, PASSWORD);
    let cookies = set_cookies(&response);
    let session = cookies.iter().find(|cookie| cookie.starts_with("opterius_session=")).unwrap();
    assert!(session.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"), "{session}");
}
