use super::*;
use crate::model::{Denial, Grant, Terms};
use crate::outcome::FailureClass;

const HOUR: u64 = 3600;
/// When the tests' grant was given: 2026-03-01T00:00:00Z, at 1,000 s of machine time.
const GRANTED_AT: i64 = 1_772_323_200;
const BOOT: &str = "boot-1";

fn grant(expires_after: Option<i64>) -> Grant {
    let expires_at = expires_after.map(|seconds| Timestamp::from_unix(GRANTED_AT + seconds));
    Grant {
        terms: Terms { max_accounts: Some(5), expires_at, ..Terms::default() },
        message: "License is valid.".into(),
        at: Timestamp::from_unix(GRANTED_AT),
    }
}

fn record(verdict: Verdict) -> Record {
    Record::new(verdict, BOOT, later(0, 0), "k".into(), "s".into())
}

fn granted(expires_after: Option<i64>) -> Record {
    record(Verdict::Granted(grant(expires_after)))
}

/// `wall` seconds of wall-clock time and `machine` seconds of machine time after the grant.
fn later(wall: i64, machine: u64) -> Now {
    Now { wall: Timestamp::from_unix(GRANTED_AT + wall), boot: Duration::from_secs(1000 + machine) }
}

fn known(record: &Record, confirmed: bool) -> Evidence<'_> {
    Evidence { has_key: true, record: Some(record), confirmed, failure: None, boot_id: BOOT }
}

fn word(standing: &Standing) -> String {
    match standing {
        Standing::Active => "active".to_owned(),
        Standing::Grace { until } => format!("grace {}", until.unix() - GRANTED_AT),
        Standing::Restricted { reason, .. } => format!("restricted {reason}"),
    }
}

fn at(record: &Record, confirmed: bool, now: Now) -> String {
    word(&standing(&known(record, confirmed), now))
}

#[test]
fn without_a_key_or_a_verdict_the_license_is_restricted() {
    let failure = Failure::new(FailureClass::Network, "connection refused");
    let nothing = Evidence { has_key: true, record: None, confirmed: false, failure: None, boot_id: BOOT };
    let table = [
        (Evidence { has_key: false, ..nothing }, "no_key", "No license key is configured."),
        (nothing, "unreachable", "The license has not been verified yet; the first check is in progress."),
        (
            Evidence { failure: Some(&failure), ..nothing },
            "unreachable",
            "The Agent could not verify the license: connection refused.",
        ),
    ];
    for (known, reason, message) in table {
        assert_eq!(standing(&known, later(0, 0)), restricted(reason, message));
    }
    let record = granted(None);
    let without_key = Evidence { has_key: false, ..known(&record, true) };
    assert_eq!(
        standing(&without_key, later(0, 0)).reason(),
        Some("no_key"),
        "a record without a configured key is ignored"
    );
}

#[test]
fn a_confirmed_grant_is_active_until_the_exact_instant_of_its_expiry() {
    let table = [
        (None, 0, "active"),
        (None, 365 * 24 * 3600, "active"),
        (Some(100), 0, "active"),
        (Some(100), 99, "active"),
        (Some(100), 100, "restricted expired"),
        (Some(100), 101, "restricted expired"),
        (Some(-1), 0, "restricted expired"),
    ];
    for (expiry, seconds, expected) in table {
        let machine = u64::try_from(seconds).unwrap();
        assert_eq!(at(&granted(expiry), true, later(seconds, machine)), expected, "{expiry:?} {seconds}");
    }
}

#[test]
fn grace_ends_exactly_48_hours_after_the_grant() {
    let end = i64::try_from(48 * HOUR).unwrap();
    let table = [
        (0, format!("grace {end}")),
        (24 * 3600, format!("grace {end}")),
        (end - 1, format!("grace {end}")),
        (end, "restricted unreachable".to_owned()),
        (end + 1, "restricted unreachable".to_owned()),
    ];
    for (seconds, expected) in table {
        let machine = u64::try_from(seconds).unwrap();
        assert_eq!(at(&granted(None), false, later(seconds, machine)), expected, "{seconds}");
    }
}

