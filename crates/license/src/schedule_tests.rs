use super::*;
use crate::identity;
use crate::model::Terms;
use crate::outcome::FailureClass;

fn now() -> Now {
    Now { wall: Timestamp::from_unix(1_772_323_200), boot: Duration::from_secs(1000) }
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

fn granted() -> Outcome {
    Outcome::Granted { terms: Terms::default(), message: String::new() }
}

fn failed(retry_after: Option<u64>) -> Outcome {
    let failure = Failure::new(FailureClass::Network, "x");
    Outcome::Inconclusive(Failure { retry_after: retry_after.map(Duration::from_secs), ..failure })
}

fn restricted(reason: &str) -> Standing {
    Standing::Restricted { reason: reason.into(), message: String::new() }
}

fn finished<'a>(outcome: &'a Outcome, standing: &'a Standing) -> Finished<'a> {
    Finished { outcome, standing, expires_at: None, failures: 1, offset: Duration::from_secs(120), random: 1.0 }
}

#[test]
fn after_a_grant_a_host_returns_at_its_own_second_of_the_day() {
    let outcome = granted();
    let after = |own: u64, at: u64| {
        let offset = Duration::from_secs(own);
        let wall = now().wall.plus(Duration::from_secs(at));
        wait(&Finished { offset, ..finished(&outcome, &Standing::Active) }, Now { wall, ..now() }).as_secs()
    };
    // `now` is a midnight.
    let day = 86_400;
    let table = [
        (day / 2, 0, day / 2),
        (day / 2, day / 2, day),
        (day / 2, day / 2 + 3, day - 3),
        (day / 2, day / 2 + 1000, day - 1000),
        // Its second is near: the check that was just made counts for it.
        (day / 2, day / 2 - 1, day + 1),
        (day / 2, day / 2 - 599, day + 599),
        (day / 2, day / 2 - 600, 600),
        (0, day - 1000, 1000),
        (0, 0, day),
        (day - 1, 0, day - 1),
    ];
    for (own, at, expected) in table {
        assert_eq!(after(own, at), expected, "{own} at {at}");
    }
}

#[test]
fn in_the_last_days_before_the_expiry_the_checks_are_hourly() {
    let outcome = granted();
    let after = |expires_at: Duration| {
        let expires_at = Some(now().wall.plus(expires_at));
        wait(&Finished { expires_at, ..finished(&outcome, &Standing::Active) }, now())
    };
    // The host's own second is two minutes past midnight, and past each hour.
    let own = Duration::from_secs(120);
    let table = [
        (hours(1000), hours(24) + own),
        (hours(73), hours(24) + own),
        (hours(60), hours(12) + own),
        (hours(60) + own / 2, hours(12) + own),
        (hours(60) + 2 * own, hours(13) + own),
        (hours(49), hours(1) + own),
        (hours(48), own),
        (hours(1), own),
        (hours(0), own),
    ];
    for (expiry, expected) in table {
        assert_eq!(after(expiry), expected, "{expiry:?}");
    }
}

#[test]
fn after_a_denial_a_host_returns_at_its_own_second_of_the_hour() {
    let outcome = Outcome::Denied { reason: "expired".into(), message: String::new(), terms: Terms::default() };
    let after = |own: u64| {
        let offset = Duration::from_secs(own);
        wait(&Finished { offset, ..finished(&outcome, &restricted("expired")) }, now()).as_secs()
    };
    for (own, expected) in [(0, 3600), (24, 3624), (25, 25), (120, 120), (3599, 3599), (3600 * 7 + 120, 120)] {
        assert_eq!(after(own), expected, "{own}");
    }
}

#[test]
fn failures_back_off_from_five_seconds_while_nothing_works_and_from_ten_minutes_while_all_does() {
    let outcome = failed(None);
    let table = [
        (1, 5, 600),
        (2, 10, 7200),
        (3, 20, 7200),
        (6, 160, 7200),
        (7, 300, 7200),
        (1000, 300, 7200),
        (u32::MAX, 300, 7200),
    ];
    for (failures, while_restricted, in_grace) in table {
        let seconds =
            |standing: &Standing| wait(&Finished { failures, ..finished(&outcome, standing) }, now()).as_secs();
        assert_eq!(seconds(&restricted("unreachable")), while_restricted, "{failures}");
        assert_eq!(seconds(&Standing::Grace { until: now().wall.plus(hours(24)) }), in_grace, "{failures}");
        assert_eq!(seconds(&restricted("suspended")), in_grace.min(3600), "{failures}");
    }
}

#[test]
fn the_checks_become_more_frequent_toward_the_end_of_the_grace_period() {
    let outcome = failed(None);
    let minutes = |minutes: u64| minutes * 60;
    let table = [
        (hours(48).as_secs(), 600, 7200),
        (hours(12).as_secs(), 600, 7200),
        (hours(6).as_secs(), 600, 3600),
        (minutes(60), 600, 600),
        (minutes(48), 480, 480),
        (minutes(20), 300, 300),
        (minutes(5), 300, 300),
        (minutes(4), 240, 240),
        (10, 10, 10),
        (0, 1, 1),
    ];
    for (left, first, later) in table {
        let standing = Standing::Grace { until: now().wall.plus(Duration::from_secs(left)) };
        let after = |failures| wait(&Finished { failures, ..finished(&outcome, &standing) }, now()).as_secs();
        assert_eq!((after(1), after(2)), (first, later), "{left} s left");
    }
}

#[test]
fn full_jitter_never_causes_a_busy_loop() {
    let (outcome, standing) = (failed(None), restricted("unreachable"));
    let with = |random| wait(&Finished { random, failures: 4, ..finished(&outcome, &standing) }, now());
    assert_eq!(with(1.0), Duration::from_secs(40));
    assert_eq!(with(0.5), Duration::from_secs(20));
    assert_eq!(with(0.0), Duration::from_secs(1));
    assert_eq!(with(f64::NAN.max(0.0)), Duration::from_secs(1));
}

#[test]
fn a_random_wait_comes_on_top_of_what_the_server_asks_for() {
    let grace = Standing::Grace { until: now().wall.plus(hours(24)) };
    let after = |asked, standing: &Standing| {
        let outcome = failed(Some(asked));
        [0.0, 1.0].map(|random| wait(&Finished { random, ..finished(&outcome, standing) }, now()).as_secs())
    };
    let table = [
        (0, [1, 5], [1, 600]),
        (60, [60, 120], [60, 660]),
        (900, [300, 600], [900, 1800]),
        (1_000_000, [300, 600], [7200, 14_400]),
    ];
    for (asked, while_restricted, in_grace) in table {
        assert_eq!(after(asked, &restricted("unreachable")), while_restricted, "{asked}");
        assert_eq!(after(asked, &grace), in_grace, "{asked}");
    }
}

#[test]
fn a_check_is_due_after_the_wait_and_around_the_expiry() {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let expiry = now().wall.plus(hours(2));
    let at = |after: Duration| Now { wall: now().wall.plus(after), boot: now().boot + after };
    let daily = |since| Pending { since, wait: hours(24), expires_at: Some(expiry) };
    let table = [
        (daily(now()), at(Duration::ZERO), hours(2)),
        (daily(now()), at(hours(2)), Duration::ZERO),
        (daily(at(hours(2))), at(hours(2)), minutes(1)),
        (daily(at(hours(2) + minutes(1))), at(hours(2) + minutes(1)), minutes(4)),
        (daily(at(hours(2) + minutes(5))), at(hours(2) + minutes(6)), minutes(9)),
        (daily(at(hours(2) + minutes(15))), at(hours(2) + minutes(15)), hours(24)),
        (Pending { since: now(), wait: minutes(10), expires_at: Some(expiry) }, at(minutes(4)), minutes(6)),
        (Pending { since: now(), wait: hours(24), expires_at: None }, at(hours(30)), Duration::ZERO),
    ];
    for (pending, now, expected) in table {
        assert_eq!(due_in(&pending, now), expected, "{pending:?} {now:?}");
    }
}

#[test]
fn setting_the_clock_does_not_change_the_wait() {
    let pending = Pending { since: now(), wait: hours(24), expires_at: None };
    for wall in [0, i64::MAX] {
        let set = Now { wall: Timestamp::from_unix(wall), boot: now().boot + hours(1) };
        assert_eq!(due_in(&pending, set), hours(23));
    }
}

#[test]
fn a_fleet_spreads_over_the_day_and_over_the_hour() {
    let offsets: Vec<u64> =
        (0..24_000).map(|number| offset(&identity::server_id(&format!("{number}"))).as_secs()).collect();
    assert!(offsets.iter().all(|offset| *offset < 86_400));
    for length in [3600, 150] {
        let mut counts = [0; 24];
        for offset in &offsets {
            counts[usize::try_from(offset / length % 24).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
    assert_eq!(offset("server 1"), offset("server 1"));
}
