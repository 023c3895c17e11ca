use std::sync::atomic::Ordering;
use std::time::Duration;

use super::testing::{Browser, PASSWORD, Site, header, text};
use super::{page_slots, routes};
use crate::actions::{self, ChangeContext};
use crate::model::{Action, Actor, Change, Details, RefusedServer, Role};
use crate::passwords::WORK;
use opterius_base::clock::Timestamp;
use opterius_http::service::Reaction;

#[test]
fn signing_in_leads_to_the_requested_page_and_never_to_another_site() {
    let site = Site::new("");
    let mut browser = Browser::new(&site);
    let redirect = browser.get("/licenses/1?before=3");
    assert_eq!(header(&redirect, "Location"), Some("/sign-in?next=%2Flicenses%2F1"));
    for (next, expected) in [
        ("/licenses/1", "/licenses/1"),
        ("/licenses/1/revoke", "/licenses/1"),
        ("//evil.example.com", "/licenses"),
        ("https://evil.example.com/", "/licenses"),
        ("/\\evil.example.com", "/licenses"),
        ("/sign-out", "/licenses"),
        ("/style.css", "/licenses"),
    ] {
        let mut browser = Browser::new(&site);
        browser.get("/sign-in");
        let response = browser.post("/sign-in", &[("name", "ANNA"), ("password", PASSWORD), ("next", next)]);
        assert_eq!((response.status, header(&response, "Location")), (303, Some(expected)), "{next}");
        assert_eq!(browser.get("/licenses").status, 200);
    }
}

#[test]
fn failed_sign_ins_do_not_reveal_users_and_are_limited() {
    let site = Site::new("");
    let mut browser = Browser::new(&site);
    browser.get("/sign-in");
    let refused = |browser: &mut Browser<'_>, name: &str| {
        let response = browser.post("/sign-in", &[("name", name), ("password", "wrong wrong wrong")]);
        (response.status, text(&response).replace(name, "NAME"))
    };
    let known = refused(&mut browser, "anna");
    assert_eq!(known, refused(&mut browser, "unknown"));
    assert_eq!(known.0, 422);
    for _ in 0..4 {
        assert_eq!(refused(&mut browser, "anna").0, 422);
    }
    let response = browser.post("/sign-in", &[("name", "anna"), ("password", PASSWORD)]);
    assert_eq!((response.status, header(&response, "Retry-After")), (429, Some("60")));
    site.clock.seconds.store(60, Ordering::Relaxed);
    assert_eq!(browser.post("/sign-in", &[("name", "anna"), ("password", PASSWORD)]).status, 303);
}

#[test]
fn every_refused_sign_in_costs_the_same_work_and_gives_the_same_bytes() {
    let site = Site::new("");
    let actor = Actor { role: Role::Operator, name: "root".to_owned() };
    let bert = site.shared.readers.read(|transaction| transaction.user("bert")).unwrap().unwrap().0.id;
    let invited = actions::NewUser {
        name: "cleo".to_owned(),
        display_name: String::new(),
        mail: None,
        password_hash: String::new(),
        administrator: false,
    };
    let change = site.shared.writer.change(move |transaction| {
        actions::disable_user(transaction, &actor, bert)?;
        actions::create_user(transaction, &actor, &invited)
    });
    change.unwrap();
    let mut browser = Browser::new(&site);
    browser.get("/sign-in");
    let mut refused = |name: &str, password: &str| {
        let before = WORK.get();
        let response = browser.post("/sign-in", &[("name", name), ("password", password)]);
        let page = text(&response).replace(&format!("value=\"{name}\""), "value=\"NAME\"");
        (response.status, response.headers.clone(), page, WORK.get() - before)
    };
    let wrong = "wrong wrong wrong";
    let unknown = refused("unknown", wrong);
    assert_eq!((unknown.0, unknown.3 > 2 * 19_000), (422, true), "{}", unknown.3);
    for (who, name, password) in [
        ("a wrong password", "anna", wrong),
        ("a disabled user, right password", "bert", PASSWORD),
        ("a disabled user, wrong password", "bert", wrong),
        ("no password yet", "cleo", wrong),
        ("no password yet, none given", "cleo", ""),
        ("an unknown user, none given", "unknown", ""),
        ("a name that no user can have", "\u{202e}\0", wrong),
    ] {
        let found = refused(name, password);
        assert_eq!((found.0, found.1, found.3), (unknown.0, unknown.1.clone(), unknown.3), "{who}");
        if !name.contains('\0') {
            assert_eq!(found.2, unknown.2, "{who}");
        }
    }
}

