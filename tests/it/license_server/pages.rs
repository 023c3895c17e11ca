//! The browser support, and the dashboard in a real browser.

use super::*;
use crate::support::browser::Browser;
use opterius_base::secret::Secret;
use opterius_license_server::passwords;
use std::fs;

#[test]
fn the_browser_displays_responses_of_the_license_server() {
    let server = LicenseServerProcess::start();
    let browser = Browser::start();
    browser.set_window_size(800, 600);
    browser.open(&format!("{}/health", server.url()));
    assert_eq!(browser.url(), format!("{}/health", server.url()));
    assert!(browser.find("body").text().contains(r#""status":"ok""#), "{}", browser.source());
    assert_eq!(browser.find_all("form").len(), 0);
    assert_eq!(browser.execute("return arguments[0] + window.outerWidth", &[json!(1)]), 801);

    let typing =
        "data:text/html,<title>A page</title><input id=a value=b><button onclick=\"document.title=a.value\">Go";
    browser.open(typing);
    assert_eq!(browser.title(), "A page");
    let input = browser.find("#a");
    assert_eq!(input.attribute("value").as_deref(), Some("b"));
    input.type_text("cd");
    browser.find("button").click();
    assert_eq!(browser.title(), "bcd");

    let picture = server.directory().join("page.png");
    browser.screenshot(&picture);
    assert!(fs::read(picture).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn an_owner_signs_in_and_sees_the_license() {
    let server = LicenseServerProcess::start();
    let password = "correct horse battery staple";
    let hash = passwords::hash(&Secret::new(password.to_owned())).unwrap();
    server.database.change(|transaction| actions::add_user(transaction, &operator(), OWNER, &hash, false));
    let license = server.database.license("business");
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
    let browser = Browser::start();
    browser.open(&server.url());
    assert_eq!(browser.url(), format!("{}/sign-in", server.url()));
    assert_eq!(browser.title(), "Sign in · Opterius Licenses");
    browser.find("input[name=name]").type_text(OWNER);
    browser.find("input[name=password]").type_text(password);
    browser.find("form button").click();
    let row = browser.find("#licenses tbody tr").text();
    assert_eq!(browser.url(), format!("{}/licenses", server.url()));
    assert!(row.contains("Business") && row.contains("1 of 5"), "{row}");
    assert!(!browser.source().contains(&license.key), "the key is shown only on request");
}
