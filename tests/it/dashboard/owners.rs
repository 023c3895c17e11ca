//! Owners.

use super::*;
use crate::support::SOON;
use std::fs;

#[test]
fn an_owner_signs_in_and_finds_the_server_that_uses_the_license() {
    let server = server();
    let license = server.database.license("free");
    let agent = agent(&server, &license.key, SERVERS[0]);
    assert_line(&agent, GRANTED_LINE);
    let masked = Secret::new(license.key.clone()).masked();

    let browser = Browser::start();
    open(&browser, &server, &format!("/licenses/{}", license.id));
    assert_path(&browser, "/sign-in?next=%2Flicenses%2F1");
    send_sign_in(&browser, OWNER, "correct horse battery stable");
    assert_asked_again(&browser, "Wrong name or password.");
    assert_eq!(browser.find("#name").attribute("value").as_deref(), Some(OWNER));
    assert_eq!(browser.find("#password").attribute("value").unwrap_or_default(), "");
    type_into(&browser, "#password", PASSWORD);
    click(&browser, "#confirm");
    assert_path(&browser, "/licenses/1");
    assert_eq!(text_of(&browser, "#who"), format!("Owner {OWNER}"));

    click(&browser, "#nav-licenses");
    let row = text_of(&browser, &format!("#license-{}", license.id));
    assert!(row.contains(&masked) && row.contains("1 of 1") && row.contains("Free"), "{row}");
    assert!(!browser.source().contains(&license.key), "the key is masked");
    click(&browser, &format!("#license-{} a", license.id));
    assert_path(&browser, "/licenses/1");
    assert_eq!((text_of(&browser, "#status"), text_of(&browser, "#key")), ("active".to_owned(), masked.clone()));
    let row = text_of(&browser, &by_id(&format!("server-{}", SERVERS[0])));
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let version = format!("Agent {}", env!("CARGO_PKG_VERSION"));
    for expected in [SERVERS[0], hostname.trim(), &version, "Linux ", "Active", "just now", "seen as 127.0.0.1"] {
        assert!(row.contains(expected), "{expected}: {row}");
    }
    assert!(!browser.source().contains(&license.key), "the key is masked");
    assert_eq!(browser.find_all("#license-actions").len(), 0, "actions of administrators are not offered");

    click(&browser, "#show-key-button");
    assert!(eventually(SOON, || text_of(&browser, "#key") == license.key), "{}", browser.source());
    assert_eq!(server.database.history_lines(license.id).last().unwrap(), "alice key shown to 127.0.0.1");
    let entries = text_of(&browser, "#lines");
    assert!(entries.contains("owner alice key shown to 127.0.0.1"), "{entries}");
    open(&browser, &server, "/licenses/1");
    assert_eq!(text_of(&browser, "#key"), masked);
}

#[test]
fn an_owner_revokes_a_server_to_free_the_only_slot() {
    let server = server();
    let license = server.database.license("free");
    let first = agent(&server, &license.key, SERVERS[0]);
    assert_line(&first, GRANTED_LINE);
    let second = agent(&server, &license.key, SERVERS[1]);
    let refused = "License is already activated on 1 of 1 allowed servers.";
    assert_line(&second, &format!("License: INVALID — {refused}"));

    let browser = Browser::start();
    sign_in(&browser, &server, OWNER);
    click(&browser, "#licenses tbody a");
    assert_eq!(text_of(&browser, "#used"), "1 of 1");
    click(&browser, &by_id(&format!("revoke-{}", SERVERS[0])));
    assert_path(&browser, &format!("/licenses/1/revoke?ip={}", SERVERS[0]));
    assert_eq!(text_of(&browser, "h1"), format!("Revoke {}", SERVERS[0]));
    let text = consequences(&browser);
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for sentence in [
        format!("{} ({}) loses its slot immediately.", SERVERS[0], hostname.trim()),
        "At its next check, within 24 hours, its Agent is refused and then rejects changes, unless a slot is free \
         again."
            .to_owned(),
        "10 of 10 revocations and moves per 30 days are left.".to_owned(),
    ] {
        assert!(text.contains(&sentence), "{sentence}: {text}");
    }
    click(&browser, "#back");
    assert_path(&browser, "/licenses/1");
    assert_eq!(server.database.addresses(license.id), [SERVERS[0]], "the confirmation page changes nothing");
    click(&browser, &by_id(&format!("revoke-{}", SERVERS[0])));
    click(&browser, "#confirm");
    assert_path(&browser, "/licenses/1");
    assert_flash(&browser, "203.0.113.1 revoked. Its slot on license 1 is free.");
    assert_eq!(text_of(&browser, "#used"), "0 of 1");
    assert!(browser.find("#no-servers").is_displayed());

    assert_active(&second.reverify().json());
    let status = first.reverify().json();
    assert_restricted(&status, "server", "server_limit_reached");
    assert_eq!(status["message"], refused);
    open(&browser, &server, "/licenses/1");
    assert!(browser.find(&by_id(&format!("server-{}", SERVERS[1]))).is_displayed());
    assert_eq!(browser.find_all("#flash").len(), 0, "the message is shown once");
}

#[test]
fn an_owner_moves_the_slot_to_a_new_address_after_mistyping_it() {
    let server = server();
    let license = server.database.license("business");
    check_in(&server, &license, SERVERS[0]);
    check_in(&server, &license, SERVERS[2]);
    let mut moved = agent(&server, &license.key, SERVERS[0]);
    assert_active(&moved.status_after_checks(1));

    let browser = Browser::start();
    sign_in(&browser, &server, OWNER);
    open(&browser, &server, "/licenses/1");
    click(&browser, &by_id(&format!("move-{}", SERVERS[0])));
    let text = consequences(&browser);
    assert!(text.contains(" moves to the new address immediately.") && text.contains("within 24 hours"), "{text}");
    let not_an_address = "This is not an IP address such as 203.0.113.5 or 2001:db8::5.";
    let table = [
        ("web-2.example.com", not_an_address),
        ("203.0.113.256", not_an_address),
        ("<b id=bold>\"'&amp;", not_an_address),
        ("0.0.0.0", "0.0.0.0 cannot be the address of a server: it is the unspecified address."),
        (SERVERS[0], "203.0.113.1 and 203.0.113.1 are the same address."),
        (SERVERS[2], "License 1 is already activated on 203.0.113.3. Revoke one of the two instead."),
    ];
    for (input, sentence) in table {
        type_into(&browser, "#to", input);
        click(&browser, "#confirm");
        assert_asked_again(&browser, sentence);
        assert_eq!(browser.find("#to").attribute("value").as_deref(), Some(input), "the input is kept");
        assert_eq!(browser.find_all("#bold").len(), 0);
    }
    assert_eq!(server.database.addresses(license.id), [SERVERS[0], SERVERS[2]], "nothing was moved");
    type_into(&browser, "#to", "");
    browser.find("#confirm").click();
    assert_path(&browser, "/licenses/1/move");
    assert_eq!(
        server.database.addresses(license.id),
        [SERVERS[0], SERVERS[2]],
        "the browser does not submit an empty field"
    );
    type_into(&browser, "#to", &format!(" {} ", SERVERS[1]));
    click(&browser, "#confirm");
    assert_path(&browser, "/licenses/1");
    assert_flash(&browser, "License 1 moved from 203.0.113.1 to 203.0.113.2.");

    moved.rewrite_config(&[("server_ip", SERVERS[1])]);
    moved.restart();
    assert_active(&moved.status_after_checks(1));
    assert_eq!(server.database.addresses(license.id), [SERVERS[1], SERVERS[2]], "the slot is the same one");
}
