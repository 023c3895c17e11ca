use super::*;
use crate::model::{Grant, Terms, Uptime, Verdict};
use crate::reason::EXPIRED;
use crate::standing::{Evidence, Standing, standing};

/// The true time of arrival: 2026-03-01T00:00:00Z, at 1,000 s of machine time.
const ARRIVAL: i64 = 1_772_323_200;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// From 1970 until the arrival: what a clock without a battery is behind.
const SINCE_1970: i64 = ARRIVAL;

/// A life of the machine after the arrival.
#[derive(Clone, Copy, Debug)]
enum Life {
    SameBoot,
    Rebooted,
    /// It was off for a day, and machine time missed that day.
    OffForADay,
}

/// What this server's clock and the license server's are ahead by, in seconds.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    /// This server's, when the grant arrived.
    arrival: i64,
    /// This server's, ever since.
    later: i64,
    /// The license server's; `None` if its answer had no date, so that the arrival counts.
    server: Option<i64>,
}

fn unsigned(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap()
}

fn record(offsets: Offsets, expires_at: Option<i64>) -> Record {
    let wall = Timestamp::from_unix(ARRIVAL + offsets.arrival);
    let at = offsets.server.map_or(wall, |server| Timestamp::from_unix(ARRIVAL + server));
    let terms = Terms { max_accounts: Some(5), expires_at: expires_at.map(Timestamp::from_unix), ..Terms::default() };
    let verdict = Verdict::Granted(Grant { terms, message: String::new(), at });
    Record::new(verdict, "boot-1", Now { wall, boot: Duration::from_secs(1000) }, "k".into(), "s".into())
}

/// The record, boot ID and clocks `passed` true seconds after the arrival.
fn after(passed: i64, life: Life, offsets: Offsets, expires_at: Option<i64>) -> (Record, &'static str, Now) {
    let record = record(offsets, expires_at);
    let wall = Timestamp::from_unix(ARRIVAL + passed + offsets.later);
    let (boot_id, stored, boot) = match life {
        Life::SameBoot => return (record, "boot-1", Now { wall, boot: Duration::from_secs(1000 + unsigned(passed)) }),
        Life::Rebooted => ("boot-2", Duration::ZERO, passed),
        Life::OffForADay => ("boot-2", Duration::ZERO, passed - DAY),
    };
    let uptime = Uptime { boot_id: boot_id.into(), reading: Duration::from_secs(0), used: stored };
    (Record { uptime, ..record }, boot_id, Now { wall, boot: Duration::from_secs(unsigned(boot)) })
}

fn unconfirmed(passed: i64, life: Life, offsets: Offsets) -> Standing {
    let (record, boot_id, now) = after(passed, life, offsets, None);
    let evidence = Evidence { has_key: true, record: Some(&record), confirmed: false, failure: None, boot_id };
    standing(&evidence, now)
}

/// After how many true hours the grace period ends; it must end at an exact second, and only once.
fn grace_hours(life: Life, offsets: Offsets) -> i64 {
    let first = if matches!(life, Life::OffForADay) { DAY } else { 0 };
    let valid = |passed| unconfirmed(passed, life, offsets).is_valid();
    let hours = (first / HOUR..200).find(|hours| !valid(hours * HOUR)).unwrap();
    assert!(hours * HOUR == first || valid(hours * HOUR - 1), "{life:?} {offsets:?}: it ends before {hours} h");
    assert!((hours..200).all(|hours| !valid(hours * HOUR)), "{life:?} {offsets:?}: it returns after {hours} h");
    hours
}

