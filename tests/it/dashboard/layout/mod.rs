//! The layout of all pages on desktop and phone screens, light and dark. If `OPTERIUS_SCREENSHOTS` names a directory,
//! screenshots of all pages are saved there.

mod population;
mod secrets;

use self::population::{add_huge_figures, populate};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fs;
use std::path::PathBuf;

/// The script that returns layout problems of the current page, as sentences.
const INSPECT: &str = include_str!("../../support/inspect.js");

/// The script that returns what does not fit the width of the current page, as sentences.
const SWEEP: &str = include_str!("../../support/sweep.js");

/// Name of the screenshot, and path of the page.
const OWNERS: [(&str, &str); 12] = [
    ("licenses", "/licenses"),
    ("license", "/licenses/1"),
    ("license-suspended", "/licenses/2"),
    ("revoke", "/licenses/1/revoke?ip=203.0.113.2"),
    ("move", "/licenses/1/move?ip=203.0.113.3"),
    ("password", "/password"),
    ("account", "/account"),
    ("second-factor", "/second-factor"),
    ("not-found", "/licenses/99"),
    ("move-here", "/licenses/1/move-here?ip=2001:db8:1234:5678:9abc:def0:1234:9999"),
    ("unblock", "/licenses/1/unblock?ip=2001:db8:1234:5678:9abc:def0:1234:8888"),
    ("api-reference", "/api/v1/docs"),
];

const ADMINISTRATORS: [(&str, &str); 31] = [
    ("overview", "/overview"),
    ("admin-licenses", "/licenses"),
    ("admin-search", "/licenses?q=nothing"),
    ("admin-filters", "/licenses?plan=datacenter&q=203.0.113.1&sort=expiry"),
    ("admin-bulk", "/licenses/bulk?action=suspend&l1=1&l2=1&l4=1"),
    ("admin-bulk-plan", "/licenses/bulk?action=plan&all=1&preview=1&to_plan=free"),
    ("admin-bulk-renew", "/licenses/bulk?action=renew&l1=1"),
    ("admin-license-crowded", "/licenses/4"),
    ("convert", "/licenses/4/convert"),
    ("reference", "/licenses/4/reference"),
    ("labels", "/licenses/4/labels"),
    ("note", "/licenses/4/note"),
    ("admin-license", "/licenses/1"),
    ("admin-license-locked", "/licenses/2"),
    ("new-license", "/licenses/new"),
    ("plans", "/plans"),
    ("history", "/history"),
    ("webhooks", "/webhooks"),
    ("webhook", "/webhooks/1"),
    ("new-webhook", "/webhooks/new"),
    ("remove-webhook", "/webhooks/1/remove"),
    ("suspend", "/licenses/1/suspend"),
    ("resume", "/licenses/2/resume"),
    ("cancel", "/licenses/1/cancel"),
    ("renew", "/licenses/1/renew"),
    ("plan", "/licenses/1/plan"),
    ("lock", "/licenses/1/lock"),
    ("unlock", "/licenses/2/unlock"),
    ("delete", "/licenses/1/delete"),
    ("move-lock", "/licenses/2/move?ip=2001:db8:1234:5678:9abc:def0:1234:5678"),
    ("refused", "/licenses/1/revoke?ip=203.0.113.9"),
];

/// Inspects the current page in all sizes and color schemes.
pub(crate) fn look(browser: &Browser, name: &str) {
    // On phones, scroll bars take no space.
    browser.command("Emulation.setScrollbarsHidden", &json!({"hidden": true}));
    for (width, height) in [(1280, 800), (768, 900), (320, 720)] {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.command("Emulation.setDeviceMetricsOverride", &size);
        for scheme in ["light", "dark"] {
            // Without transitions, so that colors are final.
            let media = json!({"features": [
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ]});
            browser.command("Emulation.setEmulatedMedia", &media);
            assert_eq!(browser.execute("return innerWidth", &[]), width);
            picture(browser, &format!("{name}-{width}-{scheme}.png"));
            assert_eq!(browser.execute(INSPECT, &[]), json!([]), "{name} at {width}, {scheme}");
        }
    }
    sweep(browser, name);
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|line| line.contains("status of 4")), "{name}: {complaints:#?}");
}

