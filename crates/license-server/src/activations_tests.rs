use super::*;
use crate::store::NewLicense;
use crate::store::tests::{Scratch, plan};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn ip(number: u32) -> IpAddr {
    IpAddr::from((0xcb00_7100 + number).to_be_bytes())
}

/// A license with these servers: number, sequence, seconds since the last check-in, and identity.
fn used_by(servers: &[(u32, i64, u64, &str)]) -> Scratch {
    fill(Scratch::new(), servers)
}

fn fill(mut scratch: Scratch, servers: &[(u32, i64, u64, &str)]) -> Scratch {
    scratch.change(NOW, |transaction| {
        let owner = transaction.insert_user("anna", "", false)?;
        let key = opterius_base::secret::Secret::new("K".to_owned());
        let new = NewLicense::plain(&key, owner, "free");
        transaction.insert_license(&new)
    });
    for (number, sequence, silent, identity) in servers {
        let details = Details { server_id: Some((*identity).to_owned()), ..Details::default() };
        let heartbeat = Heartbeat { ip: ip(*number), observed_ip: ip(*number), reported_ip: None, details: &details };
        let then = NOW.minus(std::time::Duration::from_secs(*silent));
        scratch.change(then, |transaction| transaction.put_activation(1, *sequence, &heartbeat));
    }
    scratch
}

#[test]
fn counts_include_recent_check_ins_up_to_a_maximum() {
    let mut scratch =
        used_by(&[(1, 5, 0, "a"), (2, 4, 0, "b"), (3, 3, 100, "c"), (4, 2, 0, "d"), (5, 1, 99, "e"), (6, 6, 0, "f")]);
    let since = NOW.minus(std::time::Duration::from_secs(100));
    let mut count = |most| scratch.read(|transaction| transaction.count_activations(1, since, most));
    assert_eq!([0, 1, 4, 5, 100].map(&mut count), [0, 1, 4, 5, 5]);
    let mut earlier =
        |(sequence, most)| scratch.read(|transaction| transaction.count_earlier(1, since, sequence, most));
    assert_eq!([(5, 9), (4, 9), (3, 9), (2, 9), (1, 9), (5, 2), (5, 0)].map(&mut earlier), [3, 2, 2, 1, 0, 2, 0]);
    let mut last = |slots| scratch.read(|transaction| transaction.last_slot(1, slots, since));
    assert_eq!([1, 2, 3, 5, 6].map(&mut last), [Some(1), Some(2), Some(4), Some(6), None]);
}

#[test]
fn active_servers_after_many_inactive_ones_are_counted() {
    let silent = (0..1500).map(|number| (number, i64::from(number), 100, ""));
    let servers: Vec<(u32, i64, u64, &str)> =
        silent.chain([(1500, 1500, 0, ""), (1501, 1501, 0, ""), (1502, 1502, 0, "")]).collect();
    let mut scratch = used_by(&servers);
    let since = NOW.minus(std::time::Duration::from_secs(100));
    let mut earlier =
        |(sequence, most)| scratch.read(|transaction| transaction.count_earlier(1, since, sequence, most));
    assert_eq!([(1502, 5), (1502, 1), (1501, 5), (1500, 5), (900, 5)].map(&mut earlier), [2, 1, 1, 0, 0]);
}

#[test]
fn twins_are_other_addresses_with_the_same_identity() {
    let mut scratch = used_by(&[(1, 1, 0, "a"), (2, 2, 0, "b"), (3, 5, 0, "a"), (4, 4, 0, "a"), (5, 3, 100, "a")]);
    let since = NOW.minus(std::time::Duration::from_secs(100));
    let mut twins = |number, count| scratch.read(|transaction| transaction.twins(1, "a", ip(number), since, count));
    assert_eq!(twins(1, 9), [ip(4), ip(3)]);
    assert_eq!(twins(4, 9), [ip(1), ip(3)]);
    assert_eq!(twins(3, 1), [ip(1)]);
}

#[test]
fn every_query_of_a_license_uses_an_index() {
    let mut scratch = Scratch::in_file();
    for (sql, expected) in [
        (COUNT, "SEARCH activations USING PRIMARY KEY (license=?)"),
        (FIRST_EARLIER, "activations_in_order (license=? AND sequence<?)"),
        (COUNT_EARLIER, "SEARCH activations USING PRIMARY KEY (license=?)"),
        (LAST_SLOT, "activations_in_order (license=?)"),
        (TWINS, "activations_by_identity (license=? AND server_id=?)"),
    ] {
        let plan = scratch.read(|transaction| plan(transaction, sql));
        assert!(plan.contains(expected) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

/// The length of the write-ahead log shows how much a commit has written.
#[test]
fn a_check_in_writes_one_page() {
    let servers: Vec<(u32, i64, u64, String)> =
        (0..2000).map(|number| (number, i64::from(number), 0, format!("{:0>64}", number * 7919 % 2000))).collect();
    let servers: Vec<(u32, i64, u64, &str)> = servers
        .iter()
        .map(|(number, sequence, silent, identity)| (*number, *sequence, *silent, identity.as_str()))
        .collect();
    let mut scratch = fill(Scratch::in_file(), &servers);
    let log = scratch.database().location().file().unwrap().with_file_name("licenses.db-wal");
    let mut pages = |seconds: u64, identity: &str| {
        let length = |scratch: &Scratch| {
            scratch
                .database()
                .connection
                .sqlite()
                .unwrap()
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                .unwrap();
            std::fs::metadata(&log).unwrap().len()
        };
        assert_eq!(length(&scratch), 0);
        let details = Details { server_id: Some(identity.to_owned()), ..Details::default() };
        let heartbeat = Heartbeat { ip: ip(700), observed_ip: ip(700), reported_ip: None, details: &details };
        let then = NOW.plus(std::time::Duration::from_secs(seconds));
        scratch.change(then, |transaction| {
            let own = transaction.record(1, &heartbeat, then)?.own.unwrap();
            transaction.refresh_activation(1, &heartbeat, &own)
        });
        // The log has a header of 32 bytes, and one of 24 before each page.
        (std::fs::metadata(&log).unwrap().len() - 32) / (4096 + 24)
    };
    assert_eq!(pages(1, servers[700].3), 1);
    assert!(pages(2, "another") > 1, "a new identity changes the index");
    assert_eq!(pages(3, "another"), 1);
}
