//! A license server whose clock was set: the history says so and stays in order, and nothing that lives is deleted.

use super::*;

fn stepped(vendor: &TimedVendor) -> Vec<String> {
    let lines = vendor.books.history(None);
    lines.into_iter().filter(|line| line.action == Action::ClockStepped).map(|line| line.detail).collect()
}

#[test]
fn a_clock_that_was_set_is_told_in_the_history_whose_order_stays_true() {
    let vendor = TimedVendor::start();
    let license = vendor.books.license("business");
    let [first, second, third, fourth, ..] = SERVERS;
    assert_granted(&vendor.verify(&question(&license, first)));
    // An hour passes and the clock runs with it: nothing to tell.
    vendor.clock.pass(Duration::from_secs(3600));
    assert_granted(&vendor.verify(&question(&license, second)));
    assert_eq!(stepped(&vendor), [] as [String; 0]);
    vendor.clock.set(BEGINNING.plus(DAY));
    assert_granted(&vendor.verify(&question(&license, third)));
    vendor.clock.set(BEGINNING.minus(DAY));
    assert_granted(&vendor.verify(&question(&license, fourth)));
    let expected = [
        "the clock of the license server was set forward by 82800 s".to_owned(),
        "the clock of the license server was set back by 172800 s".to_owned(),
    ];
    assert_eq!(stepped(&vendor), expected);
    let order: Vec<String> = vendor
        .books
        .history(None)
        .into_iter()
        .filter(|line| matches!(line.action, Action::Activated | Action::ClockStepped))
        .map(|line| line.actor.name)
        .collect();
    assert_eq!(order, [first, second, "clock", third, "clock", fourth]);
    assert_eq!(vendor.books.addresses(license.id), [first, second, third, fourth], "slots go by order, not by time");
}

#[test]
fn a_clock_set_back_takes_no_slot_from_anybody_and_gives_none_twice() {
    let vendor = TimedVendor::start();
    let license = vendor.books.license("free");
    let [first, second, ..] = SERVERS;
    assert_granted(&vendor.verify(&question(&license, first)));
    for wall in [BEGINNING.minus(400 * DAY), BEGINNING, BEGINNING.minus(DAY), BEGINNING.plus(3 * DAY)] {
        vendor.clock.set(wall);
        assert_no_slot(&vendor.verify(&question(&license, second)), 1, 1);
        assert_granted(&vendor.verify(&question(&license, first)));
    }
}

#[test]
fn a_server_seen_in_the_future_does_not_hold_its_slot_until_then() {
    let vendor = TimedVendor::start();
    let license = vendor.books.license("free");
    let [first, second, ..] = SERVERS;
    vendor.clock.set(BEGINNING.plus(4000 * DAY));
    assert_granted(&vendor.verify(&question(&license, first)));
    vendor.clock.set(BEGINNING);
    assert_eq!(vendor.sweep(), 0, "it is brought back, not deleted");
    assert_eq!(vendor.books.activations(license.id)[0].last_seen_at, BEGINNING);
    assert_no_slot(&vendor.verify(&question(&license, second)), 1, 1);
    vendor.clock.pass(7 * DAY);
    assert_granted(&vendor.verify(&question(&license, second)));
}

#[test]
fn a_license_is_judged_by_the_clock_as_it_is() {
    let vendor = TimedVendor::start();
    let end = BEGINNING.plus(DAY);
    let license = vendor.books.license_until("free", Some(end), None);
    let verify = || vendor.verify(&question(&license, SERVERS[0]));
    assert_granted(&verify());
    vendor.clock.set(end.plus(DAY));
    assert_denied(&verify(), "expired", &format!("License expired at {end}."));
    vendor.clock.set(BEGINNING);
    assert_granted(&verify());
    assert_eq!(verify().json()["issued_at"], BEGINNING.to_string());
}