#[test]
fn a_clock_that_is_wrong_neither_ends_nor_extends_the_grace_period() {
    const OURS: [i64; 7] = [0, 3 * HOUR, -3 * HOUR, 49 * HOUR, -49 * HOUR, 3650 * DAY, -SINCE_1970];
    const SERVERS: [Option<i64>; 8] = [
        None,
        Some(0),
        Some(3 * HOUR),
        Some(-3 * HOUR),
        Some(40 * HOUR),
        Some(-40 * HOUR),
        Some(49 * HOUR),
        Some(-49 * HOUR),
    ];
    for ours in OURS {
        for server in SERVERS {
            // Wrong or right, it stays as it is.
            let offsets = Offsets { arrival: ours, later: ours, server };
            for life in [Life::SameBoot, Life::Rebooted] {
                assert_eq!(grace_hours(life, offsets), 48, "{life:?} {offsets:?}");
            }
            // The day without power counts as far as both anchors prove it: not the part by which the license server's
            // clock was ahead of this one.
            let ahead = server.map_or(0, |server| (server - ours).max(0));
            assert_eq!(grace_hours(Life::OffForADay, offsets), 72.min(48 + ahead / HOUR), "{offsets:?}");
        }
        // This server's clock is put right after the arrival.
        let offsets = Offsets { arrival: ours, later: 0, server: Some(0) };
        for life in [Life::SameBoot, Life::Rebooted] {
            assert_eq!(grace_hours(life, offsets), 48, "{life:?} {offsets:?}");
        }
        assert_eq!(grace_hours(Life::OffForADay, offsets), 72.min(48 + ours.max(0) / HOUR), "{offsets:?}");
    }
}

#[test]
fn a_clock_that_is_set_counts_after_a_reboot_only_and_by_the_anchor_that_says_less() {
    // This server's clock at arrival, later, and the license server's; the hours of grace after a reboot, and off for a day.
    let table = [
        // Set ahead: indistinguishable from a machine that was off that long.
        (0, 10 * HOUR, Some(0), 38, 38),
        (0, 49 * HOUR, Some(0), 0, 24),
        (0, 49 * HOUR, None, 0, 24),
        // The license server's clock was ahead by as much: it confirms the new time.
        (0, 49 * HOUR, Some(49 * HOUR), 48, 48),
        // Set back by less than the tolerance, or by more while one anchor agrees: machine time counts.
        (0, -HOUR, Some(0), 48, 49),
        (49 * HOUR, 0, Some(0), 48, 72),
        (-49 * HOUR, 0, Some(0), 48, 48),
        (-SINCE_1970, 0, Some(0), 48, 48),
        (-SINCE_1970, 0, Some(3 * HOUR), 48, 51),
        // Both clocks were behind, and this one has been put right.
        (-49 * HOUR, 0, Some(-49 * HOUR), 0, 24),
        (-40 * HOUR, 0, Some(-40 * HOUR), 8, 24),
        (-40 * HOUR, 0, None, 8, 24),
    ];
    for (arrival, later, server, rebooted, off) in table {
        let offsets = Offsets { arrival, later, server };
        for (life, hours) in [(Life::SameBoot, 48), (Life::Rebooted, rebooted), (Life::OffForADay, off)] {
            assert_eq!(grace_hours(life, offsets), hours, "{life:?} {offsets:?}");
        }
    }
}

#[test]
fn a_clock_more_than_an_hour_before_both_anchors_gives_no_grace() {
    for (arrival, later, server, rolled_back) in [
        (0, -HOUR, Some(0), false),
        (0, -HOUR - 1, Some(0), true),
        (0, -HOUR - 1, None, true),
        (0, -HOUR - 1, Some(-1), false),
        (0, -HOUR - 1, Some(3 * HOUR), true),
        (0, 0, Some(3 * HOUR), false),
        (3 * HOUR, 0, Some(0), false),
        (3 * HOUR, 0, Some(HOUR), false),
        (3 * HOUR, 0, Some(HOUR + 1), true),
    ] {
        let offsets = Offsets { arrival, later, server };
        let standing = unconfirmed(0, Life::SameBoot, offsets);
        let is_named =
            matches!(&standing, Standing::Restricted { message, .. } if message.contains("clock_rolled_back"));
        assert_eq!((is_named, standing.is_valid()), (rolled_back, !rolled_back), "{offsets:?}: {standing:?}");
    }
}

