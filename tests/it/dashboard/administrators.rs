//! What administrators do with a license.

use super::*;
use crate::support::SOON;
use opterius_license_server::actions::Change;
use rustix::process::Signal;

/// Opens an action from the page of the license and confirms it.
fn confirm(browser: &Browser, action: &str) {
    click(browser, &format!("#{action}-license"));
    click(browser, "#confirm");
}

/// A date field does not accept typed text; the order of its parts depends on the locale of the browser.
fn set_date(browser: &Browser, date: &str) {
    browser.execute("document.getElementById('until').value = arguments[0]", &[json!(date)]);
}

/// The reason that the license server gives for a denial.
fn reason(server: &LicenseServerProcess, key: &str, address: &str) -> Value {
    server.verify(&json!({"key": key, "server_ip": address})).json()["reason"].clone()
}

#[test]
fn an_administrator_creates_suspends_resumes_and_deletes_a_license() {
    let server = server();
    let browser = Browser::start();
    sign_in(&browser, &server, ADMINISTRATOR);
    assert_eq!(text_of(&browser, "#who"), format!("Administrator {ADMINISTRATOR}"));
    assert_eq!(text_of(&browser, "#empty"), "No licenses yet. Create the first one with “New license”.");
    click(&browser, "#new-license");
    type_into(&browser, "#owner", "mallory");
    choose(&browser, "#plan option[value=free]");
    click(&browser, "#confirm");
    assert_asked_again(&browser, "There is no user “mallory”.");
    type_into(&browser, "#owner", OWNER);
    set_date(&browser, "2020-12-31");
    click(&browser, "#confirm");
    assert_asked_again(&browser, "The end of 2020-12-31 is in the past. To end a license, suspend or cancel it.");
    assert_eq!(browser.find("#until").attribute("value").as_deref(), Some("2020-12-31"));
    assert_eq!(
        browser.find("#plan option[selected]").attribute("value").as_deref(),
        Some("free"),
        "the choice is kept"
    );
    set_date(&browser, "");
    click(&browser, "#confirm");
    assert_path(&browser, "/licenses/1");
    assert_flash(&browser, "License 1 created. The owner can view its key here.");
    assert_eq!([text_of(&browser, "#owner"), text_of(&browser, "#expiry")], [OWNER, "never"]);

    click(&browser, "#show-key-button");
    assert!(eventually(SOON, || !text_of(&browser, "#key").contains('…')), "{}", browser.source());
    let agent = agent(&server, &text_of(&browser, "#key"), SERVERS[0]);
    assert_line(&agent, GRANTED_LINE);

    open(&browser, &server, "/licenses/1");
    click(&browser, "#suspend-license");
    let text = consequences(&browser);
    assert!(text.contains("License of alice with the plan Free; 1 server uses it."), "{text}");
    click(&browser, "#confirm");
    assert_flash(&browser, "License 1 suspended. The change takes effect at each server's next check.");
    assert_eq!(text_of(&browser, "#status"), "suspended");
    agent.signal(Signal::HUP);
    assert_line(&agent, "License: INVALID — License is suspended.");
    confirm(&browser, "resume");
    assert_eq!(text_of(&browser, "#status"), "active");
    assert_active(&agent.reverify().json());
    confirm(&browser, "delete");
    assert_path(&browser, "/licenses");
    assert_flash(&browser, "License 1 deleted. Its history is kept.");
    open(&browser, &server, "/licenses/1");
    assert_eq!((text_of(&browser, "#message").as_str(), browser.status()), ("There is no license 1.", 404));
    assert_restricted(&agent.reverify().json(), "server", "invalid_key");
    click(&browser, "#nav-history");
    assert!(text_of(&browser, "#lines").contains("administrator carol License 1 deleted of alice, plan free, key "));
}

