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
fn after_a_grant_the_wait_is_a_day_plus_the_hosts_offset() {
    let outcome = granted();
    let after = |expires_at: Option<Duration>| {
        let expires_at = expires_at.map(|after| now().wall.plus(after));
        wait(&Finished { expires_at, ..finished(&outcome, &Standing::Active) }, now())
    };
    let day = hours(24) + Duration::from_secs(120);
    let table = [
        (None, day),
        (Some(hours(1000)), day),
        (Some(hours(73)), day),
        (Some(hours(60)), hours(12)),
        (Some(hours(49)), hours(1)),
        (Some(hours(48)), hours(1)),
        (Some(hours(1)), hours(1)),
        (Some(hours(0)), hours(1)),
    ];
    for (expiry, expected) in table {
        assert_eq!(after(expiry), expected, "{expiry:?}");
    }
}

#[test]
fn after_a_denial_the_wait_is_an_hour() {
    let outcome = Outcome::Denied { reason: "expired".into(), message: String::new(), terms: Terms::default() };
    assert_eq!(wait(&finished(&outcome, &restricted("expired")), now()), hours(1));
}

#[test]
fn failures_back_off_from_five_seconds_to_their_cap() {
    let outcome = failed(None);
    let grace = Standing::Grace { until: now().wall };
    let table = [
        (1, 5, 5),
        (2, 10, 10),
        (3, 20, 20),
        (6, 160, 160),
        (7, 300, 320),
        (10, 300, 2560),
        (11, 300, 3600),
        (1000, 300, 3600),
        (u32::MAX, 300, 3600),
    ];
    for (failures, while_restricted, in_grace) in table {
        let seconds =
            |standing: &Standing| wait(&Finished { failures, ..finished(&outcome, standing) }, now()).as_secs();
        assert_eq!(seconds(&restricted("unreachable")), while_restricted, "{failures}");
        assert_eq!(seconds(&grace), in_grace, "{failures}");
        assert_eq!(seconds(&restricted("suspended")), in_grace, "{failures}");
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
fn retry_after_is_the_minimum_wait_within_the_cap() {
    let grace = Standing::Grace { until: now().wall };
    for (asked, while_restricted, in_grace) in [(0, 5, 5), (60, 60, 60), (900, 300, 900), (1_000_000, 300, 3600)] {
        let outcome = failed(Some(asked));
        assert_eq!(wait(&finished(&outcome, &restricted("unreachable")), now()).as_secs(), while_restricted, "{asked}");
        assert_eq!(wait(&finished(&outcome, &grace), now()).as_secs(), in_grace, "{asked}");
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
fn a_fleet_spreads_over_ten_minutes() {
    let offsets: Vec<Duration> = (0..1000).map(|number| offset(&format!("server {number}"))).collect();
    assert!(offsets.iter().all(|offset| *offset <= MAX_OFFSET));
    let in_first_half = offsets.iter().filter(|offset| **offset < MAX_OFFSET / 2).count();
    assert!((300..700).contains(&in_first_half), "{in_first_half}");
    assert_eq!(offset("server 1"), offset("server 1"));
}
