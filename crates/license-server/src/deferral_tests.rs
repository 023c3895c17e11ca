use super::*;
use crate::deferred_check_ins::apply_old;
use crate::model::{Activation, Details, Sides};
use crate::store::tests::Scratch;
use crate::store::{Database, NewLicense, Record};
use opterius_base::clock::{Clock, SystemClock};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn ip(number: u8) -> IpAddr {
    [203, 0, 113, number].into()
}

fn details() -> Details {
    Details {
        hostname: Some("web".to_owned()),
        agent_version: Some("1".to_owned()),
        panel_version: Some("2".to_owned()),
        os: Some("Linux".to_owned()),
        server_id: Some("x".to_owned()),
    }
}

fn heartbeat(number: u8, details: &Details) -> Heartbeat<'_> {
    Heartbeat { ip: ip(number), observed_ip: [127, 0, 0, 1].into(), reported_ip: Some(ip(number)), details }
}

/// Licenses 1 and 2, each with servers 1 to 3, which checked in at `then`.
fn licenses(mut scratch: Scratch, then: Timestamp) -> Scratch {
    scratch.change(then, |transaction| {
        let owner = transaction.insert_user("anna", "", false)?;
        for license in ["K", "L"] {
            let key = opterius_base::secret::Secret::new(license.to_owned());
            let id = transaction.insert_license(&NewLicense::plain(&key, owner, "business"))?;
            for number in 1..=3 {
                transaction.put_activation(id, id * 10 + i64::from(number), &heartbeat(number, &details()))?;
            }
        }
        Ok::<(), Error>(())
    });
    scratch
}

fn used_a_day_ago() -> Scratch {
    licenses(Scratch::in_file(), NOW.minus(DAY))
}

/// A change of the writer in a burst.
fn in_burst<T>(
    scratch: &mut Scratch,
    now: Timestamp,
    work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, Error>,
) -> T {
    let connection = &scratch.database().connection;
    let open = connection.begin_change().unwrap();
    let result = work(&WriteTransaction::new(connection, now).deferring(true)).unwrap();
    open.commit().unwrap();
    result
}

fn check_in(transaction: &WriteTransaction<'_>, license: i64, heartbeat: &Heartbeat<'_>) -> Result<(), Error> {
    let record = transaction.record(license, heartbeat, transaction.now())?;
    let Record { own: Some(own), .. } = record else { panic!("{record:?}") };
    transaction.refresh_activation(license, heartbeat, &own)
}

/// When the row of each server of license 1 says that it was seen.
fn rows(scratch: &mut Scratch) -> Vec<i64> {
    scratch.read(|transaction| {
        let sql = "SELECT last_seen_at FROM activations WHERE license = 1 ORDER BY sequence";
        transaction.0.query(sql, &[], |row| row.get(0))
    })
}

fn waiting(scratch: &mut Scratch) -> u64 {
    scratch.read(|transaction| transaction.deferred_check_ins()).map_or(0, |deferred| deferred.count)
}

#[test]
fn the_allowance_is_used_up_by_a_burst_and_comes_back() {
    let start = SystemClock.monotonic();
    let mut allowance = Allowance::new(start);
    let table = [
        (0, 70, true),
        // What is too little for one is not forgotten.
        (6, 10, true),
        (12, 21, true),
        (12, 1, false),
        // A burst gets none until it pauses.
        (21, 1, false),
        (30, 1, false),
        (40, 1, true),
        (40, 1, false),
        (540, 50, true),
        (540, 1, false),
        (3_600_000, RATE, true),
        (3_600_000, 1, false),
        (7_200_000, RATE + 1, false),
        (7_200_000, RATE, true),
    ];
    for (milliseconds, changes, expected) in table {
        let now = start + Duration::from_millis(milliseconds);
        assert_eq!(allowance.take(changes as usize, now), expected, "{changes} after {milliseconds} ms");
    }
}

