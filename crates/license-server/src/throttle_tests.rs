#![expect(clippy::disallowed_methods, reason = "an instant to count from")]

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_burst_passes_and_then_one_attempt_per_interval() {
    let mut throttle = Throttle::new(3, seconds(10));
    let start = Instant::now();
    // The time, what happens to which key, and the wait in seconds where it is refused.
    let table: [(u64, &str, &str, Option<u64>); 16] = [
        (0, "take", "a", None),
        (0, "take", "a", None),
        (0, "take", "a", None),
        (0, "take", "a", Some(10)),
        (0, "take", "b", None),
        (9, "take", "a", Some(1)),
        (10, "check", "a", None),
        (10, "take", "a", None),
        (10, "take", "a", Some(10)),
        (10, "refund", "a", None),
        (10, "take", "a", None),
        (10, "check", "a", Some(10)),
        (10, "reset", "a", None),
        (10, "take", "a", None),
        (10, "take", "a", None),
        (10, "take", "a", None),
    ];
    for (row, (at, what, key, refused)) in table.into_iter().enumerate() {
        let now = start + seconds(at);
        let found = match what {
            "take" => throttle.take(key, now),
            "check" => throttle.check(&key, now),
            "refund" => {
                throttle.refund(&key, now);
                Ok(())
            }
            _ => {
                throttle.reset(&key);
                Ok(())
            }
        };
        assert_eq!(found, refused.map_or(Ok(()), |wait| Err(seconds(wait))), "row {row}");
    }
    assert!(throttle.take("a", start + seconds(10)).is_err());
    assert!(!throttle.is_quiet(&"a", 0, start + seconds(39)) && throttle.is_quiet(&"a", 0, start + seconds(40)));
}

#[test]
fn a_refund_never_gives_more_than_a_full_bucket() {
    let mut throttle = Throttle::new(1, seconds(10));
    let now = Instant::now();
    throttle.take("a", now).unwrap();
    for _ in 0..5 {
        throttle.refund(&"a", now);
        throttle.refund(&"never seen", now);
    }
    throttle.take("a", now).unwrap();
    assert!(throttle.take("a", now).is_err());
}

#[test]
fn memory_is_bounded_and_full_buckets_need_none() {
    let mut throttle = Throttle::new(2, seconds(1));
    let start = Instant::now();
    for key in 0..3 * MAX_KEYS {
        let _ = throttle.take(key, start);
        assert!(throttle.full_at.len() <= MAX_KEYS && throttle.order.len() == throttle.full_at.len());
    }
    let _ = throttle.take(0, start + seconds(60));
    assert_eq!(throttle.full_at.len(), 1);
}

#[test]
fn a_full_table_forgives_no_key() {
    let mut throttle = Throttle { max_keys: 100, ..Throttle::new(5, seconds(60)) };
    let now = Instant::now();
    for _ in 0..5 {
        throttle.take(0, now).unwrap();
    }
    // One attempt each: four times as many keys as the table holds.
    for key in 1..400 {
        throttle.take(key, now).unwrap();
        assert_eq!(throttle.check(&0, now), Err(seconds(60)), "forgiven after {key} others");
    }
    assert!((1..400).all(|key| !throttle.is_quiet(&key, 0, now)), "a dropped bucket is not full again");
    assert_eq!(throttle.check(&400, now), Ok(()), "a new key has a token left");
    assert!(throttle.is_quiet(&400, 0, now + seconds(300)), "the memory of what was dropped ends too");
}

#[test]
fn a_guilty_key_that_is_dropped_is_still_guilty() {
    let mut throttle = Throttle { max_keys: 10, ..Throttle::new(3, seconds(60)) };
    let now = Instant::now();
    for key in 0..20 {
        while throttle.take(key, now).is_ok() {}
    }
    for key in 0..20 {
        assert!(throttle.check(&key, now).is_err(), "{key}");
    }
}

#[test]
fn the_networks_around_an_address_have_buckets_too() {
    let limits = [(2, seconds(10)), (3, seconds(10)), (5, seconds(10))];
    let now = Instant::now();
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    // In order, each as often as it passes.
    let table = [
        ("2001:db8:0:0::1", 2),
        ("2001:db8:0:0:ffff::2", 0),
        ("2001:db8:0:1::1", 1),
        ("2001:db8:0:ff::1", 0),
        ("2001:db8:0:100::1", 2),
        ("2001:db8:0:200::1", 0),
        ("2001:db8:1::1", 2),
    ];
    let mut throttle = NetworkThrottle::new(limits);
    for (address, passes) in table {
        let passed = (0..10).filter(|_| throttle.take(ip(address), now).is_ok()).count();
        assert_eq!(passed, passes, "{address}");
    }
    assert!(!throttle.is_quiet(ip("2001:db8:0:ffff::1"), 4, now) && throttle.is_quiet(ip("2001:db8:2::1"), 0, now));
    let mut throttle = NetworkThrottle::new(limits);
    for (address, passes) in
        [("203.0.113.1", 2), ("203.0.113.2", 1), ("203.0.113.17", 2), ("203.0.113.200", 0), ("203.0.112.1", 2)]
    {
        let passed = (0..10).filter(|_| throttle.take(ip(address), now).is_ok()).count();
        assert_eq!(passed, passes, "{address}");
    }
}

#[test]
fn a_wait_is_rounded_up_to_whole_seconds() {
    for (wait, expected) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (10_000, 10)] {
        assert_eq!(retry_after(Duration::from_millis(wait)), expected, "{wait} ms");
    }
}

#[test]
fn all_addresses_of_one_ipv6_network_are_one_client() {
    let network = |text: &str| network(text.parse().unwrap()).to_string();
    assert_eq!(network("2a01:4f8:1:2:3:4:5:6"), "2a01:4f8:1:2::");
    assert_eq!(network("8.8.8.8"), "8.8.8.8");
}
