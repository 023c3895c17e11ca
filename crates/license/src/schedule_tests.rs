use super::*;
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

/// The shortest and the longest wait after this many failures in a row.
fn range(failures: u32, outcome: &Outcome, standing: &Standing) -> [u64; 2] {
    [0.0, 1.0].map(|random| wait(&Finished { failures, random, ..finished(outcome, standing) }, now()).as_secs())
}

fn grace(left: Duration) -> Standing {
    Standing::Grace { until: now().wall.plus(left) }
}

#[test]
fn failures_back_off_from_five_seconds_while_nothing_works_and_from_ten_minutes_while_all_does() {
    let outcome = failed(None);
    let table = [
        (1, [1, 5], [1, 600], [1, 600]),
        (2, [1, 10], [1, 10_800], [1, 3600]),
        (3, [1, 20], [8640, 10_800], [2880, 3600]),
        (6, [1, 160], [8640, 10_800], [2880, 3600]),
        (7, [1, 300], [8640, 10_800], [2880, 3600]),
        (8, [240, 300], [8640, 10_800], [2880, 3600]),
        (1000, [240, 300], [8640, 10_800], [2880, 3600]),
        (u32::MAX, [240, 300], [8640, 10_800], [2880, 3600]),
    ];
    for (failures, while_unreachable, in_grace, after_a_denial) in table {
        let range = |standing: &Standing| range(failures, &outcome, standing);
        assert_eq!(range(&restricted("unreachable")), while_unreachable, "{failures}");
        assert_eq!(range(&grace(hours(24))), in_grace, "{failures}");
        assert_eq!(range(&restricted("suspended")), after_a_denial, "{failures}");
    }
}

#[test]
fn the_checks_become_more_frequent_toward_the_end_of_the_grace_period() {
    let outcome = failed(None);
    let minutes = |minutes: u64| minutes * 60;
    let table = [
        (hours(48).as_secs(), [1, 600], [1, 10_800], [8640, 10_800]),
        (hours(9).as_secs(), [1, 600], [1, 10_800], [8640, 10_800]),
        (hours(6).as_secs(), [1, 600], [1, 7200], [5760, 7200]),
        (minutes(45), [1, 600], [1, 900], [720, 900]),
        (minutes(30), [1, 600], [480, 600], [480, 600]),
        (minutes(10), [1, 300], [240, 300], [240, 300]),
        (minutes(5), [1, 300], [240, 300], [240, 300]),
        (minutes(4), [1, 240], [192, 240], [192, 240]),
        (10, [1, 10], [8, 10], [8, 10]),
        (0, [1, 1], [1, 1], [1, 1]),
    ];
    for (left, first, second, later) in table {
        let after = |failures| range(failures, &outcome, &grace(Duration::from_secs(left)));
        assert_eq!([after(1), after(2), after(3)], [first, second, later], "{left} s left");
    }
}

#[test]
fn no_wait_of_the_grace_period_passes_its_end() {
    for left in [1, 2, 10, 100, 299, 300, 301, 1000, 10_000, 172_800] {
        for asked in [None, Some(1), Some(60), Some(1_000_000)] {
            for failures in [1, 2, 3, 100] {
                let [_, most] = range(failures, &failed(asked), &grace(Duration::from_secs(left)));
                assert!(most <= left, "{left} s left, {asked:?}, {failures} failures: {most} s");
            }
        }
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
fn what_the_server_asks_for_is_the_least_within_the_bound_and_never_the_same_for_all() {
    // Of the first failure and of a later one, each while restricted and in the grace period.
    let table = [
        (0, [[1, 5], [1, 600]], [[240, 300], [8640, 10_800]]),
        (5, [[5, 10], [5, 600]], [[240, 300], [8640, 10_800]]),
        (60, [[60, 120], [60, 600]], [[240, 300], [8640, 10_800]]),
        (200, [[200, 300], [200, 600]], [[240, 300], [8640, 10_800]]),
        (900, [[240, 300], [900, 1800]], [[240, 300], [8640, 10_800]]),
        (9000, [[240, 300], [8640, 10_800]], [[240, 300], [8640, 10_800]]),
        (1_000_000, [[240, 300], [8640, 10_800]], [[240, 300], [8640, 10_800]]),
    ];
    for (asked, first, later) in table {
        let after = |failures| {
            [restricted("unreachable"), grace(hours(24))].map(|at| range(failures, &failed(Some(asked)), &at))
        };
        assert_eq!((after(1), after(10)), (first, later), "{asked}");
    }
}

#[test]
fn an_active_license_is_never_older_than_a_day_and_ten_minutes() {
    let outcome = granted();
    let bound = INTERVAL + Duration::from_secs(600);
    for own in (0..86_400).step_by(997) {
        for started in (0..86_400).step_by(1009) {
            let offset = Duration::from_secs(own);
            let mut at = now().wall.plus(Duration::from_secs(started));
            for check in 0..4 {
                let wait =
                    wait(&Finished { offset, ..finished(&outcome, &Standing::Active) }, Now { wall: at, ..now() });
                // A verification takes up to ten seconds, and a fraction of a second is lost at each step.
                let took = Duration::from_secs(check % 3 * 5);
                assert!(wait + took < bound, "{own} {started}");
                assert!(check == 0 || wait + took >= INTERVAL - Duration::from_secs(10), "{own} {started}: {wait:?}");
                at = at.plus(wait);
                assert_eq!(at.unix().rem_euclid(86_400), i64::try_from(own).unwrap());
                at = at.plus(took);
            }
        }
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
    let offsets: Vec<u64> = (0..24_000).map(|number| offset(&format!("server {number}")).as_secs()).collect();
    assert!(offsets.iter().all(|offset| *offset < 86_400));
    for length in [3600, 150] {
        let mut counts = [0; 24];
        for offset in &offsets {
            counts[usize::try_from(offset / length % 24).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
    assert_eq!(offset("server 1"), offset("server 1"));
    // Clones of one machine, whose host names are alike.
    let clones: Vec<u64> = (1..=24).map(|number| offset(&format!("id web{number}")).as_secs() / 3600).collect();
    let used = (0..24).filter(|hour| clones.contains(hour)).count();
    assert!(used >= 12, "24 clones in {used} hours of the day: {clones:?}");
}