#[test]
fn only_a_check_in_that_says_nothing_new_waits() {
    let own = details();
    let another = || Some("another".to_owned());
    let none = Details::default();
    let same = heartbeat(1, &own);
    let elsewhere = |number| Heartbeat { observed_ip: ip(number), ..heartbeat(1, &own) };
    let changed = [
        Details { hostname: another(), ..details() },
        Details { agent_version: another(), ..details() },
        Details { panel_version: another(), ..details() },
        Details { os: another(), ..details() },
        Details { server_id: another(), ..details() },
    ];
    let mut table = vec![
        ("the same", same, News::Nothing),
        ("nothing but an address", heartbeat(1, &none), News::Nothing),
        ("seen elsewhere", elsewhere(9), News::Details),
        ("reports another address", Heartbeat { reported_ip: Some(ip(9)), ..heartbeat(1, &own) }, News::Details),
        ("reports no address", Heartbeat { reported_ip: None, ..heartbeat(1, &own) }, News::Nothing),
    ];
    let names = ["host name", "Agent", "Panel", "system", "identity"];
    for (name, details) in names.into_iter().zip(&changed) {
        let news = if matches!(name, "host name" | "identity") { News::Identity } else { News::Details };
        table.push((name, heartbeat(1, details), news));
    }
    for (name, heartbeat, news) in table {
        let mut scratch = used_a_day_ago();
        let found = in_burst(&mut scratch, NOW, |transaction| {
            let found = transaction.record(1, &heartbeat, NOW)?;
            check_in(transaction, 1, &heartbeat)?;
            Ok(found)
        });
        assert_eq!(found.own.unwrap().news, news, "{name}");
        assert_eq!(waiting(&mut scratch), u64::from(news == News::Nothing), "{name}");
        let row = if news == News::Nothing { NOW.minus(DAY) } else { NOW };
        assert_eq!(rows(&mut scratch)[0], row.unix(), "{name}");
    }
}

#[test]
fn only_a_check_in_of_a_server_that_was_seen_recently_waits() {
    let hours = |hours: u64| NOW.minus(Duration::from_secs(hours * 3600));
    for (then, expected) in [
        (NOW, 0),
        (hours(1), 1),
        (hours(25), 1),
        (hours(96), 1),
        (hours(97), 0),
        (hours(8 * 24), 0),
        (NOW.plus(Duration::from_secs(60)), 0),
    ] {
        let mut scratch = licenses(Scratch::in_file(), then);
        in_burst(&mut scratch, NOW, |transaction| check_in(transaction, 1, &heartbeat(1, &details())));
        assert_eq!(waiting(&mut scratch), expected, "{then}");
        let activations = scratch.read(|transaction| transaction.activations(1));
        assert_eq!(activations[0].last_seen_at, then.max(NOW), "{then}");
    }
    let mut scratch = used_a_day_ago();
    scratch.change(NOW, |transaction| check_in(transaction, 1, &heartbeat(1, &details())));
    assert_eq!(waiting(&mut scratch), 0, "no burst");
}

#[test]
fn what_waits_is_seen_and_is_applied_in_order() {
    let mut scratch = used_a_day_ago();
    let (first, later) = (NOW.plus(Duration::from_secs(1)), NOW.plus(Duration::from_secs(2)));
    for (now, license, number) in [(first, 1, 1), (first, 1, 2), (first, 2, 3), (later, 1, 1)] {
        in_burst(&mut scratch, now, |transaction| check_in(transaction, license, &heartbeat(number, &details())));
    }
    let seen = |activations: Vec<Activation>| -> Vec<Timestamp> {
        activations.into_iter().map(|activation| activation.last_seen_at).collect()
    };
    let then = NOW.minus(DAY);
    let mut all = || {
        let of = |license| scratch.read(|transaction| transaction.activations(license));
        [1, 2].map(of).map(seen)
    };
    let expected = [vec![later, first, then], vec![then, then, first]];
    assert_eq!(all(), expected);
    let page = scratch.read(|transaction| transaction.activations_after(1, 11, then.minus(DAY), 9));
    assert_eq!(seen(page), [first, then]);
    assert_eq!(scratch.read(|transaction| transaction.latest_check_in()), Some(later));
    let row = scratch.read(|transaction| transaction.activation(1, ip(1))).unwrap();
    assert_eq!(row.last_seen_at, then, "the writer looks through no table");
    assert_eq!(
        scratch.read(|transaction| transaction.deferred_check_ins()),
        Some(DeferredCheckIns { count: 4, oldest: first })
    );
    assert_eq!(rows(&mut scratch), [then.unix(); 3]);
    let mut apply = |most| scratch.change(NOW, |transaction| transaction.apply_deferred_check_ins(most));
    assert_eq!(apply(2), 2);
    assert_eq!(rows(&mut scratch), [first.unix(), first.unix(), then.unix()]);
    let mut apply = |most| scratch.change(NOW, |transaction| transaction.apply_deferred_check_ins(most));
    assert_eq!([apply(10), apply(10)], [2, 0]);
    let of = |license| scratch.read(|transaction| transaction.activations(license));
    assert_eq!([1, 2].map(of).map(seen), expected);
    assert_eq!((rows(&mut scratch), waiting(&mut scratch)), (vec![later.unix(), first.unix(), then.unix()], 0));
}