#[test]
fn an_expiry_ends_the_grace_period_early() {
    let record = granted(Some(3600));
    assert_eq!(at(&record, false, later(3599, 3599)), "grace 3600");
    assert_eq!(at(&record, false, later(3600, 3600)), "restricted expired");
}

#[test]
fn no_clock_change_and_no_restart_extends_the_grace_period() {
    let end = i64::try_from(48 * HOUR).unwrap();
    let record = granted(None);
    // The wall clock is set back by ten hours, then by days: machine time still counts.
    assert_eq!(at(&record, false, later(37 * 3600, 47 * HOUR)), format!("grace {}", 38 * 3600));
    assert_eq!(at(&record, false, later(38 * 3600, 48 * HOUR)), "restricted unreachable");
    assert_eq!(at(&record, false, later(1, 48 * HOUR)), "restricted unreachable");
    // The wall clock is set ahead: machine time still counts, and the end moves with the clock.
    assert_eq!(at(&record, false, later(end, 60)), format!("grace {}", 2 * end - 60));
    // A reboot resets machine time; the wall clock and the stored machine time still count.
    let rebooted = Evidence { boot_id: "boot-2", ..known(&record, false) };
    let after_reboot = Now { wall: Timestamp::from_unix(GRANTED_AT + end), boot: Duration::from_secs(5) };
    assert_eq!(word(&standing(&rebooted, after_reboot)), "restricted unreachable");
    let stored = Record { uptime: record.uptime.advance(BOOT, later(0, 47 * HOUR)), ..record.clone() };
    let rebooted = Evidence { boot_id: "boot-2", ..known(&stored, false) };
    let set_back = Now { wall: Timestamp::from_unix(GRANTED_AT), boot: Duration::from_secs(5) };
    assert_eq!(
        word(&standing(&rebooted, set_back)),
        format!("grace {HOUR}"),
        "47 of 48 hours were used before the reboot"
    );
    // A restart of the daemon within one boot: machine time counts from the record's reading.
    assert_eq!(at(&record, false, later(0, 48 * HOUR)), "restricted unreachable");
}

#[test]
fn a_clock_more_than_an_hour_behind_the_last_answer_ends_grace() {
    let record = granted(None);
    assert_eq!(at(&record, false, later(-3600, 0)), format!("grace {}", 48 * 3600 - 3600));
    assert_eq!(at(&record, false, later(-3601, 0)), "restricted unreachable");
    let Standing::Restricted { message, .. } = standing(&known(&record, false), later(-3601, 0)) else { panic!() };
    assert!(message.contains("clock_rolled_back"), "{message}");
    assert_eq!(at(&record, true, later(-3601, 0)), "active", "the next verdict resolves it");
}

#[test]
fn a_denial_stands_whatever_happens_to_the_network_or_the_clock() {
    let denial = Denial {
        reason: "suspended".into(),
        message: "Unpaid.".into(),
        terms: Terms::default(),
        at: Timestamp::from_unix(GRANTED_AT),
        previous: Some(grant(None)),
    };
    let record = record(Verdict::Denied(denial));
    let failure = Failure::new(FailureClass::Network, "connection refused");
    for confirmed in [true, false] {
        for now in [later(0, 0), later(-7200, 0), later(60, 60), later(30 * 24 * 3600, 7)] {
            let known = Evidence { failure: (!confirmed).then_some(&failure), ..known(&record, confirmed) };
            assert_eq!(standing(&known, now), restricted("suspended", "Unpaid."));
        }
    }
}

