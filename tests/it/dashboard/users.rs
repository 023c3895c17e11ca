//! Users: invitations, disabling, deleting, sessions.

use super::mail::sendmail;
use super::visitor::Visitor;
use super::*;
use std::fs;

const NEW_PASSWORD: &str = "an entirely different sentence";

pub(super) fn path_in(text: &str) -> String {
    let (_, rest) = text.split_once("/set-password?token=").unwrap_or_else(|| panic!("{text}"));
    format!("/set-password?token={}", &rest[..64])
}

fn set_password(visitor: &mut Visitor<'_>, path: &str, password: &str) -> Response {
    visitor.get(path);
    let token = path.split('=').next_back().unwrap();
    visitor.post("/set-password", &[("token", token), ("new", password), ("again", password)])
}

#[test]
fn an_invited_user_sets_a_password_once() {
    let mut server = server();
    let kept = server.directory().join("mail").display().to_string();
    let program = sendmail(server.directory(), &format!("echo \"$@\" > {kept}; cat >> {kept}"));
    server.rewrite_config(&[
        ("public_url", "https://licenses.example.com"),
        ("mail", &program),
        ("mail_from", "licenses@example.com"),
    ]);
    server.reload();
    let mut administrator = Visitor::signed_in(&server, ADMINISTRATOR);
    administrator.headers = vec![("Origin", "https://licenses.example.com".to_owned())];
    administrator.get("/users/new");
    let fields =
        [("user", "Zoë"), ("display", "Zoë\u{2019}s \"shop\""), ("mail", "zoe@example.com"), ("role", "owner")];
    let response = administrator.post("/users/new", &fields);
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(response.text().contains("https://licenses.example.com/set-password?token="), "{}", response.text());
    let path = path_in(&response.text());
    let mail = fs::read_to_string(&kept).unwrap();
    assert!(mail.starts_with("-t -oi\nFrom: licenses@example.com\n"), "{mail}");
    assert!(mail.contains("\nTo: zoe@example.com\nSubject: "), "{mail}");
    assert!(mail.contains(&path), "{mail}");

    let mut visitor = Visitor::new(&server);
    assert_eq!(visitor.sign_in("zoë", "").status, 422, "nobody signs in without a password");
    let shown = visitor.get(&path);
    assert_eq!((shown.status, shown.header("Referrer-Policy")), (200, Some("strict-origin")));
    assert_eq!(set_password(&mut visitor, &path, "short").status, 422);
    let token = path.split('=').next_back().unwrap();
    let forged = Visitor::new(&server)
        .post("/set-password", &[("token", token), ("new", NEW_PASSWORD), ("again", NEW_PASSWORD)]);
    assert_eq!(forged.status, 403, "the form is bound to its browser");
    assert_eq!(set_password(&mut visitor, &path, NEW_PASSWORD).status, 303);
    assert_eq!(set_password(&mut visitor, &path, "another sentence of mine").status, 404, "a link is used once");
    assert_eq!(visitor.sign_in("ZOË", NEW_PASSWORD).status, 303, "the name in another case and form");
    assert!(!server.database.stored_text().contains(token), "only the hash is stored");
}