#[test]
fn what_changes_meanwhile_is_not_undone() {
    let mut scratch = used_a_day_ago();
    let later = NOW.plus(Duration::from_secs(5));
    in_burst(&mut scratch, NOW, |transaction| {
        (1..=3).try_for_each(|number| check_in(transaction, 1, &heartbeat(number, &details())))
    });
    // One checks in again, one is revoked, and one turns out to be one server with another address.
    scratch.change(later, |transaction| {
        check_in(transaction, 1, &heartbeat(1, &details()))?;
        assert!(transaction.delete_activation(1, ip(2))?);
        let slot = transaction.slot(1, ip(3))?.unwrap();
        let sides = transaction.sides(1, slot)?.unwrap().sides;
        let second = crate::model::Side { ip: "2001:db8::1".parse().unwrap(), last_seen_at: later, hostname: None };
        transaction.put_sides(1, slot, &Sides { second: Some(second), ..sides }, &heartbeat(3, &details()))
    });
    assert_eq!(scratch.change(later, |transaction| transaction.apply_deferred_check_ins(10)), 3);
    let activations = scratch.read(|transaction| transaction.activations(1));
    let seen: Vec<(IpAddr, Vec<Timestamp>)> = activations
        .iter()
        .map(|activation| (activation.ip, activation.addresses.iter().map(|side| side.last_seen_at).collect()))
        .collect();
    assert_eq!(seen, [(ip(1), vec![later]), (ip(3), vec![NOW, later])]);
    let expected = |number| (ip(number), vec![NOW.minus(DAY)]);
    let others = scratch.read(|transaction| transaction.activations(2));
    let others: Vec<_> = others.iter().map(|other| (other.ip, vec![other.last_seen_at])).collect();
    assert_eq!(others, [1, 2, 3].map(expected));
}

#[test]
fn what_waited_for_too_long_is_applied_at_the_start() {
    let mut scratch = used_a_day_ago();
    in_burst(&mut scratch, NOW, |transaction| check_in(transaction, 1, &heartbeat(1, &details())));
    let mut database = Database::open(scratch.database().location()).unwrap();
    let can_write = |database: &Database, can: bool| {
        database.connection.sqlite().unwrap().pragma_update(None, "query_only", !can).unwrap();
    };
    let second = Duration::from_secs(1);
    for (writes, now, expected) in
        [(true, NOW.plus(DAY - second), 1), (false, NOW.plus(DAY), 1), (true, NOW.plus(DAY), 0)]
    {
        can_write(&database, writes);
        apply_old(&mut database, now);
        assert_eq!(waiting(&mut scratch), expected, "{now}, {writes}");
    }
    assert_eq!(rows(&mut scratch)[0], NOW.unix());
}

#[test]
fn a_hundred_that_wait_share_a_page() {
    let mut scratch = licenses(Scratch::in_file(), NOW.minus(DAY));
    let log = scratch.database().location().file().unwrap().with_file_name("licenses.db-wal");
    let sqlite = scratch.database().connection.sqlite().unwrap();
    sqlite.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    in_burst(&mut scratch, NOW, |transaction| {
        (0..300).try_for_each(|number| {
            check_in(transaction, 1 + i64::from(number) % 2, &heartbeat(1 + number as u8 % 3, &details()))
        })
    });
    assert_eq!(waiting(&mut scratch), 300);
    // The log has a header of 32 bytes, and one of 24 before each page.
    let pages = (std::fs::metadata(&log).unwrap().len() - 32) / (4096 + 24);
    assert!(pages <= 5, "{pages}");
}