#[test]
fn successful_sign_ins_are_limited_too() {
    let site = Site::new("");
    let mut browser = Browser::new(&site);
    let mut sign_in = |name: &str| {
        browser.cookies.clear();
        browser.get("/sign-in");
        let response = browser.post("/sign-in", &[("name", name), ("password", PASSWORD)]);
        (response.status, header(&response, "Retry-After").map(str::to_owned))
    };
    for number in 1..=30 {
        assert_eq!(sign_in("anna").0, 303, "{number}");
    }
    assert_eq!(sign_in("anna"), (429, Some("10".to_owned())));
    assert_eq!(sign_in("bert").0, 303, "other users are not affected");
    site.clock.seconds.store(10, Ordering::Relaxed);
    assert_eq!([sign_in("anna").0, sign_in("anna").0], [303, 429]);
}

#[test]
fn a_session_ends_by_timeout_by_signing_out_and_by_a_new_password() {
    let site = Site::new("");
    let mut first = Browser::signed_in(&site, "anna");
    let mut second = Browser::signed_in(&site, "anna");
    let new = "another long password";
    let fields = [("old", PASSWORD), ("new", new), ("again", new)];
    assert_eq!(first.post("/password", &[("old", "wrong"), ("new", new), ("again", new)]).status, 422);
    assert_eq!(first.post("/password", &[("old", PASSWORD), ("new", new), ("again", "other")]).status, 422);
    assert_eq!(first.post("/password", &fields).status, 303);
    assert!(text(&first.get("/licenses")).contains("Password changed."));
    assert_eq!(second.get("/licenses").status, 303, "the other session has ended");
    site.clock.seconds.store(12 * 3600 - 1, Ordering::Relaxed);
    assert_eq!(first.get("/licenses").status, 200);
    site.clock.seconds.store(12 * 3600, Ordering::Relaxed);
    assert_eq!(first.get("/licenses").status, 303);

    let mut third = Browser::signed_in(&site, "bert");
    let cookies = third.cookies.clone();
    assert_eq!(header(&third.post("/sign-out", &[]), "Location"), Some("/sign-in"));
    third.cookies = cookies;
    assert_eq!(third.get("/licenses").status, 303, "the session has ended on the server too");
}

#[test]
fn licenses_of_other_owners_do_not_exist() {
    let site = Site::new("");
    let mut anna = Browser::signed_in(&site, "anna");
    let pages = ["", "/revoke?ip=203.0.113.5", "/move?ip=203.0.113.5", "/suspend", "/delete"];
    for page in pages {
        let [foreign, absent] = [2, 999].map(|id| {
            let response = anna.get(&format!("/licenses/{id}{page}"));
            (response.status, text(&response).replace(&format!("license {id}"), "license N"), response.headers)
        });
        assert_eq!(foreign, absent, "{page}");
        assert_eq!(foreign.0, 404);
    }
    for form in ["key", "revoke", "move", "suspend", "delete"] {
        let fields = [("ip", "203.0.113.5"), ("to", "203.0.113.6"), ("revision", "1")];
        assert_eq!(anna.post(&format!("/licenses/2/{form}"), &fields).status, 404, "{form}");
    }
    for page in ["/plans", "/history", "/licenses/new", "/licenses/1/suspend", "/licenses/1/lock"] {
        assert_eq!(anna.get(page).status, 404, "{page}");
    }
    assert_eq!(anna.post("/licenses/1/suspend", &[("revision", "1")]).status, 404);
    assert!(!text(&anna.get("/licenses?q=bert")).contains("/licenses/2"));
}