#[test]
fn an_administrator_renews_cancels_locks_and_changes_the_plan() {
    let server = server();
    let license = server.database.license("free");
    let reason = |address| reason(&server, &license.key, address);
    assert_eq!(reason(SERVERS[0]), Value::Null);
    let browser = Browser::start();
    sign_in(&browser, &server, ADMINISTRATOR);
    type_into(&browser, "#q", OWNER);
    click(&browser, "#search-button");
    click(&browser, "#licenses tbody a");

    confirm(&browser, "cancel");
    assert_flash(&browser, "License 1 cancelled. The change takes effect at each server's next check.");
    assert_eq!((text_of(&browser, "#status").as_str(), reason(SERVERS[0])), ("cancelled", json!("cancelled")));
    assert_eq!(browser.find_all("#cancel-license, #suspend-license").len(), 0, "unavailable actions are not offered");
    confirm(&browser, "resume");
    assert_eq!(reason(SERVERS[0]), Value::Null);

    click(&browser, "#renew-license");
    assert_eq!(browser.find("#until").attribute("value").as_deref(), Some(""));
    set_date(&browser, "2020-01-01");
    click(&browser, "#confirm");
    assert_asked_again(&browser, "The end of 2020-01-01 is in the past. To end a license, suspend or cancel it.");
    set_date(&browser, "2099-12-31");
    click(&browser, "#confirm");
    assert_flash(&browser, "License 1 renewed through 2099-12-31 (UTC).");
    assert!(text_of(&browser, "#expiry").starts_with("end of 2099-12-31"));
    let answer = check_in(&server, &license, SERVERS[0]).json();
    assert_eq!(answer["expires_at"], "2100-01-01T00:00:00Z");
    click(&browser, "#renew-license");
    set_date(&browser, "2100-12-31");
    click(&browser, "#confirm");
    assert_asked_again(&browser, "Choose “Until the last day below”, or leave the last day empty.");
    click(&browser, "#back");

    assert_eq!(reason(SERVERS[1]), "server_limit_reached");
    click(&browser, "#plan-license");
    click(&browser, "#confirm");
    assert_asked_again(&browser, "License 1 already has the plan Free.");
    choose(&browser, "#plan option[value=business]");
    click(&browser, "#confirm");
    assert_flash(&browser, "License 1 changed to the plan Business.");
    assert_eq!(reason(SERVERS[1]), Value::Null);
    open(&browser, &server, "/licenses/1");
    assert_eq!([text_of(&browser, "#plan"), text_of(&browser, "#used")], ["Business", "2 of 5"].map(str::to_owned));

    click(&browser, "#lock-license");
    type_into(&browser, "#ip", "203.0.113.0/24");
    click(&browser, "#confirm");
    assert_asked_again(&browser, "This is not an IP address such as 203.0.113.5 or 2001:db8::5.");
    type_into(&browser, "#ip", SERVERS[0]);
    click(&browser, "#confirm");
    assert_flash(&browser, "License 1 locked to 203.0.113.1.");
    assert_eq!((reason(SERVERS[0]), reason(SERVERS[1])), (Value::Null, json!("server_ip_mismatch")));
    click(&browser, "#move-lock");
    assert!(
        consequences(&browser).contains("The slot and the lock of 203.0.113.1 move to the new address immediately.")
    );
    type_into(&browser, "#to", SERVERS[2]);
    click(&browser, "#confirm");
    assert!(text_of(&browser, "#lock").starts_with(SERVERS[2]));
    assert_eq!((reason(SERVERS[2]), reason(SERVERS[0])), (Value::Null, json!("server_ip_mismatch")));
    confirm(&browser, "unlock");
    assert_flash(&browser, "License 1 unlocked. Servers at any address can use it.");
    assert_eq!(reason(SERVERS[0]), Value::Null);
}