/// Resizes the current page from the width of a small phone to that of a desktop, in both color schemes: it is never wider
/// than the screen, and no address or date is broken in two.
fn sweep(browser: &Browser, name: &str) {
    for scheme in ["light", "dark"] {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.command("Emulation.setEmulatedMedia", &media);
        for width in (320..=1300).step_by(30) {
            let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
            browser.command("Emulation.setDeviceMetricsOverride", &size);
            assert_eq!(browser.execute(SWEEP, &[]), json!([]), "{name} at {width}, {scheme}");
        }
    }
}

/// Saves a screenshot of the whole page.
fn picture(browser: &Browser, name: &str) {
    let Some(directory) = std::env::var_os("OPTERIUS_SCREENSHOTS") else { return };
    let parameters = json!({"format": "png", "captureBeyondViewport": true});
    let picture = browser.command("Page.captureScreenshot", &parameters)["data"].as_str().unwrap().to_owned();
    fs::write(PathBuf::from(directory).join(name), BASE64.decode(picture).unwrap()).unwrap();
}

#[test]
fn the_pages_of_owners_fit_every_screen_in_light_and_dark() {
    let server = server();
    populate(&server);
    let browser = Browser::start();
    inspector_finds_problems(&browser);
    open(&browser, &server, "/sign-in");
    look(&browser, "sign-in");
    send_sign_in(&browser, OWNER, "wrong");
    assert!(browser.find("#error").is_displayed());
    look(&browser, "sign-in-refused");
    sign_in(&browser, &server, OTHER_OWNER);
    look(&browser, "licenses-none");
    click(&browser, "#sign-out-button");
    sign_in(&browser, &server, OWNER);
    pages(&browser, &server, &OWNERS);
    open(&browser, &server, OWNERS[4].1);
    type_into(&browser, "#to", "nowhere");
    click(&browser, "#confirm");
    assert!(browser.find("#error").is_displayed());
    look(&browser, "move-refused");
    open(&browser, &server, "/licenses/1");
    click(&browser, "#show-key-button");
    assert!(browser.find("#key + .hint").is_displayed());
    look(&browser, "license-key");
    open(&browser, &server, OWNERS[3].1);
    click(&browser, "#confirm");
    assert!(browser.find("#flash").is_displayed());
    look(&browser, "license-flash");
}

#[test]
fn the_pages_of_administrators_fit_every_screen_in_light_and_dark() {
    let server = server();
    populate(&server);
    let browser = Browser::start();
    sign_in(&browser, &server, ADMINISTRATOR);
    add_huge_figures(&server.database);
    open(&browser, &server, "/overview?huge");
    choose(&browser, "#days-details summary");
    look(&browser, "overview-huge");
    pages(&browser, &server, &ADMINISTRATORS);
    browser.command(
        "Emulation.setDeviceMetricsOverride",
        &json!({"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": false}),
    );
    let tops = "return new Set([...document.querySelectorAll('.top > *')].map((part) => part.offsetTop >> 5)).size";
    assert_eq!(browser.execute(tops, &[]), 1, "the header of an administrator has one line");
}

fn pages(browser: &Browser, server: &LicenseServerProcess, pages: &[(&str, &str)]) {
    for (name, path) in pages {
        open(browser, server, path);
        assert!(browser.find("main h1").is_displayed(), "{name}");
        look(browser, name);
    }
}

/// Verifies that the inspector finds known problems.
fn inspector_finds_problems(browser: &Browser) {
    let page = |body: &str| {
        format!("data:text/html,<!doctype html><body style='background:white;color:black'><main>{body}</main>")
    };
    let table = [
        ("fine <a href=x>link</a> <label>name <input></label>", 0),
        ("<p style='color:rgb(150,150,150)'>pale", 1),
        ("<div style='background:black'><p style='color:rgb(90,90,90)'>dark on dark", 1),
        ("<div style='background:rgba(0,0,0,.5)'><p style='color:rgb(90,90,90)'>on half black", 1),
        ("<p style='width:3000px'>wide", 1),
        ("<input>", 1),
        ("<select><option>one</select>", 1),
        ("<button></button>", 1),
        ("<p style='position:absolute;left:-9em;color:rgb(150,150,150)'>out of sight", 0),
    ];
    for (body, count) in table {
        browser.open(&page(body));
        let found = browser.execute(INSPECT, &[]);
        assert_eq!(found.as_array().unwrap().len(), count, "{body}: {found}");
    }
}