#[test]
fn a_forged_form_changes_nothing() {
    let site = Site::new("public_url=https://licenses.example.com");
    let mut admin = Browser::signed_in(&site, "admin");
    let fields = [("revision", "1")];
    let csrf = admin.csrf.clone();
    for wrong in ["", "00", &csrf.replace(|_| true, "0"), &Browser::signed_in(&site, "admin").csrf] {
        admin.csrf = wrong.to_owned();
        assert_eq!(admin.post("/licenses/1/suspend", &fields).status, 403, "{wrong}");
    }
    admin.csrf = csrf.clone();
    for (headers, status) in [
        ("\r\nOrigin: https://evil.example.com", 403),
        ("\r\nOrigin: null", 403),
        ("\r\nSec-Fetch-Site: cross-site", 403),
        ("\r\nSec-Fetch-Site: same-site", 403),
        ("\r\nContent-Type: text/plain", 415),
        ("\r\nOrigin: https://licenses.example.com\r\nSec-Fetch-Site: same-origin", 303),
    ] {
        admin.headers = headers;
        assert_eq!(admin.post("/licenses/1/suspend", &fields).status, status, "{headers}");
    }
    let response = site.ask("GET /licenses HTTP/1.1\r\nHost: evil.example.com", "");
    assert_eq!(response.status, 421);
}

#[test]
fn a_message_is_shown_once_and_a_stale_change_is_refused() {
    let site = Site::new("");
    let mut admin = Browser::signed_in(&site, "admin");
    let page = text(&admin.get("/licenses/1/suspend"));
    assert!(page.contains("name=\"revision\" value=\"1\"") && page.contains("within 24 hours"), "{page}");
    let response = admin.post("/licenses/1/suspend", &[("revision", "1")]);
    assert_eq!((response.status, header(&response, "Location")), (303, Some("/licenses/1")));
    assert!(text(&admin.get("/licenses/1")).contains("License 1 suspended."));
    assert!(!text(&admin.get("/licenses/1")).contains("License 1 suspended."));
    let response = admin.post("/licenses/1/resume", &[("revision", "1")]);
    assert!(response.status == 409 && text(&response).contains("This license has changed since you opened the page."));
    assert_eq!(admin.post("/licenses/1/suspend", &[("revision", "2")]).status, 422, "it is already suspended");
    for (form, fields) in [
        ("renew", [("revision", "2"), ("until", "2020-01-01")]),
        ("renew", [("revision", "2"), ("until", "soon")]),
        ("lock", [("revision", "2"), ("ip", "0.0.0.0")]),
    ] {
        let response = admin.post(&format!("/licenses/1/{form}"), &fields);
        assert!(response.status == 422 && text(&response).contains(fields[1].1), "{form} {}", text(&response));
    }
    assert_eq!(admin.post("/licenses/1/delete", &[]).status, 400, "the revision is missing");
}

/// A server that was refused.
fn refused(ip: &str) -> RefusedServer {
    RefusedServer {
        ip: ip.parse().unwrap(),
        reason: "server_limit_reached".to_owned(),
        message: "License is already activated on 5 of 5 allowed servers.".to_owned(),
        first_at: Timestamp::from_unix(1_800_000_000),
        last_at: Timestamp::from_unix(1_800_000_000),
        denials: 1,
        details: Details::default(),
    }
}

