//! Limits of owners, and concurrent changes.

use super::*;
use std::sync::Barrier;

fn owner() -> Actor {
    Actor { role: Role::Owner, name: OWNER.to_owned() }
}

fn administrator(name: &str) -> Actor {
    Actor { role: Role::Administrator, name: name.to_owned() }
}

#[test]
fn an_owner_can_revoke_and_move_ten_times_in_thirty_days_and_an_administrator_without_limit() {
    let server = TimedLicenseServer::start();
    let (license, other) = (server.database.license("business"), server.database.license("business"));
    let [first, second, ..] = SERVERS;
    let revoke = |actor: &Actor, license: &TestLicense| {
        assert_granted(&server.verify(&question(license, first)));
        server.database.try_change(|transaction| actions::revoke(transaction, actor, license.id, ip(first), None))
    };
    let relocate = |actor: &Actor, license: &TestLicense| {
        assert_granted(&server.verify(&question(license, first)));
        let moved = server.database.try_change(|transaction| {
            actions::move_to(transaction, actor, license.id, ip(first), ip(second))?;
            actions::revoke(transaction, &operator(), license.id, ip(second), None)
        });
        moved.map(drop)
    };
    for number in 0..5 {
        assert!(revoke(&owner(), &license).is_ok(), "{number}");
        assert_eq!(relocate(&owner(), &license), Ok(()), "{number}");
        server.clock.pass(DAY);
    }
    assert_eq!(revoke(&owner(), &license), Err(Refusal::TooOften));
    assert_eq!(relocate(&owner(), &license), Err(Refusal::TooOften));
    assert_eq!(server.database.addresses(license.id), [first], "a refused revocation changes nothing");
    assert!(revoke(&owner(), &other).is_ok(), "each license has its own limit");
    for number in 0..20 {
        assert!(revoke(&administrator("bob"), &license).is_ok(), "{number}");
    }
    assert_eq!(revoke(&owner(), &license), Err(Refusal::TooOften));
    // The first two changes are thirty days old.
    server.clock.pass(25 * DAY);
    assert!(revoke(&owner(), &license).is_ok());
    assert!(revoke(&owner(), &license).is_ok());
    assert_eq!(revoke(&owner(), &license), Err(Refusal::TooOften));
}

#[test]
fn a_failed_revocation_does_not_count() {
    let server = TimedLicenseServer::start();
    let license = server.database.license("free");
    for _ in 0..20 {
        let actor = owner();
        let refused = server
            .database
            .try_change(|transaction| actions::revoke(transaction, &actor, license.id, ip(SERVERS[0]), None));
        assert!(matches!(refused, Err(Refusal::NotFound(_))), "{refused:?}");
    }
    assert_eq!(server.database.history_lines(license.id).len(), 1);
}

#[test]
fn of_two_concurrent_changes_only_one_succeeds() {
    const ROUNDS: i64 = 20;
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    for round in 0..ROUNDS {
        let seen = server.database.read(|transaction| transaction.license(license.id)).unwrap().revision;
        assert_eq!(seen, 1 + round, "one change per round");
        let barrier = Barrier::new(2);
        let renew = |name: &str, days: u32| {
            // A different expiry in each round: renewing to the same expiry is a conflict.
            let later = Duration::from_secs(round.unsigned_abs());
            let (actor, end) = (administrator(name), server.database.now().plus(days * DAY + later));
            barrier.wait();
            let context = ChangeContext { actor: &actor, seen: Some(seen) };
            server
                .database
                .try_change(|transaction| actions::change(transaction, &context, license.id, &Change::Renew(Some(end))))
        };
        let results = std::thread::scope(|scope| {
            let (bob, carol) = (scope.spawn(|| renew("bob", 10)), scope.spawn(|| renew("carol", 20)));
            [bob.join().unwrap(), carol.join().unwrap()]
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        assert!(results.contains(&Err(Refusal::Stale)), "{results:?}");
    }
    let history = server.database.history_lines(license.id);
    assert_eq!(history.len(), 1 + usize::try_from(ROUNDS).unwrap(), "refused changes add no history: {history:#?}");
    // A verification does not change the revision.
    let seen = server.database.read(|transaction| transaction.license(license.id)).unwrap().revision;
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
    assert_eq!(server.database.read(|transaction| transaction.license(license.id)).unwrap().revision, seen);
}
