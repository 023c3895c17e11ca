//! The rules over time: taking, keeping, freeing and moving slots.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_server_without_check_ins_for_seven_days_loses_its_slot_and_returns_as_new() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    let [first, second, ..] = SERVERS;
    let verify = |address| server.verify(&question(&license, address));
    assert_granted(&verify(first));
    server.clock.pass(7 * DAY - SECOND);
    assert_no_slot(&verify(second), 1, 1);
    server.clock.pass(SECOND);
    assert_granted(&verify(second));
    assert_no_slot(&verify(first), 1, 1);
    server.clock.pass(7 * DAY);
    assert_granted(&verify(first));
    assert_eq!(server.database.addresses(license.id), [second, first], "a returning server is last in order");
    let expected = [
        "operator created for alice, plan free, expires never".to_owned(),
        format!("{first} activated {first}"),
        format!("{second} activated {second}"),
        format!("{first} activated {first} again, last seen {BEGINNING}"),
    ];
    assert_eq!(server.database.history_lines(license.id), expected);
    let started = server.database.activations(license.id)[1].started_at;
    assert_eq!(started, BEGINNING.plus(14 * DAY));
}

#[test]
fn check_ins_keep_a_slot_and_add_no_history() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    let [first, second, ..] = SERVERS;
    for day in 0..60 {
        assert_granted(&server.verify(&question(&license, first)));
        assert_no_slot(&server.verify(&question(&license, second)), 1, 1);
        // At most one second less than seven days.
        server.clock.pass(if day % 7 == 6 { 7 * DAY - SECOND } else { DAY });
        assert_eq!(server.activation_gc(), 0);
    }
    let activations = server.database.activations(license.id);
    assert_eq!((activations.len(), activations[0].started_at), (1, BEGINNING));
    assert_eq!(server.database.history_lines(license.id).len(), 2, "{:#?}", server.database.history_lines(license.id));
}

#[test]
fn after_thirty_days_without_a_check_in_an_activation_is_deleted_and_its_history_is_kept() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("business");
    let [first, second, ..] = SERVERS;
    assert_granted(&server.verify(&question(&license, first)));
    server.clock.pass(DAY);
    assert_granted(&server.verify(&question(&license, second)));
    server.clock.pass(29 * DAY - SECOND);
    assert_eq!(server.activation_gc(), 0);
    assert_eq!(server.database.addresses(license.id), [first, second]);
    server.clock.pass(SECOND);
    assert_eq!(server.activation_gc(), 1);
    assert_eq!(server.database.addresses(license.id), [second]);
    let history = server.database.history_lines(license.id);
    assert_eq!(history[1], format!("{first} activated {first}"));
    assert_eq!(history.last(), Some(&format!("clock forgotten {first}, last seen {BEGINNING}")));
    assert_eq!(server.activation_gc(), 0, "deleted only once");
}

#[test]
fn a_revoked_slot_is_free_immediately_for_the_next_server() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    let [first, second, ..] = SERVERS;
    let verify = |address| server.verify(&question(&license, address));
    assert_granted(&verify(first));
    assert_no_slot(&verify(second), 1, 1);
    server.database.revoke(license.id, first);
    assert_eq!(server.database.addresses(license.id), [] as [String; 0]);
    assert_granted(&verify(second));
    assert_no_slot(&verify(first), 1, 1);
    server.database.revoke(license.id, second);
    assert_granted(&verify(first));
}

#[test]
fn a_moved_slot_belongs_to_the_new_address() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    let [first, second, third, ..] = SERVERS;
    let verify = |address| server.verify(&question(&license, address));
    assert_granted(&verify(first));
    server.database.move_to(license.id, first, second);
    assert_no_slot(&verify(first), 1, 1);
    assert_granted(&verify(second));
    let moved = server.database.activations(license.id).remove(0);
    assert_eq!((moved.ip, moved.started_at), (ip(second), BEGINNING), "the slot is the same one");
    assert_eq!(
        server.database.history_lines(license.id).last(),
        Some(&format!("operator moved from {first} to {second}"))
    );

    let again = |from, to| {
        server
            .database
            .try_change(|transaction| actions::move_to(transaction, &operator(), license.id, ip(from), ip(to)))
    };
    assert!(matches!(again(first, third), Err(Refusal::NotFound(_))), "the old address has no activation");
    server.database.apply_change(license.id, Change::SetPlan("business".to_owned()));
    assert_granted(&verify(third));
    assert!(matches!(again(second, third), Err(Refusal::Conflict(_))), "both addresses are activated");
    assert_eq!(server.database.addresses(license.id), [second, third]);
}

#[test]
fn a_locked_license_works_only_at_its_address_until_the_lock_is_moved_or_removed() {
    let server = TimedLicenseServer::start();
    let [first, second, ..] = SERVERS;
    let license = server.database.license_until("business", None, Some(first));
    let verify = |address| server.verify(&question(&license, address));
    let mismatch = |locked: &str, asking: &str| {
        format!("License is locked to the IP address {locked}; this server is seen as {asking}.")
    };
    assert_granted(&verify(first));
    assert_denied(&verify(second), "server_ip_mismatch", &mismatch(first, second));
    server.database.move_to(license.id, first, second);
    assert_denied(&verify(first), "server_ip_mismatch", &mismatch(second, first));
    assert_granted(&verify(second));
    server.database.apply_change(license.id, Change::UnlockIp);
    assert_granted(&verify(first));
    server.database.apply_change(license.id, Change::LockIp(ip(first)));
    assert_denied(&verify(second), "server_ip_mismatch", &mismatch(first, second));
}