#[test]
fn every_action_is_recorded_as_defined() {
    let fields = [
        ("from", "203.0.113.5"),
        ("to", "203.0.113.6"),
        ("until", "2099-12-31"),
        ("plan", "free"),
        ("reference", "order-7"),
        ("labels", "eu gold"),
        ("note", "Called."),
    ];
    for license_action in routes::license_actions() {
        let ip = if license_action.name == "move-here" { "203.0.113.9" } else { "203.0.113.5" };
        let site = Site::new("");
        site.activate("203.0.113.5", "web-1");
        // The required previous change.
        let before = match license_action.name {
            "resume" => Some(Change::Suspend),
            "convert" => Some(Change::SetTrial(true)),
            "unlock" => Some(Change::LockIp([203, 0, 113, 5].into())),
            _ => None,
        };
        let revision = site.change(move |transaction| {
            let actor = Actor { role: Role::Operator, name: "root".to_owned() };
            match license_action.name {
                "move-here" => drop(transaction.put_refusal(1, &refused(ip))?),
                "unblock" => drop(
                    actions::revoke(transaction, &actor, 1, ip.parse().unwrap(), Some(Duration::from_secs(86_400)))
                        .unwrap(),
                ),
                _ => {}
            }
            if let Some(change) = before {
                actions::change(transaction, &ChangeContext { actor: &actor, seen: None }, 1, &change).unwrap();
            }
            Ok(transaction.license(1)?.unwrap().revision.to_string())
        });
        let mut admin = Browser::signed_in(&site, "admin");
        assert_eq!(
            admin.get(&format!("/licenses/1/{}?ip={ip}", license_action.name)).status,
            200,
            "{}",
            license_action.name
        );
        let fields = [&fields[..], &[("ip", ip), ("revision", &revision)]].concat();
        assert_eq!(
            admin.post(&format!("/licenses/1/{}", license_action.name), &fields).status,
            303,
            "{}",
            license_action.name
        );
        let latest = site.change(|transaction| Ok(transaction.history(Some(1), None, 1)?.remove(0)));
        assert_eq!(latest.action, license_action.history_action, "{}", license_action.name);
    }
}

#[test]
fn an_owner_revokes_and_moves_servers_up_to_the_limit() {
    let site = Site::new("");
    site.activate("203.0.113.5", "web-1");
    let mut anna = Browser::signed_in(&site, "anna");
    let page = text(&anna.get("/licenses/1/revoke?ip=203.0.113.5"));
    assert!(page.contains("203.0.113.5</span> (web-1) loses its slot") && page.contains("10 of 10"), "{page}");
    assert_eq!(anna.get("/licenses/1/revoke?ip=203.0.113.6").status, 404);
    assert_eq!(anna.get("/licenses/1/revoke?ip=nonsense").status, 400);
    let response = anna.post("/licenses/1/move", &[("ip", "203.0.113.5"), ("to", "<b>\"")]);
    assert!(response.status == 422 && text(&response).contains("&#60;b&#62;&#34;"), "{}", text(&response));
    for number in 5..15 {
        let (from, to) = (format!("203.0.113.{number}"), format!("203.0.113.{}", number + 1));
        assert_eq!(anna.post("/licenses/1/move", &[("ip", &from), ("to", &to)]).status, 303);
    }
    let response = anna.post("/licenses/1/revoke", &[("ip", "203.0.113.15")]);
    assert!(response.status == 429 && header(&response, "Retry-After").is_some());
}

#[test]
fn many_pages_of_one_session_do_not_delay_others() {
    let site = Site::new("");
    let ask = |browser: &Browser<'_>| {
        let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        site.react(&format!("GET /licenses HTTP/1.1\r\nHost: localhost\r\nCookie: {}", cookies.join("; ")), "")
    };
    let (anna, bert) = (Browser::signed_in(&site, "anna"), Browser::signed_in(&site, "bert"));
    let mut waiting: Vec<Reaction> = (0..page_slots::MAX_PAGES).map(|_| ask(&anna)).collect();
    assert!(waiting.iter().all(|reaction| matches!(reaction, Reaction::Read(_))));
    let Reaction::Answer(refused) = ask(&anna) else { panic!("one page too many") };
    assert_eq!((refused.status, header(&refused, "Retry-After")), (429, Some("1")));
    assert!(matches!(ask(&bert), Reaction::Read(_)), "other sessions have their own slots");
    let Some(Reaction::Read(work)) = waiting.pop() else { panic!("no page") };
    assert_eq!(work().status, 200);
    assert!(matches!(ask(&anna), Reaction::Read(_)), "rendering releases the slot");
    drop(waiting);
    assert!(matches!(ask(&anna), Reaction::Read(_)), "so does dropping the request");
}

