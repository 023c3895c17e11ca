//! What administrators do with a license.

use super::*;
use opterius_license_server::actions::Change;
use rustix::process::Signal;

/// Opens the page of an action from the page of the license, and confirms.
fn confirm(browser: &Browser, action: &str) {
    click(browser, &format!("#{action}-license"));
    click(browser, "#confirm");
}

/// A date field takes no text from the keyboard, but the parts of a date in the order of the browser's language.
fn set_date(browser: &Browser, date: &str) {
    browser.execute("document.getElementById('until').value = arguments[0]", &[json!(date)]);
}

/// The reason that the license server gives for a denial.
fn reason(server: &LicenseServerProcess, key: &str, address: &str) -> Value {
    server.verify(&json!({"key": key, "server_ip": address})).json()["reason"].clone()
}

#[test]
fn an_administrator_makes_a_license_suspends_it_and_lets_it_be_used_again() {
    let server = server();
    let browser = Browser::start();
    sign_in(&browser, &server, ADMINISTRATOR);
    assert_eq!(text_of(&browser, "#who"), format!("Administrator {ADMINISTRATOR}"));
    assert_eq!(text_of(&browser, "#empty"), "There are no licenses yet. Make the first one with “New license”.");
    click(&browser, "#new-license");
    type_into(&browser, "#owner", "nobody");
    choose(&browser, "#plan option[value=free]");
    click(&browser, "#confirm");
    assert_asked_again(&browser, "There is no user “nobody”.");
    type_into(&browser, "#owner", OWNER);
    set_date(&browser, "2020-12-31");
    click(&browser, "#confirm");
    assert_asked_again(&browser, "The end of 2020-12-31 is in the past. To end a license, suspend or cancel it.");
    assert_eq!(browser.find("#until").attribute("value").as_deref(), Some("2020-12-31"));
    assert_eq!(browser.find("#plan option[selected]").attribute("value").as_deref(), Some("free"), "as chosen before");
    set_date(&browser, "");
    click(&browser, "#confirm");
    assert_path(&browser, "/licenses/1");
    assert_flash(&browser, "License 1 is made. Give its key to its owner, or let them see it here.");
    assert_eq!([text_of(&browser, "#owner"), text_of(&browser, "#expiry")], [OWNER, "never"]);

    click(&browser, "#show-key-button");
    assert!(eventually(PROMPTLY, || !text_of(&browser, "#key").contains('…')), "{}", browser.source());
    let agent = agent(&server, &text_of(&browser, "#key"), SERVERS[0]);
    assert_line(&agent, GRANTED_LINE);

    open(&browser, &server, "/licenses/1");
    click(&browser, "#suspend-license");
    let said = consequences(&browser);
    assert!(said.contains("It is the license of alice with the plan Free; 1 server uses it."), "{said}");
    click(&browser, "#confirm");
    assert_flash(&browser, "License 1 is suspended. Its servers learn of it at their next check.");
    assert_eq!(text_of(&browser, "#status"), "suspended");
    agent.signal(Signal::HUP);
    assert_line(&agent, "License: INVALID — License is suspended.");
    confirm(&browser, "resume");
    assert_eq!(text_of(&browser, "#status"), "active");
    assert_active(&agent.reverify().json());
    confirm(&browser, "delete");
    assert_path(&browser, "/licenses");
    assert_flash(&browser, "License 1 is deleted. Its history stays.");
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
    assert_flash(&browser, "License 1 is cancelled. Its servers learn of it at their next check.");
    assert_eq!((text_of(&browser, "#status").as_str(), reason(SERVERS[0])), ("cancelled", json!("cancelled")));
    assert_eq!(browser.find_all("#cancel-license, #suspend-license").len(), 0, "what makes no sense is not offered");
    confirm(&browser, "resume");
    assert_eq!(reason(SERVERS[0]), Value::Null);

    click(&browser, "#renew-license");
    assert_eq!(browser.find("#until").attribute("value").as_deref(), Some(""));
    set_date(&browser, "2020-01-01");
    click(&browser, "#confirm");
    assert_asked_again(&browser, "The end of 2020-01-01 is in the past. To end a license, suspend or cancel it.");
    set_date(&browser, "2099-12-31");
    click(&browser, "#confirm");
    assert_flash(&browser, "License 1 may be used to the end of 2099-12-31 (UTC) now.");
    assert!(text_of(&browser, "#expiry").starts_with("end of 2099-12-31"));
    let answer = check_in(&server, &license, SERVERS[0]).json();
    assert_eq!(answer["expires_at"], "2100-01-01T00:00:00Z");
    click(&browser, "#renew-license");
    assert_eq!(browser.find("#until").attribute("value").as_deref(), Some("2099-12-31"));
    click(&browser, "#back");

    assert_eq!(reason(SERVERS[1]), "server_limit_reached");
    click(&browser, "#plan-license");
    click(&browser, "#confirm");
    assert_asked_again(&browser, "License 1 has the plan Free already.");
    choose(&browser, "#plan option[value=business]");
    click(&browser, "#confirm");
    assert_flash(&browser, "License 1 has the plan Business now.");
    assert_eq!(reason(SERVERS[1]), Value::Null);
    open(&browser, &server, "/licenses/1");
    assert_eq!([text_of(&browser, "#plan"), text_of(&browser, "#used")], ["Business", "2 of 5"].map(str::to_owned));

    click(&browser, "#lock-license");
    type_into(&browser, "#ip", "203.0.113.0/24");
    click(&browser, "#confirm");
    assert_asked_again(&browser, "This is not an IP address such as 203.0.113.5 or 2001:db8::5.");
    type_into(&browser, "#ip", SERVERS[0]);
    click(&browser, "#confirm");
    assert_flash(&browser, "License 1 is locked to 203.0.113.1 now.");
    assert_eq!((reason(SERVERS[0]), reason(SERVERS[1])), (Value::Null, json!("server_ip_mismatch")));
    click(&browser, "#move-lock");
    assert!(consequences(&browser).contains("goes to the new address at once, and the lock with it."));
    type_into(&browser, "#to", SERVERS[2]);
    click(&browser, "#confirm");
    assert!(text_of(&browser, "#lock").starts_with(SERVERS[2]));
    assert_eq!((reason(SERVERS[2]), reason(SERVERS[0])), (Value::Null, json!("server_ip_mismatch")));
    confirm(&browser, "unlock");
    assert_flash(&browser, "License 1 may be used at any address now.");
    assert_eq!(reason(SERVERS[0]), Value::Null);
}

#[test]
fn of_two_administrators_the_second_overwrites_nothing_of_the_firsts() {
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
    assert_flash(&first, "License 1 has the plan Business now.");
    click(&second, "#confirm");
    let stale = "Somebody else has changed this license since you looked at it. Nothing was done; look at it again.";
    assert_eq!((text_of(&second, "#message").as_str(), second.status()), (stale, 409));
    click(&second, "#back");
    assert_path(&second, "/licenses/1");
    assert_eq!(text_of(&second, "#plan"), "Business");
    let told = server.database.history_lines(license.id);
    assert_eq!(told[1..], ["carol plan changed from free to business"], "one change");

    // The same with what is worse to repeat, and after a change beside the dashboard.
    click(&second, "#delete-license");
    server.database.apply_change(license.id, Change::Suspend);
    click(&second, "#confirm");
    assert_eq!(text_of(&second, "#message"), stale);
    open(&first, &server, "/licenses/1");
    assert_eq!((text_of(&first, "#status").as_str(), first.status()), ("suspended", 200), "it is still there");
    // Whoever looks again may.
    open(&second, &server, "/licenses/1");
    confirm(&second, "resume");
    assert_eq!(text_of(&second, "#status"), "active");
}
