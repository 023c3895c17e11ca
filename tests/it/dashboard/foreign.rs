//! Licenses of other owners and pages of administrators do not exist for an owner.

use super::*;

/// The pages of a license.
const PAGES: [&str; 12] = [
    "",
    "?before=5",
    "/revoke?ip=203.0.113.1",
    "/move?ip=203.0.113.1",
    "/suspend",
    "/resume",
    "/cancel",
    "/renew",
    "/plan",
    "/lock",
    "/unlock",
    "/delete",
];

const FORMS: [&str; 11] =
    ["key", "revoke", "move", "suspend", "resume", "cancel", "renew", "plan", "lock", "unlock", "delete"];

const FIELDS: [(&str, &str); 5] =
    [("ip", "203.0.113.1"), ("to", "203.0.113.2"), ("revision", "1"), ("plan", "business"), ("until", "2099-12-31")];

/// A license of alice with one server, which must not change; and its history.
fn victim(server: &LicenseServerProcess) -> (TestLicense, impl Fn() -> Vec<String>) {
    let license = server.database.license("free");
    assert_eq!(check_in(server, &license, SERVERS[0]).status, 200);
    let (database, id) = (server.database.clone(), license.id);
    (license, move || database.history_lines(id))
}

#[test]
fn an_owner_cannot_tell_a_foreign_license_from_a_missing_one() {
    let server = server();
    let (license, history) = victim(&server);
    let before = history();
    let mut bob = Visitor::signed_in(&server, OTHER_OWNER);
    let same = |path: &str, mut ask: Box<dyn FnMut(&str) -> Response + '_>| {
        let [foreign, absent] = [license.id, 999].map(|id| {
            let response = ask(&format!("/licenses/{id}{path}"));
            let number = format!("license {id}");
            let headers: Vec<_> = response.headers.iter().filter(|(name, _)| !is_variable(name)).cloned().collect();
            (response.status, response.text().replace(&number, "license N"), headers)
        });
        assert_eq!(foreign.0, 404, "{path}: {}", foreign.1);
        assert_eq!(foreign, absent, "{path}");
    };
    for path in PAGES {
        same(path, Box::new(|path| bob.get(path)));
    }
    for form in FORMS {
        same(&format!("/{form}"), Box::new(|path| bob.post(path, &FIELDS)));
    }
    assert_eq!(history(), before, "nothing was changed");
    assert!(!bob.get("/licenses").text().contains("/licenses/1"));
    assert_eq!(server.database.addresses(license.id), [SERVERS[0]]);
    // The same requests work for the owner of the license.
    let mut alice = Visitor::signed_in(&server, OWNER);
    assert_eq!(alice.get("/licenses/1/revoke?ip=203.0.113.1").status, 200);
    assert_eq!(alice.post("/licenses/1/revoke", &FIELDS).status, 303);
}

/// Headers that differ between the two responses: the date, and the length, which depends on the license number.
fn is_variable(name: &str) -> bool {
    ["date", "content-length"].contains(&name.to_ascii_lowercase().as_str())
}

#[test]
fn pages_of_administrators_do_not_exist_for_owners() {
    let server = server();
    let (license, history) = victim(&server);
    let before = history();
    let mut alice = Visitor::signed_in(&server, OWNER);
    let pages = ["/plans", "/history", "/licenses/new"].map(str::to_owned);
    for path in pages.into_iter().chain(PAGES[4..].iter().map(|page| own(page))) {
        let response = alice.get(&path);
        assert_eq!(response.status, 404, "{path}");
        assert!(response.text().contains("This page does not exist."), "{path}");
    }
    for form in &FORMS[3..] {
        assert_eq!(alice.post(&own(&format!("/{form}")), &FIELDS).status, 404, "{form}");
    }
    let fields = [("owner", OWNER), ("plan", "datacenter"), ("once", "1")];
    assert_eq!(alice.post("/licenses/new", &fields).status, 404);
    assert_eq!(history(), before, "nothing was changed");
    assert_eq!(server.database.read(|transaction| transaction.license(license.id + 1)).map(|license| license.id), None);

    let browser = Browser::start();
    sign_in(&browser, &server, OWNER);
    assert_eq!(browser.find_all("#nav-plans, #nav-history, #new-license, #search").len(), 0);
    open(&browser, &server, "/licenses/1/suspend");
    assert_eq!((text_of(&browser, "h1").as_str(), browser.status()), ("Not found", 404));
    click(&browser, "#back");
    assert_path(&browser, "/licenses");
}

fn own(path: &str) -> String {
    format!("/licenses/1{path}")
}

#[test]
fn visitors_see_only_the_sign_in_form() {
    let server = server();
    let (license, history) = victim(&server);
    let before = history();
    let paths = ["/", "/licenses", "/licenses/new", "/plans", "/history", "/password"];
    let all = paths.into_iter().map(str::to_owned).chain(PAGES.map(own));
    for path in all {
        let response = Visitor::new(&server).get(&path);
        assert_eq!((response.status, response.text().as_str()), (303, ""), "{path}");
        assert!(response.header("Location").unwrap().starts_with("/sign-in"), "{path}");
    }
    for form in FORMS {
        let response = Visitor::new(&server).post(&own(&format!("/{form}")), &FIELDS);
        assert_eq!(response.status, 303, "{form}");
    }
    assert_eq!(history(), before, "nothing was changed");
    assert_eq!(server.database.addresses(license.id), [SERVERS[0]]);
}