#[test]
fn a_reset_link_ends_with_another_password_and_a_failed_mail_is_a_warning() {
    let mut server = server();
    let program = sendmail(server.directory(), "exit 75");
    server.rewrite_config(&[("mail", &program)]);
    server.reload();
    let reset = || {
        let output = server.run(&["user", "reset", OWNER]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (path_in(&String::from_utf8_lossy(&output.stdout)), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (first, warning) = reset();
    assert!(warning.contains("public_url is not set"), "{warning}");
    let (second, _) = reset();
    let mut visitor = Visitor::new(&server);
    assert_eq!(visitor.get(&first).status, 404, "a newer link ends the earlier one");
    assert_eq!(visitor.get(&second).status, 200);
    server.database.change(|transaction| actions::set_password(transaction, &operator(), OWNER, "other"));
    assert_eq!(visitor.get(&second).status, 404, "another password ends the link");
    server.rewrite_config(&[("public_url", "https://licenses.example.com")]);
    assert!(server.run(&["user", "set", OWNER, "--mail", "alice@example.com"]).status.success());
    let output = server.run(&["user", "reset", OWNER]);
    let warning = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && warning.contains("The mail to alice@example.com was not sent"), "{warning}");
}

#[test]
fn a_disabled_user_is_out_at_once_and_the_licenses_work_on() {
    let server = server();
    let license = server.database.license("free");
    let mut owner = Visitor::signed_in(&server, OWNER);
    let mut other = Visitor::signed_in(&server, OTHER_OWNER);
    let mut administrator = Visitor::signed_in(&server, ADMINISTRATOR);
    administrator.get("/users/1/disable");
    assert_eq!(administrator.post("/users/1/disable", &[]).status, 303);
    assert_eq!(owner.get("/licenses").status, 303);
    assert_eq!(other.get("/licenses").status, 200);
    let refused = |name: &str, password: &str| {
        let response = Visitor::new(&server).sign_in(name, password);
        (response.status, response.text().contains("Wrong name or password."))
    };
    assert_eq!(refused(OWNER, PASSWORD), (422, true), "the words of an unknown name");
    assert_eq!(refused("nobody", PASSWORD), (422, true));
    assert_eq!(check_in(&server, &license, SERVERS[0]).status, 200);
    assert_eq!(administrator.post("/users/1/enable", &[]).status, 303);
    Visitor::signed_in(&server, OWNER);
    // Owners have no such pages.
    for page in ["/users", "/users/1", "/users/1/delete", "/users/new"] {
        assert_eq!(other.get(page).status, 404, "{page}");
    }
    assert_eq!(other.post("/users/1/disable", &[]).status, 404);
    // Without the token of the form, nothing changes.
    administrator.csrf = "0".repeat(64);
    assert_eq!(administrator.post("/users/1/disable", &[]).status, 403);
    Visitor::signed_in(&server, OWNER);
}

#[test]
fn a_user_is_deleted_when_the_licenses_have_another_owner_and_an_administrator_stays() {
    let server = server();
    let license = server.database.license("free");
    let mut administrator = Visitor::signed_in(&server, ADMINISTRATOR);
    administrator.get("/users/1/delete");
    let refused = administrator.post("/users/1/delete", &[]);
    assert!(refused.status == 422 && refused.text().contains("owns 1 license"), "{}", refused.text());
    assert_eq!(administrator.post("/users/1/delete", &[("heir", "mallory")]).status, 422);
    assert_eq!(administrator.post("/users/1/delete", &[("heir", "BOB")]).status, 303);
    let found = server.database.read(|transaction| transaction.license(license.id)).unwrap();
    assert_eq!(found.owner_name, OTHER_OWNER);
    let last = server.database.history_lines(license.id).pop().unwrap();
    assert_eq!(last, "carol transferred from alice to bob");
    assert_eq!(check_in(&server, &license, SERVERS[0]).status, 200);
    // Of two administrators one can go, the other stays.
    assert!(server.run(&["user", "delete", OTHER_ADMINISTRATOR, "--yes"]).status.success());
    for command in [
        &["user", "delete", ADMINISTRATOR, "--yes"][..],
        &["user", "disable", ADMINISTRATOR],
        &["user", "set", ADMINISTRATOR, "--role", "owner"],
    ] {
        let output = server.run(command);
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && sentence.contains("only administrator who can sign in"), "{sentence}");
    }
    assert_eq!(administrator.get("/users").status, 200);
}

#[test]
fn a_user_sees_and_ends_the_own_sessions() {
    let server = server();
    let mut here = Visitor::signed_in(&server, OWNER);
    let mut there = Visitor::signed_in(&server, OWNER);
    let mut third = Visitor::signed_in(&server, OWNER);
    let mut other = Visitor::signed_in(&server, OTHER_OWNER);
    let page = here.get("/account").text();
    assert_eq!(page.matches("<tr id=\"session-").count(), 3, "{page}");
    let id = page.split("name=\"session\" value=\"").nth(1).unwrap()[..16].to_owned();
    other.get("/account");
    other.post("/account/end-session", &[("session", &id)]);
    assert_eq!([there.get("/account").status, third.get("/account").status], [200, 200], "not another's session");
    here.get("/account");
    assert_eq!(here.post("/account/end-session", &[("session", &id)]).status, 303);
    let mut left = [there.get("/account").status, third.get("/account").status];
    left.sort_unstable();
    assert_eq!(left, [200, 303]);
    here.get("/account");
    assert_eq!(here.post("/account/end-sessions", &[]).status, 303);
    assert_eq!([there.get("/account").status, third.get("/account").status], [303, 303]);
    assert_eq!([here.get("/account").status, other.get("/account").status], [200, 200]);
}
