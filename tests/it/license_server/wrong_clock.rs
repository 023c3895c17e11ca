//! Clock steps: the history records them and stays in order, and no live activation is deleted.

use super::*;

fn clock_steps(server: &TimedLicenseServer) -> Vec<String> {
    let lines = server.database.history(None);
    lines.into_iter().filter(|line| line.action == Action::ClockStepped).map(|line| line.detail).collect()
}

#[test]
fn a_clock_step_is_recorded_and_the_history_stays_in_order() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("business");
    let [first, second, third, fourth, ..] = SERVERS;
    assert_granted(&server.verify(&question(&license, first)));
    // An hour passes on both clocks: not a step.
    server.clock.pass(Duration::from_secs(3600));
    assert_granted(&server.verify(&question(&license, second)));
    assert_eq!(clock_steps(&server), [] as [String; 0]);
    server.clock.set(BEGINNING.plus(DAY));
    assert_granted(&server.verify(&question(&license, third)));
    server.clock.set(BEGINNING.minus(DAY));
    assert_granted(&server.verify(&question(&license, fourth)));
    let expected = [
        "the clock of the license server was set forward by 82800 s".to_owned(),
        "the clock of the license server was set back by 172800 s".to_owned(),
    ];
    assert_eq!(clock_steps(&server), expected);
    let order: Vec<String> = server
        .database
        .history(None)
        .into_iter()
        .filter(|line| matches!(line.action, Action::Activated | Action::ClockStepped))
        .map(|line| line.actor.name)
        .collect();
    assert_eq!(order, [first, second, "clock", third, "clock", fourth]);
    assert_eq!(
        server.database.addresses(license.id),
        [first, second, third, fourth],
        "slots depend on order, not on time"
    );
}

#[test]
fn a_clock_step_neither_frees_nor_duplicates_a_slot() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    let [first, second, ..] = SERVERS;
    assert_granted(&server.verify(&question(&license, first)));
    for wall in [BEGINNING.minus(400 * DAY), BEGINNING, BEGINNING.minus(DAY), BEGINNING.plus(3 * DAY)] {
        server.clock.set(wall);
        assert_no_slot(&server.verify(&question(&license, second)), 1, 1);
        assert_granted(&server.verify(&question(&license, first)));
    }
}

#[test]
fn a_check_in_dated_in_the_future_does_not_block_the_slot() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    let [first, second, ..] = SERVERS;
    server.clock.set(BEGINNING.plus(4000 * DAY));
    assert_granted(&server.verify(&question(&license, first)));
    server.clock.set(BEGINNING);
    assert_eq!(server.activation_gc(), 0, "the check-in is corrected, not deleted");
    assert_eq!(server.database.activations(license.id)[0].last_seen_at, BEGINNING);
    assert_no_slot(&server.verify(&question(&license, second)), 1, 1);
    server.clock.pass(7 * DAY);
    assert_granted(&server.verify(&question(&license, second)));
}

#[test]
fn expiry_follows_the_current_clock() {
    let server = TimedLicenseServer::start();
    let end = BEGINNING.plus(DAY);
    let license = server.database.license_until("free", Some(end), None);
    let verify = || server.verify(&question(&license, SERVERS[0]));
    assert_granted(&verify());
    server.clock.set(end.plus(DAY));
    assert_denied(&verify(), "expired", &format!("License expired at {end}."));
    server.clock.set(BEGINNING);
    assert_granted(&verify());
    assert_eq!(verify().json()["issued_at"], BEGINNING.to_string());
}
