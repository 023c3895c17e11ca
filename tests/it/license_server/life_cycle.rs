//! The rules as they unfold in time: slots that are taken, kept, freed and moved.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_server_that_is_silent_for_seven_days_frees_its_slot_and_counts_as_new_when_it_returns() {
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
    assert_eq!(server.database.addresses(license.id), [second, first], "whoever returns is the last in the line");
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
fn a_server_that_checks_in_keeps_its_slot_and_leaves_no_line_for_it() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    let [first, second, ..] = SERVERS;
    for day in 0..60 {
        assert_granted(&server.verify(&question(&license, first)));
        assert_no_slot(&server.verify(&question(&license, second)), 1, 1);
        // Six days pass at most, by a little.
        server.clock.pass(if day % 7 == 6 { 7 * DAY - SECOND } else { DAY });
        assert_eq!(server.activation_gc(), 0);
    }
    let activations = server.database.activations(license.id);
    assert_eq!((activations.len(), activations[0].started_at), (1, BEGINNING));
    assert_eq!(server.database.history_lines(license.id).len(), 2, "{:#?}", server.database.history_lines(license.id));
}

#[test]
fn after_thirty_days_without_a_sign_an_activation_is_deleted_and_its_history_stays() {
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
    let told = server.database.history_lines(license.id);
    assert_eq!(told[1], format!("{first} activated {first}"));
    assert_eq!(told.last(), Some(&format!("clock forgotten {first}, last seen {BEGINNING}")));
    assert_eq!(server.activation_gc(), 0, "once");
}

#[test]
fn a_revoked_slot_is_free_at_once_for_whoever_asks_first() {
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
fn a_slot_that_was_moved_belongs_to_the_new_address() {
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
    assert!(matches!(again(first, third), Err(Refusal::NotFound(_))), "nothing is left there");
    server.database.apply_change(license.id, Change::SetPlan("business".to_owned()));
    assert_granted(&verify(third));
    assert!(matches!(again(second, third), Err(Refusal::Conflict(_))), "both are in use");
    assert_eq!(server.database.addresses(license.id), [second, third]);
}

#[test]
fn a_locked_license_is_used_at_its_address_alone_until_the_lock_moves_or_goes() {
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
fn a_plan_without_a_limit_has_none_and_a_smaller_one_keeps_the_first_servers() {
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

    // Whoever is refused is not refreshed, so after a week it no longer counts.
    server.clock.pass(6 * DAY);
    addresses[..5].iter().for_each(|address| assert_granted(&verify(address)));
    server.clock.pass(DAY);
    assert_no_slot(&verify(&addresses[99]), 5, 5);
    assert_eq!(server.database.activations(license.id).len(), 100, "they are still shown");

    server.database.apply_change(license.id, Change::SetPlan("datacenter".to_owned()));
    assert_granted(&verify(&addresses[99]));
}

#[test]
fn a_license_ends_at_its_very_instant_and_lives_again_when_it_is_renewed() {
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
fn what_a_vendor_changes_counts_at_the_next_check() {
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
    assert_eq!(verify().json()["max_servers"], 0, "a plan that changes changes its licenses");
    let actor = operator();
    let doer = ChangeContext { actor: &actor, seen: None };
    server.database.change(|transaction| actions::delete(transaction, &doer, license.id));
    assert_denied(&verify(), "invalid_key", "License key is not known.");
    let told = server.database.history_lines(license.id);
    assert!(told.last().unwrap().starts_with("operator deleted of alice, plan free, key "), "{told:#?}");
    assert!(!told.join("\n").contains(&license.key), "the history has the key: {told:#?}");
}