#[test]
fn the_license_servers_time_decides_about_the_expiry_if_the_clocks_differ_by_more_than_an_hour() {
    let expired = |passed, life, offsets, expires_at| {
        let (record, boot_id, now) = after(passed, life, offsets, Some(ARRIVAL + expires_at));
        let evidence = Evidence { has_key: true, record: Some(&record), confirmed: true, failure: None, boot_id };
        standing(&evidence, now).reason() == Some(EXPIRED)
    };
    // This server's clock at arrival and later, the license server's, and when the license expires on a true clock.
    for (arrival, later, server, expires_at, ends) in [
        (0, 0, 0, DAY, DAY),
        // Up to an hour, this server's clock decides.
        (HOUR, HOUR, 0, DAY, DAY - HOUR),
        (-HOUR, -HOUR, 0, DAY, DAY + HOUR),
        // Beyond, the license server's does.
        (HOUR + 1, HOUR + 1, 0, DAY, DAY),
        (-HOUR - 1, -HOUR - 1, 0, DAY, DAY),
        (2 * DAY, 2 * DAY, 0, DAY, DAY),
        (-2 * DAY, -2 * DAY, 0, DAY, DAY),
        (-SINCE_1970, -SINCE_1970, 0, DAY, DAY),
        (0, 0, 3 * HOUR, DAY, DAY - 3 * HOUR),
        (0, 0, -49 * HOUR, DAY, DAY + 49 * HOUR),
        // And a clock that is put right changes nothing.
        (2 * DAY, 0, 0, DAY, DAY),
        (-2 * DAY, 0, 0, DAY, DAY),
    ] {
        let offsets = Offsets { arrival, later, server: Some(server) };
        for life in [Life::SameBoot, Life::Rebooted] {
            assert!(!expired(ends - 1, life, offsets, expires_at), "{life:?} {offsets:?}: too early");
            assert!(expired(ends, life, offsets, expires_at), "{life:?} {offsets:?}: too late");
        }
    }
    // A clock that is set within one boot cannot end a license that machine time says is still running.
    let set = Offsets { arrival: 0, later: 2 * DAY, server: Some(0) };
    assert!(!expired(DAY - 1, Life::SameBoot, set, DAY) && expired(DAY, Life::SameBoot, set, DAY));
    // An expiry while the machine is off is noticed at once.
    for arrival in [0, 2 * DAY] {
        let offsets = Offsets { arrival, later: arrival, server: Some(0) };
        assert!(!expired(DAY, Life::OffForADay, offsets, DAY + 1) && expired(DAY, Life::OffForADay, offsets, DAY));
    }
}

#[test]
fn a_difference_is_named_from_one_hour_on() {
    let named = |ours: i64| {
        let (record, boot_id, now) =
            after(60, Life::SameBoot, Offsets { arrival: ours, later: ours, server: Some(0) }, None);
        difference(&record, boot_id, now).map(|difference| difference.to_string())
    };
    assert_eq!((named(0), named(HOUR), named(-HOUR)), (None, None, None));
    let table = [
        (HOUR + 1, "1 h 0 min ahead of the license server's (2026-03-01T01:01:01Z here, 2026-03-01T00:01:00Z there)"),
        (2 * DAY, "2 d 0 h ahead of the license server's (2026-03-03T00:01:00Z here, 2026-03-01T00:01:00Z there)"),
        (-49 * HOUR, "2 d 1 h behind the license server's (2026-02-26T23:01:00Z here, 2026-03-01T00:01:00Z there)"),
    ];
    for (ours, expected) in table {
        assert_eq!(named(ours).unwrap(), format!("this server's clock is {expected}"));
    }
    let short = Difference { own: Timestamp::from_unix(0), server: Timestamp::from_unix(310) };
    assert!(short.to_string().contains("is 5 min 10 s behind"), "{short}");
}

#[test]
fn a_file_that_did_not_keep_the_arrival_counts_by_the_license_servers_clock() {
    let (mut record, boot_id, now) =
        after(10 * HOUR, Life::Rebooted, Offsets { arrival: 0, later: 0, server: Some(-30 * HOUR) }, None);
    record.arrival = None;
    assert_eq!(age(&record, boot_id, now), Duration::from_secs(unsigned(40 * HOUR)));
    assert_eq!(difference(&record, boot_id, now), None);
}
