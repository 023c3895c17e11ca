use super::testing::{Browser, Site, header, text};
use crate::model::Attempt;

const URL: &str = "https://shop.example.com/hook?token=secret";

fn add(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> (u16, String) {
    let page = text(&browser.get("/webhooks/new"));
    let once = page.split("name=\"once\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let response = browser.post("/webhooks/new", &[fields, &[("once", &once)]].concat());
    (response.status, text(&response))
}

#[test]
fn an_administrator_adds_tests_replays_and_removes_a_webhook() {
    let site = Site::new("");
    let mut browser = Browser::signed_in(&site, "admin");
    assert!(text(&browser.get("/webhooks")).contains("No webhooks."));
    for (fields, expected) in [
        ([("url", "https://127.0.0.1/"), ("events", "")], "webhook_private_targets=yes"),
        ([("url", "http://shop.example.com/"), ("events", "")], "must begin with https://"),
        ([("url", URL), ("events", "license.creatd")], "is no type of event"),
    ] {
        let (status, page) = add(&mut browser, &fields);
        assert!(status == 422 && page.contains(expected), "{page}");
    }
    let (status, page) = add(&mut browser, &[("url", URL), ("events", "license.suspended, server.refused")]);
    let secret = page.split("id=\"secret\" class=\"key\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(status == 200 && secret.starts_with("whsec_") && secret.len() == 70, "{page}");
    let page = text(&browser.get("/webhooks/1"));
    assert!(page.contains("license.suspended, server.refused") && !page.contains(&secret), "{page}");

    let response = browser.post("/webhooks/1/test", &[]);
    assert_eq!((response.status, header(&response, "Location")), (303, Some("/webhooks/1")));
    let page = text(&browser.get("/webhooks/1"));
    let event = page.split("name=\"event\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    site.change(|transaction| {
        let answer = "<script>alert(1)</script>".to_owned();
        let attempt = Attempt { is_accepted: false, status: Some(500), answer, next_at: None };
        transaction.record_attempt(1, 1, &attempt)
    });
    let page = text(&browser.get("/webhooks/1"));
    assert!(page.contains("given up") && page.contains("500 ") && !page.contains("<script>"), "{page}");
    assert_eq!(browser.post("/webhooks/1/replay", &[("event", &event)]).status, 303);
    assert!(text(&browser.get("/webhooks/1")).contains("with the same id"));
    assert_eq!(browser.post("/webhooks/1/replay", &[("event", "evt_x")]).status, 404);

    assert!(text(&browser.get("/webhooks/1/rotate")).contains("both secrets"));
    let page = text(&browser.post("/webhooks/1/rotate", &[]));
    assert!(page.contains("whsec_") && !page.contains(&secret), "{page}");
    assert!(text(&browser.get("/webhooks/1/remove")).contains("class=\"danger\""));
    assert_eq!(header(&browser.post("/webhooks/1/remove", &[]), "Location"), Some("/webhooks"));
    assert_eq!(browser.get("/webhooks/1").status, 404);
    let history = text(&browser.get("/history"));
    for action in ["webhook added", "webhook secret changed", "webhook removed"] {
        assert!(history.contains(action), "{action}");
    }
    assert!(!history.contains("token=secret"), "the URL may be a secret");
}

#[test]
fn webhooks_do_not_exist_for_owners() {
    let site = Site::new("");
    assert_eq!(add(&mut Browser::signed_in(&site, "admin"), &[("url", URL)]).0, 200);
    let mut browser = Browser::signed_in(&site, "anna");
    for path in ["/webhooks", "/webhooks/new", "/webhooks/1", "/webhooks/1/remove"] {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
    for path in ["/webhooks/new", "/webhooks/1/test", "/webhooks/1/replay", "/webhooks/1/rotate", "/webhooks/1/remove"]
    {
        assert_eq!(browser.post(path, &[("url", URL)]).status, 404, "{path}");
    }
    assert!(!text(&browser.get("/licenses")).contains("/webhooks"));
    assert_eq!(Browser::signed_in(&site, "admin").get("/webhooks/1").status, 200);
}
