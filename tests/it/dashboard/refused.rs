//! Refused servers on the page of their license: each link helps.

use super::visitor::Visitor;
use super::*;
use crate::support::SOON;
use opterius_license_server::actions::Change;

/// A server that was refused, after another took the only slot.
fn with_refused_server(renew_url: bool) -> (LicenseServerProcess, TestLicense) {
    let builder = LicenseServerProcess::builder();
    let server = if renew_url { builder.set("renew_url", "https://shop.example.com/renew") } else { builder }.start();
    add_users(&server.database);
    let license = server.database.license("free");
    assert_eq!(check_in(&server, &license, SERVERS[0]).status, 200);
    refuse(&server, &license, SERVERS[1]);
    (server, license)
}

/// A check that is refused, and remembered.
fn refuse(server: &LicenseServerProcess, license: &TestLicense, address: &str) {
    let question = json!({"key": license.key, "server_ip": address, "hostname": "web-2.example.com"});
    assert_eq!(server.verify(&question).status, 403);
    let is_stored = || server.database.refused(license.id).iter().any(|server| server.ip.to_string() == address);
    assert!(eventually(SOON, is_stored));
}

fn row(address: &str) -> String {
    by_id(&format!("refused-{address}"))
}

#[test]
fn an_owner_moves_a_slot_to_the_refused_server() {
    let (server, license) = with_refused_server(false);
    let browser = Browser::start();
    sign_in(&browser, &server, OWNER);
    open(&browser, &server, "/licenses/1");
    let text = text_of(&browser, &row(SERVERS[1]));
    for expected in [
        SERVERS[1],
        "web-2.example.com",
        "License is already activated on 1 of 1 allowed servers.",
        "just now",
        "Move a slot here",
        "Revoke another",
        "Ask your vendor for a plan with more servers.",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    click(&browser, &by_id(&format!("move-here-{}", SERVERS[1])));
    assert_path(&browser, &format!("/licenses/1/move-here?ip={}", SERVERS[1]));
    assert_eq!(text_of(&browser, "h1"), format!("Move a slot to {}", SERVERS[1]));
    assert!(text_of(&browser, "#from").contains(SERVERS[0]), "{}", text_of(&browser, "#from"));
    click(&browser, "#confirm");
    assert_flash(&browser, &format!("License 1 moved from {} to {}.", SERVERS[0], SERVERS[1]));
    assert!(text_of(&browser, &row(SERVERS[1])).contains("it is granted at its next check"));
    assert_eq!(check_in(&server, &license, SERVERS[1]).status, 200);
    open(&browser, &server, "/licenses/1");
    assert_eq!(browser.find_all("#refused-servers").len(), 0);
}

#[test]
fn an_administrator_resumes_and_upgrades_from_the_row() {
    let (server, license) = with_refused_server(true);
    server.database.apply_change(license.id, Change::Suspend);
    let browser = Browser::start();
    sign_in(&browser, &server, ADMINISTRATOR);
    open(&browser, &server, "/licenses/1");
    click(&browser, &by_id(&format!("resume-{}", SERVERS[1])));
    assert_path(&browser, "/licenses/1/resume");
    click(&browser, "#confirm");
    assert_path(&browser, "/licenses/1");
    assert_eq!(browser.find_all(&by_id(&format!("resume-{}", SERVERS[1]))).len(), 0);
    click(&browser, &by_id(&format!("upgrade-{}", SERVERS[1])));
    assert_path(&browser, "/licenses/1/plan");
    choose(&browser, "#plan option[value=business]");
    click(&browser, "#confirm");
    assert_path(&browser, "/licenses/1");
    assert!(text_of(&browser, &row(SERVERS[1])).contains("it is granted at its next check"));
    assert_eq!(check_in(&server, &license, SERVERS[1]).status, 200);
}

#[test]
fn a_lock_moves_to_the_refused_server_with_the_address_filled_in() {
    let (server, license) = with_refused_server(true);
    server.database.apply_change(license.id, Change::LockIp(SERVERS[0].parse().unwrap()));
    refuse(&server, &license, SERVERS[2]);
    let browser = Browser::start();
    sign_in(&browser, &server, OWNER);
    open(&browser, &server, "/licenses/1");
    click(&browser, &by_id(&format!("move-lock-{}", SERVERS[2])));
    assert_eq!(browser.find("#to").attribute("value").as_deref(), Some(SERVERS[2]));
    click(&browser, "#confirm");
    assert_flash(&browser, &format!("License 1 moved from {} to {}.", SERVERS[0], SERVERS[2]));
    assert_eq!(check_in(&server, &license, SERVERS[2]).status, 200);
}

#[test]
fn a_revoked_server_is_kept_out_and_let_in_again() {
    let (server, license) = with_refused_server(true);
    let browser = Browser::start();
    sign_in(&browser, &server, OWNER);
    open(&browser, &server, "/licenses/1");
    click(&browser, &by_id(&format!("revoke-{}", SERVERS[0])));
    choose(&browser, "#block option[value='7d']");
    click(&browser, "#confirm");
    assert_path(&browser, "/licenses/1");
    assert!(text_of(&browser, "#flash").starts_with("203.0.113.1 revoked and kept out until "));
    assert_eq!(check_in(&server, &license, SERVERS[0]).json()["reason"], "server_ip_mismatch");
    assert_eq!(check_in(&server, &license, SERVERS[1]).status, 200, "the other server takes the slot");
    refuse(&server, &license, SERVERS[0]);
    open(&browser, &server, "/licenses/1");
    assert!(text_of(&browser, &by_id(&format!("blocked-{}", SERVERS[0]))).contains(" days"), "{}", browser.source());
    click(&browser, &by_id(&format!("unblock-{}", SERVERS[0])));
    click(&browser, "#confirm");
    assert_path(&browser, "/licenses/1");
    assert_eq!(browser.find_all("#blocks").len(), 0);
    assert_eq!(server.database.history_lines(license.id).last().unwrap(), "alice unblocked 203.0.113.1");
    assert_eq!(check_in(&server, &license, SERVERS[0]).json()["reason"], "server_limit_reached");
}

/// The page of a license with refused servers is another owner's secret, and its actions are.
#[test]
fn another_owner_sees_no_refused_server() {
    let (server, license) = with_refused_server(true);
    server.database.keep_out(license.id, SERVERS[1], std::time::Duration::from_secs(86_400));
    let mut bob = Visitor::signed_in(&server, OTHER_OWNER);
    for (action, address) in [("move-here", SERVERS[1]), ("unblock", SERVERS[1])] {
        let path = format!("/licenses/1/{action}?ip={address}");
        assert_eq!(bob.get(&path).status, 404, "{path}");
        let fields = [("ip", address), ("from", SERVERS[0])];
        assert_eq!(bob.post(&format!("/licenses/1/{action}"), &fields).status, 404, "{path}");
    }
    assert_eq!(server.database.addresses(license.id), [SERVERS[0]]);
}

#[test]
fn a_lock_warns_of_an_address_that_is_private_and_of_one_that_is_kept_out_wherever_it_is_entered() {
    let (server, license) = with_refused_server(false);
    let mut carol = Visitor::signed_in(&server, ADMINISTRATOR);
    let run = |words: &[&str]| {
        let output = server.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    // On the command line, the warning does not go into the JSON.
    let create = ["license", "create", "--owner", OWNER, "--plan", "free", "--lock-ip"];
    for (ip, warns) in [("192.168.1.5", true), ("fd00::5", true), ("203.0.113.77", false)] {
        let [created, warning] = run(&[&create[..], &[ip, "--json"]].concat());
        assert_eq!(warning.contains(&format!("Warning: {ip} is a private address.")), warns, "{warning}");
        assert_eq!(serde_json::from_str::<Value>(&created).unwrap()["lock_ip"], ip);
        carol.get("/licenses/new");
        let fields = [("owner", OWNER), ("plan", "free"), ("until", ""), ("ip", ip), ("once", ip)];
        let page = carol.post("/licenses/new", &fields).header("Location").unwrap().to_owned();
        let page = carol.get(&page).text();
        assert!(page.contains("created. The owner can view its key here."), "{page}");
        assert_eq!(page.contains("is a private address."), warns, "{ip}: {page}");
    }

    server.database.keep_out(license.id, SERVERS[1], std::time::Duration::from_secs(7 * 86_400));
    let [locked, _] = run(&["license", "lock-ip", "1", SERVERS[1]]);
    let warning = format!("Warning: license 1 keeps {} out until 20", SERVERS[1]);
    assert!(locked.contains(&warning) && locked.contains("Unblock 203.0.113.2 to let it in."), "{locked}");
    assert_eq!(check_in(&server, &license, SERVERS[1]).json()["valid"], false, "as the warning says");
    let lock = |visitor: &mut Visitor<'_>, ip: &str| {
        let page = visitor.get("/licenses/1/lock").text();
        let revision = page.split("name=\"revision\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let response = visitor.post("/licenses/1/lock", &[("ip", ip), ("revision", &revision)]);
        assert_eq!(response.status, 303, "{}", response.text());
        visitor.get("/licenses/1").text().replace("<span class=\"ip\">", "").replace("</span>", "")
    };
    run(&["license", "unlock-ip", "1"]);
    let page = lock(&mut carol, SERVERS[1]);
    assert!(page.contains(&warning), "{page}");
    run(&["license", "unlock-ip", "1"]);
    assert!(!lock(&mut carol, SERVERS[0]).contains("Warning"), "another address is not kept out");
    run(&["license", "unlock-ip", "1"]);
    run(&["license", "unblock", "1", SERVERS[1]]);
    assert!(!lock(&mut carol, SERVERS[1]).contains("Warning"), "not kept out any more");
    run(&["license", "revoke", "1", SERVERS[0]]);
    assert_eq!(check_in(&server, &license, SERVERS[1]).json()["valid"], true);
}