#[test]
fn an_administrator_sells_a_trial_and_says_why_a_license_is_suspended() {
    let server = server();
    let mut carol = Visitor::signed_in(&server, ADMINISTRATOR);
    carol.get("/licenses/new");
    let terms = [
        ("owner", OWNER),
        ("plan", "free"),
        ("until", "2099-01-31"),
        ("ip", ""),
        ("trial", "yes"),
        ("reference", "order-7"),
        ("labels", "eu, gold"),
        ("note", "Met at a fair.\r\nCall <again>."),
    ];
    assert_eq!(carol.post("/licenses/new", &terms).header("Location"), Some("/licenses/1"));
    let page = carol.get("/licenses/1").text();
    for wanted in ["id=\"trial\"", "<bdi>order-7</bdi>", ">gold</span>", "Met at a fair.\nCall &#60;again&#62;."] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    let again = [&terms[..], &[("once", "another form")]].concat();
    assert_eq!(carol.post("/licenses/new", &again).status, 422, "the reference belongs to license 1");

    let mut revision = 1;
    let mut change = |action: &str, fields: &[(&str, &str)]| {
        carol.get(&format!("/licenses/1/{action}"));
        let number = revision.to_string();
        let fields = [fields, &[("revision", number.as_str())]].concat();
        let response = carol.post(&format!("/licenses/1/{action}"), &fields);
        assert_eq!(response.status, 303, "{action}: {}", response.text());
        revision += 1;
        carol.get("/licenses/1").text()
    };
    let page = change("renew", &[("add", "P1M"), ("until", "")]);
    assert!(page.contains("end of 2099-02-28"), "one month after the end of January: {page}");
    let page = change("renew", &[("add", "P1Y"), ("until", "")]);
    assert!(page.contains("end of 2100-02-28"), "{page}");
    let page = change("convert", &[]);
    assert!(!page.contains("id=\"trial\"") && !page.contains("convert-license"), "{page}");
    change("suspend", &[("reason", "The invoice of 2099-02-01 is open.")]);
    change("note", &[("note", "Secret of the vendor.")]);
    change("labels", &[("labels", "eu gold2")]);

    let mut owner = Visitor::signed_in(&server, OWNER);
    let page = owner.get("/licenses/1").text();
    assert!(page.contains("Suspended: <bdi>The invoice of"), "the owner is told why: {page}");
    assert!(page.contains("your vendor"), "{page}");
    for hidden in ["Secret of the vendor", "Met at a fair", "gold", ADMINISTRATOR, "operator"] {
        assert!(!page.contains(hidden), "{hidden}: {page}");
    }
}

#[test]
fn an_administrator_cannot_overwrite_the_change_of_another() {
    let server = server();
    let license = server.database.license("free");
    let [first, second] = Browser::start_two();
    for (browser, name) in [(&first, ADMINISTRATOR), (&second, OTHER_ADMINISTRATOR)] {
        sign_in(browser, &server, name);
        open(browser, &server, "/licenses/1");
        click(browser, "#plan-license");
    }
    choose(&first, "#plan option[value=business]");
    choose(&second, "#plan option[value=datacenter]");
    click(&first, "#confirm");
    assert_flash(&first, "License 1 changed to the plan Business.");
    click(&second, "#confirm");
    let stale =
        "This license has changed since you opened the page. Nothing was changed; reload the license and try again.";
    assert_eq!((text_of(&second, "#message").as_str(), second.status()), (stale, 409));
    click(&second, "#back");
    assert_path(&second, "/licenses/1");
    assert_eq!(text_of(&second, "#plan"), "Business");
    let entries = server.database.history_lines(license.id);
    assert_eq!(entries[1..], ["carol plan changed from free to business"], "one change");

    // The same for a deletion, after a change outside the dashboard.
    click(&second, "#delete-license");
    server.database.apply_change(license.id, Change::Suspend);
    click(&second, "#confirm");
    assert_eq!(text_of(&second, "#message"), stale);
    open(&first, &server, "/licenses/1");
    assert_eq!((text_of(&first, "#status").as_str(), first.status()), ("suspended", 200), "the license still exists");
    // After a reload, the change is accepted.
    open(&second, &server, "/licenses/1");
    confirm(&second, "resume");
    assert_eq!(text_of(&second, "#status"), "active");
}