#[test]
fn an_unlimited_plan_allows_any_number_and_a_downgrade_keeps_the_first_servers() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("datacenter");
    let addresses: Vec<String> = (0..100).map(|number| format!("198.51.100.{number}")).collect();
    let verify = |address: &str| server.verify(&question(&license, address));
    for address in &addresses {
        assert_granted(&verify(address));
        server.clock.pass(SECOND);
    }
    server.database.apply_change(license.id, Change::SetPlan("business".to_owned()));
    for (number, address) in addresses.iter().enumerate() {
        let response = verify(address);
        if number < 5 {
            assert_granted(&response)
        } else {
            assert_no_slot(&response, 100, 5)
        }
        server.clock.pass(SECOND);
    }
    assert_no_slot(&verify("203.0.113.1"), 100, 5);

    // Refused servers are not refreshed, so they are inactive after a week.
    server.clock.pass(6 * DAY);
    addresses[..5].iter().for_each(|address| assert_granted(&verify(address)));
    server.clock.pass(DAY);
    assert_no_slot(&verify(&addresses[99]), 5, 5);
    assert_eq!(server.database.activations(license.id).len(), 100, "inactive activations are kept");

    server.database.apply_change(license.id, Change::SetPlan("datacenter".to_owned()));
    assert_granted(&verify(&addresses[99]));
}

#[test]
fn a_license_expires_at_the_exact_instant_and_is_valid_again_after_a_renewal() {
    let server = TimedLicenseServer::start();
    let end = BEGINNING.plus(DAY);
    let license = server.database.license_until("free", Some(end), None);
    let verify = || server.verify(&question(&license, SERVERS[0]));
    server.clock.pass(DAY - SECOND);
    assert_granted(&verify());
    assert_eq!(verify().json()["expires_at"], end.to_string());
    server.clock.pass(SECOND);
    assert_denied(&verify(), "expired", &format!("License expired at {end}."));
    let later = end.plus(DAY);
    server.database.apply_change(license.id, Change::Renew(Some(later)));
    assert_granted(&verify());
    server.database.apply_change(license.id, Change::Renew(None));
    server.clock.pass(1000 * DAY);
    assert_granted(&verify());
}

#[test]
fn a_change_by_the_vendor_takes_effect_at_the_next_check() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    let verify = || server.verify(&question(&license, SERVERS[0]));
    assert_granted(&verify());
    server.database.apply_change(license.id, Change::Suspend);
    assert_denied(&verify(), "suspended", "License is suspended.");
    server.database.apply_change(license.id, Change::Resume);
    assert_granted(&verify());
    server.database.apply_change(license.id, Change::Cancel);
    assert_denied(&verify(), "cancelled", "License has been cancelled.");
    server.database.apply_change(license.id, Change::Resume);
    assert_granted(&verify());
    server.database.set_plan("free", 0);
    assert_eq!(verify().json()["max_servers"], 0, "a changed plan applies to its licenses");
    let actor = operator();
    let context = ChangeContext { actor: &actor, seen: None };
    server.database.change(|transaction| actions::delete(transaction, &context, license.id));
    assert_denied(&verify(), "invalid_key", "License key is not known.");
    let history = server.database.history_lines(license.id);
    assert!(history.last().unwrap().starts_with("operator deleted of alice, plan free, key "), "{history:#?}");
    assert!(!history.join("\n").contains(&license.key), "the history contains the key: {history:#?}");
}

#[test]
fn a_smaller_plan_says_how_many_licenses_it_puts_over_their_limit_and_asks() {
    let server = LicenseServerProcess::start();
    let licenses: Vec<TestLicense> = (0..4).map(|_| server.database.license("business")).collect();
    for (number, license) in licenses.iter().enumerate() {
        // The first license has one server, the others have 2, 3 and 4.
        for address in &SERVERS[..=number] {
            assert_granted(&server.verify(&question(license, address)));
        }
    }
    let set = |servers: &str, more: &[&str]| {
        let words = ["plan", "set", "business", "--title", "Business", "--max-accounts", "5", "--max-servers", servers];
        let output = server.run(&[&words, more].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let allowed = || {
        let plans: Value = serde_json::from_slice(&server.run(&["plan", "list", "--json"]).stdout).unwrap();
        let business = plans.as_array().unwrap().iter().find(|plan| plan["slug"] == "business").unwrap();
        business["max_servers"].as_u64().unwrap()
    };
    let (code, text) = set("2", &[]);
    assert_eq!((code, allowed()), (Some(1), 5), "{text}");
    assert!(text.contains("2 licenses of this plan have more than 2 active servers"), "{text}");
    assert!(text.contains("not a terminal") && text.contains("--yes"), "{text}");
    let (code, text) = set("3", &["--yes"]);
    assert_eq!((code, allowed()), (Some(0), 3), "{text}");
    assert!(text.contains("1 license of this plan has more than 3 active servers"), "{text}");
    assert_no_slot(&server.verify(&question(&licenses[3], SERVERS[3])), 4, 3);
    // Nothing to ask: the plan grows, or no license is over its limit.
    for servers in ["4", "0", "5"] {
        let (code, text) = set(servers, &[]);
        assert_eq!(code, Some(0), "{servers}: {text}");
        assert!(!text.contains("more than"), "{servers}: {text}");
    }
}
