#![expect(clippy::disallowed_methods, reason = "an instant to count from")]

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Tries a wrong password; whether it was checked.
fn fail(attempts: &Attempts, name: &str, client: IpAddr, now: Instant) -> bool {
    let taken = attempts.take(name, client, now);
    if taken.is_ok() {
        attempts.failed(name, client, now);
    }
    taken.is_ok()
}

/// Tries the right password.
fn sign_in(attempts: &Attempts, name: &str, client: IpAddr, now: Instant) -> Result<(), Duration> {
    let taken = attempts.take(name, client, now);
    if taken.is_ok() {
        attempts.succeeded(name, client, now);
    }
    taken
}

#[test]
fn failures_are_limited_to_five_per_name_and_thirty_per_network() {
    let attempts = Attempts::default();
    let now = Instant::now();
    let (here, there) = (ip("203.0.113.5"), ip("203.0.113.6"));
    assert!((0..5).all(|_| fail(&attempts, "Anna", here, now)));
    assert!(!fail(&attempts, "anna", here, now), "names are not case-sensitive");
    assert!(fail(&attempts, "anna", there, now), "other networks are not locked out");
    assert!((0..25).all(|number| fail(&attempts, &format!("user-{number}"), here, now)));
    assert!(!fail(&attempts, "one-more", here, now));
    assert!(attempts.take("one-more", here, now + Duration::from_secs(10)).is_ok());
}

#[test]
fn successful_attempts_have_a_higher_limit() {
    let attempts = Attempts::default();
    let (now, client) = (Instant::now(), ip("203.0.113.5"));
    assert!((0..30).all(|_| sign_in(&attempts, "anna", client, now).is_ok()), "only failures have the low limit");
    assert_eq!(sign_in(&attempts, "Anna", client, now), Err(Duration::from_secs(10)));
    assert!(sign_in(&attempts, "bert", client, now).is_ok());
    assert!(sign_in(&attempts, "anna", ip("203.0.113.6"), now).is_ok());
    let later = now + Duration::from_secs(10);
    assert!(sign_in(&attempts, "anna", client, later).is_ok() && sign_in(&attempts, "anna", client, later).is_err());
}

#[test]
fn the_guesses_of_many_networks_are_limited_and_the_owner_is_served() {
    // The networks of the attacker, the guesses that pass at once, and how many more pass in an hour. Each network guesses
    // again and again.
    type Network = fn(u32) -> IpAddr;
    let minute = Duration::from_secs(60);
    let table: [(&str, Network, usize, usize); 3] = [
        ("a /48", |number| ip(&format!("2001:db8:1:{:x}::1", number % 0x1_0000)), 20, 200),
        ("a /32", |number| ip(&format!("2001:db8:{:x}::1", number % 0x1_0000)), 40, 1000),
        ("a botnet", |number| IpAddr::from((0x0900_0000 | number.wrapping_mul(0x101)).to_be_bytes()), 40, 1000),
    ];
    for (what, network, at_once, in_an_hour) in table {
        let attempts = Attempts::default();
        let mut now = Instant::now();
        let (home, elsewhere) = (ip("198.51.100.1"), ip("198.51.100.129"));
        assert!(sign_in(&attempts, "anna", home, now).is_ok());
        let guessed = (0..20_000).filter(|number| fail(&attempts, "anna", network(*number), now)).count();
        assert!(guessed <= at_once, "{what}: {guessed}");
        let mut guessed = 0;
        for passed in 0..60 {
            now += minute;
            let first = 20_000 + passed * 2000;
            guessed += (first..first + 2000).filter(|number| fail(&attempts, "anna", network(*number), now)).count();
            // Where the owner has signed in before, and from a new network before the attacker's next minute.
            assert!(sign_in(&attempts, "anna", home, now).is_ok(), "{what}, minute {passed}");
            let before = now + minute - Duration::from_secs(1);
            assert!(sign_in(&attempts, "anna", elsewhere, before).is_ok(), "{what}, minute {passed}");
        }
        assert!(guessed <= in_an_hour, "{what}: {guessed} guesses in an hour");
    }
}

#[test]
fn a_botnet_that_has_the_password_does_not_find_a_code() {
    let attempts = Attempts::of_codes();
    let mut now = Instant::now();
    let home = ip("198.51.100.1");
    assert!(sign_in(&attempts, "7", home, now).is_ok());
    let (mut guessed, mut number) = (0_u32, 0_u32);
    for _minute in 0..24 * 60 {
        now += Duration::from_secs(60);
        for _ in 0..20 {
            number += 1;
            let bot = IpAddr::from((0x0900_0000 | number.wrapping_mul(0x101)).to_be_bytes());
            guessed += u32::from(fail(&attempts, "7", bot, now));
        }
    }
    // Three codes in a million are right at a time: less than one chance in a thousand a day.
    assert!(guessed < 333, "{guessed} guesses in a day");
    assert!(sign_in(&attempts, "7", home, now).is_ok(), "the user's own network is served");
}

#[test]
fn a_user_who_mistypes_during_an_attack_can_try_again() {
    let attempts = Attempts::default();
    let now = Instant::now();
    for number in 0..1000 {
        fail(&attempts, "anna", ip(&format!("2001:db8:1:{number:x}::1")), now);
    }
    let home = ip("198.51.100.1");
    assert!(fail(&attempts, "anna", home, now) && fail(&attempts, "anna", home, now));
    assert!(sign_in(&attempts, "anna", home, now).is_ok());
}

#[test]
fn pending_attempts_leave_room_for_other_networks() {
    let attempts = Attempts::default();
    let now = Instant::now();
    let attacker = |number: u32| ip(&format!("2001:db8:1:{number:x}::1"));
    let mut entries: Vec<Entry> = (0..100).filter_map(|number| attempts.enter(attacker(number), now).ok()).collect();
    assert_eq!(entries.len(), PENDING_PER_NETWORK, "before the first failure");
    assert!(attempts.enter(ip("198.51.100.1"), now).is_ok());
    for number in 0..8 {
        attempts.failed("anna", attacker(number), now);
    }
    entries.clear();
    entries.extend((0..100).filter_map(|number| attempts.enter(attacker(number), now).ok()));
    assert_eq!(entries.len(), PENDING_SUSPECTS);
    let crowd = |number: u32| ip(&format!("2001:db8:{number:x}::1"));
    entries.extend((2..100).filter_map(|number| attempts.enter(crowd(number), now).ok()));
    assert_eq!(entries.len(), PENDING);
    assert!(attempts.enter(ip("198.51.100.1"), now).is_err());
    drop(entries);
    let pending = lock(&attempts.pending);
    assert!(pending.all == 0 && pending.suspects == 0 && pending.by_network.is_empty(), "{pending:?}");
}

#[test]
fn what_is_remembered_is_bounded() {
    let attempts = Attempts::default();
    let start = Instant::now();
    for number in 0..=u32::try_from(MAX_FAMILIAR).unwrap() {
        attempts.remember(
            place("anna", IpAddr::from(number.to_be_bytes())),
            start + Duration::from_secs(u64::from(number)),
        );
    }
    let is_familiar = |number: u32, now| attempts.is_familiar(&place("Anna", IpAddr::from(number.to_be_bytes())), now);
    assert_eq!(lock(&attempts.familiar).len(), MAX_FAMILIAR);
    assert!(!is_familiar(0, start) && is_familiar(1, start), "the oldest is forgotten");
    assert!(!is_familiar(1, start + Duration::from_secs(1) + FAMILIAR_TIME));
}