#[test]
fn untrusted_text_is_escaped() {
    let site = Site::new("");
    site.activate("203.0.113.5", "<script>alert(1)</script>'; DROP TABLE users --\u{202e}");
    let mut admin = Browser::signed_in(&site, "admin");
    for page in ["/licenses/1", "/licenses/1/revoke?ip=203.0.113.5", "/licenses?q=%3Cscript%3E", "/history"] {
        let response = admin.get(page);
        let text = text(&response);
        assert!(response.status == 200 && !text.contains("<script") && text.contains("&#60;script"), "{page} {text}");
        assert!(!text.contains('\u{202e}'), "{page}");
        assert!(header(&response, "Content-Security-Policy").unwrap().starts_with("default-src 'none';"));
    }
}

#[test]
fn a_key_is_shown_on_request_and_a_resubmitted_form_creates_one_license() {
    let site = Site::new("");
    let mut anna = Browser::signed_in(&site, "anna");
    let key = site.change(|transaction| Ok(transaction.license(1)?.unwrap().key.expose().to_owned()));
    assert!(!text(&anna.get("/licenses/1")).contains(&key) && anna.get("/licenses/1/key").status == 405);
    assert!(text(&anna.post("/licenses/1/key", &[])).contains(&key));
    let latest = site.change(|transaction| Ok(transaction.history(Some(1), None, 1)?.remove(0)));
    assert_eq!((latest.action, latest.actor.name.as_str()), (Action::KeyShown, "anna"));

    let mut admin = Browser::signed_in(&site, "admin");
    let fields = [("owner", "anna"), ("plan", "free"), ("until", "2099-12-31"), ("ip", ""), ("once", "one")];
    for _ in 0..2 {
        assert_eq!(header(&admin.post("/licenses/new", &fields), "Location"), Some("/licenses/3"));
    }
    let unknown = [("owner", "<i>"), ("plan", "free"), ("once", "two")];
    let response = admin.post("/licenses/new", &unknown);
    assert!(response.status == 422 && text(&response).contains("There is no user “&#60;i&#62;”"));
}

#[test]
fn repeated_views_of_a_key_are_recorded_once_an_hour() {
    let site = Site::new("");
    let mut anna = Browser::signed_in(&site, "anna");
    let mut admin = Browser::signed_in(&site, "admin");
    let key = site.change(|transaction| Ok(transaction.license(1)?.unwrap().key.expose().to_owned()));
    let lines = || {
        let history = site.change(|transaction| transaction.history(Some(1), None, 1000));
        history.iter().filter(|event| event.action == Action::KeyShown).count()
    };
    for _ in 0..20 {
        assert!(text(&anna.post("/licenses/1/key", &[])).contains(&key));
    }
    assert_eq!(lines(), 1);
    assert!(text(&admin.post("/licenses/1/key", &[])).contains(&key));
    assert_eq!(lines(), 2, "another user gets a separate entry");
    for (seconds, expected) in [(3599, 2), (3600, 3), (3600, 3)] {
        site.clock.seconds.store(seconds, Ordering::Relaxed);
        assert!(text(&anna.post("/licenses/1/key", &[])).contains(&key));
        assert_eq!(lines(), expected, "after {seconds} s");
    }
}

#[test]
fn cookies_of_an_encrypted_connection_are_secure() {
    let site = Site::new("trusted_proxies=127.0.0.1");
    let mut browser = Browser::new(&site);
    browser.headers = "\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9";
    browser.get("/sign-in");
    let response = browser.post("/sign-in", &[("name", "anna"), ("password", PASSWORD)]);
    let cookie = header(&response, "Set-Cookie").unwrap();
    assert!(cookie.starts_with("__Host-opterius_session=") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(browser.get("/licenses").status, 200);
}

#[test]
fn not_found_is_a_page_for_browsers_and_json_for_programs() {
    let site = Site::new("");
    let mut browser = Browser::new(&site);
    assert!(text(&browser.get("/nowhere")).contains("This page does not exist."));
    let response = site.ask("GET /nowhere HTTP/1.1\r\nHost: localhost", "");
    assert_eq!((response.status, response.content_type), (404, "application/json"));
    let response = browser.post("/licenses", &[]);
    assert_eq!((response.status, header(&response, "Allow")), (405, Some("GET, HEAD")));
    assert_eq!(browser.get("/style.css").content_type, "text/css; charset=utf-8");
    assert_eq!(browser.get("/sign-in?next=%ff").status, 400);
}