#[test]
fn the_time_until_the_standing_changes_is_known() {
    let expiring = granted(Some(100));
    let seconds = Duration::from_secs;
    let remaining = |record: &Record, confirmed, now| {
        time_until_change(&standing(&known(record, confirmed), now), &known(record, confirmed), now)
    };
    assert_eq!(remaining(&expiring, true, later(40, 40)), Some(seconds(60)));
    assert_eq!(remaining(&granted(None), true, later(40, 40)), None);
    assert_eq!(remaining(&granted(None), false, later(40, 40)), Some(seconds(48 * HOUR - 40)));
    assert_eq!(remaining(&expiring, false, later(40, 40)), Some(seconds(60)));
    assert_eq!(remaining(&expiring, true, later(100, 100)), None);
}

#[test]
fn every_transition_is_distinguished_from_no_change() {
    let standings = [
        Standing::Active,
        Standing::Grace { until: Timestamp::from_unix(1) },
        restricted("expired", "a"),
        restricted("unreachable", "a"),
    ];
    for (from, one) in standings.iter().enumerate() {
        for (to, other) in standings.iter().enumerate() {
            assert_eq!(one.differs(other), from != to, "{one:?} {other:?}");
        }
    }
    assert!(
        !Standing::Grace { until: Timestamp::from_unix(1) }
            .differs(&Standing::Grace { until: Timestamp::from_unix(2) })
    );
    assert!(
        !restricted("unreachable", "a").differs(&restricted("unreachable", "b")),
        "a different message is not a different standing"
    );
}

/// Runs every sequence of five events and checks the standing against an independent statement of the rules.
#[test]
fn every_sequence_of_events_gives_the_right_standing() {
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Grant,
        Deny,
        Fail,
        Restart,
        Hours(u64),
        SetClockBack,
    }
    let events = [
        Event::Grant,
        Event::Deny,
        Event::Fail,
        Event::Restart,
        Event::Hours(20),
        Event::Hours(30),
        Event::SetClockBack,
    ];
    let count = events.len().pow(5);
    for mut number in 0..count {
        let (mut wall, mut machine) = (0_i64, 0_u64);
        let (mut current, mut confirmed): (Option<Record>, bool) = (None, false);
        let (mut denied, mut granted_at): (bool, Option<u64>) = (false, None);
        let mut walked = Vec::new();
        for _ in 0..5 {
            let event = events[number % events.len()];
            number /= events.len();
            walked.push(event);
            let now = later(wall, machine);
            match event {
                Event::Grant => {
                    let fresh = Grant { at: now.wall, ..grant(None) };
                    current = Some(Record::new(Verdict::Granted(fresh), BOOT, now, "k".into(), "s".into()));
                    (confirmed, denied, granted_at) = (true, false, Some(machine));
                }
                Event::Deny => {
                    let denial = Denial {
                        reason: "suspended".into(),
                        message: String::new(),
                        terms: Terms::default(),
                        at: now.wall,
                        previous: None,
                    };
                    current = Some(Record::new(Verdict::Denied(denial), BOOT, now, "k".into(), "s".into()));
                    (confirmed, denied) = (true, true);
                }
                Event::Fail | Event::Restart => confirmed = false,
                Event::Hours(hours) => {
                    wall += i64::try_from(hours * HOUR).unwrap();
                    machine += hours * HOUR;
                }
                Event::SetClockBack => wall -= 10 * 3600,
            }
            let known = Evidence { has_key: true, record: current.as_ref(), confirmed, failure: None, boot_id: BOOT };
            let standing = standing(&known, later(wall, machine));
            let used = granted_at.map(|at| machine - at);
            if denied {
                assert_eq!(standing.reason(), Some("suspended"), "{walked:?}");
            } else if used.is_none() || (!confirmed && used >= Some(48 * HOUR)) {
                assert!(!standing.is_valid(), "{walked:?}: {standing:?}");
            } else if confirmed {
                assert_eq!(standing, Standing::Active, "{walked:?}");
            }
        }
    }
}
