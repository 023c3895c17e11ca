//! Second factors, with oathtool as the authenticator app.

use super::visitor::Visitor;
use super::*;
use std::process::Command;

/// The text between two marks on a page.
fn between(text: &str, before: &str, after: &str) -> String {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(after).next().unwrap().to_owned()
}

/// The code of an independent implementation, this many seconds from now.
pub fn code(secret: &str, seconds: i64) -> String {
    let now = format!("{seconds:+} seconds");
    let output = Command::new("oathtool").args(["--totp", "--base32", "--now", &now, secret]).output();
    let output = output.expect("oathtool is missing. Run: apt-get install -y oathtool");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Enrols with the code of the step before, and returns the secret and the recovery codes.
pub fn enrol(visitor: &mut Visitor<'_>) -> (String, Vec<String>) {
    let page = visitor.get("/second-factor").text();
    let secret = between(&page, "id=\"secret\">", "<");
    let sealed = between(&page, "name=\"secret\" value=\"", "\"");
    let fields = |code: &str, password: &str| {
        [("secret", sealed.clone()), ("code", code.to_owned()), ("password", password.to_owned())]
    };
    let mut send = |code: &str, password: &str| {
        let fields = fields(code, password);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        visitor.post("/second-factor", &fields)
    };
    assert_eq!(send(&code(&secret, 0), "wrong").status, 422);
    assert_eq!(send(&code(&secret, -3000), PASSWORD).status, 422);
    let response = send(&code(&secret, -30), PASSWORD);
    assert_eq!(response.status, 200, "{}", response.text());
    let codes = response.text().split("<li><code>").skip(1).map(|rest| rest[..19].to_owned()).collect::<Vec<String>>();
    assert_eq!(codes.len(), 10);
    (secret, codes)
}

/// The second step of signing in, after the first.
pub fn send_code(visitor: &mut Visitor<'_>, ticket: &str, code: &str) -> Response {
    visitor.post("/sign-in/code", &[("ticket", ticket), ("code", code)])
}

pub fn first_step(visitor: &mut Visitor<'_>, name: &str) -> String {
    let response = visitor.sign_in(name, PASSWORD);
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(!visitor.cookies.contains_key("opterius_session"), "no session before the second step");
    between(&response.text(), "name=\"ticket\" value=\"", "\"")
}

#[test]
fn a_code_of_oathtool_signs_in_once_and_a_recovery_code_once() {
    let server = server();
    let mut elsewhere = Visitor::signed_in(&server, OWNER);
    let mut visitor = Visitor::signed_in(&server, OWNER);
    let (secret, recovery) = enrol(&mut visitor);
    assert_eq!(visitor.get("/account").status, 200, "the session that enrolled goes on");
    assert_eq!(elsewhere.get("/account").status, 303, "the others have ended");

    let mut visitor = Visitor::new(&server);
    let ticket = first_step(&mut visitor, OWNER);
    assert_eq!(send_code(&mut visitor, &ticket, "000000x").status, 422);
    let mut thief = Visitor::new(&server);
    thief.get("/sign-in");
    let now = code(&secret, 0);
    assert_eq!(send_code(&mut thief, &ticket, &now).status, 403, "the ticket is of another browser");
    assert_eq!(send_code(&mut visitor, &ticket, &now).status, 303);
    assert_eq!(visitor.get("/licenses").status, 200);

    let mut again = Visitor::new(&server);
    let ticket = first_step(&mut again, OWNER);
    assert_eq!(send_code(&mut again, &ticket, &now).status, 422, "a code is used once");
    assert_eq!(send_code(&mut again, &ticket, &recovery[0].to_lowercase()).status, 303);
    let mut third = Visitor::new(&server);
    let ticket = first_step(&mut third, OWNER);
    assert_eq!(send_code(&mut third, &ticket, &recovery[0]).status, 422, "a recovery code is used once");
    // Another user is not affected.
    Visitor::signed_in(&server, OTHER_OWNER);
    // What is stored is neither the secret nor a code.
    let stored = server.database.stored_text();
    assert!(!stored.contains(&secret) && !stored.contains(&recovery[1]));
    let reset = server.run(&["user", "reset-second-factor", OWNER]);
    assert!(reset.status.success(), "{}", String::from_utf8_lossy(&reset.stderr));
    Visitor::signed_in(&server, OWNER);
}

#[test]
fn wrong_codes_are_limited_and_others_go_on() {
    let server = server();
    enrol(&mut Visitor::signed_in(&server, OWNER));
    let mut visitor = Visitor::new(&server);
    let ticket = first_step(&mut visitor, OWNER);
    let statuses: Vec<u16> = (0..7).map(|_| send_code(&mut visitor, &ticket, "123").status).collect();
    assert!(statuses.contains(&422) && statuses.last() == Some(&429), "{statuses:?}");
    Visitor::signed_in(&server, OTHER_OWNER);
}

#[test]
fn an_administrator_who_needs_a_second_factor_can_do_nothing_else() {
    let server = LicenseServerProcess::builder().set("require_second_factor", "administrators").start();
    add_users(&server.database);
    let license = server.database.license("free");
    let mut visitor = Visitor::new(&server);
    assert_eq!(visitor.sign_in(ADMINISTRATOR, PASSWORD).status, 303);
    for page in ["/licenses", "/users", "/account", "/password", "/history", "/licenses/1/suspend"] {
        let response = visitor.get(page);
        assert_eq!((response.status, response.header("Location")), (303, Some("/second-factor")), "{page}");
    }
    visitor.get("/second-factor");
    let response = visitor.post("/licenses/1/delete", &[("revision", "1")]);
    assert_eq!((response.status, response.header("Location")), (303, Some("/second-factor")));
    assert!(server.database.read(|transaction| transaction.license(license.id)).is_some());
    Visitor::signed_in(&server, OWNER);
    enrol(&mut visitor);
    assert_eq!(visitor.get("/users").status, 200);
}

#[test]
fn the_picture_is_a_qr_code_of_the_uri() {
    let server = server();
    let browser = Browser::start();
    sign_in(&browser, &server, OWNER);
    open(&browser, &server, "/second-factor");
    let uri = text_of(&browser, "#uri");
    assert!(uri.starts_with("otpauth://totp/Opterius%20Licenses:alice?secret="), "{uri}");
    let parameters = json!({"format": "png", "captureBeyondViewport": true});
    let picture = browser.command("Page.captureScreenshot", &parameters)["data"].as_str().unwrap().to_owned();
    let path = server.directory().join("qr.png");
    use base64::Engine as _;
    std::fs::write(&path, base64::engine::general_purpose::STANDARD.decode(picture).unwrap()).unwrap();
    let read = Command::new("zbarimg").args(["--quiet", "--raw"]).arg(&path).output();
    let read = read.expect("zbarimg is missing. Run: apt-get install -y zbar-tools");
    assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), uri);
}
