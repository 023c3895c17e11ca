use std::time::Duration;

use super::*;
use crate::actions::{self, Change, ChangeContext};
use crate::model::{Activation, ActivationState, Event, RefusedServer};
use crate::store::Filter;
use crate::store::tests::Scratch;
use opterius_base::secret::Secret;

const START: Timestamp = Timestamp::from_unix(1_800_000_000);

fn ip(last: usize) -> IpAddr {
    format!("203.0.113.{last}").parse().unwrap()
}

fn days(days: u64) -> Timestamp {
    START.plus(Duration::from_secs(days * 86_400))
}

fn operator() -> Actor {
    Actor { role: Role::Operator, name: "root".to_owned() }
}

/// A license in a new database.
struct Fixture {
    scratch: Scratch,
    id: i64,
}

impl Fixture {
    fn new(plan: &str) -> Self {
        let mut scratch = Scratch::new();
        let key = Secret::new("AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD".to_owned());
        let id = scratch.change(START, |transaction| {
            actions::add_user(transaction, &operator(), "alice", "hash", false)?;
            actions::create(transaction, &operator(), "alice", plan, None, None, &key)
        });
        Self { scratch, id }
    }

    fn verify(&mut self, address: IpAddr, now: Timestamp) -> Decision {
        self.verify_as(address, &Details::default(), now)
    }

    fn verify_as(&mut self, address: IpAddr, details: &Details, now: Timestamp) -> Decision {
        let inquiry = Inquiry { observed_ip: address, reported_ip: None, ip: address, details: details.clone() };
        let id = self.id;
        self.scratch.change(now, |transaction| verify(transaction, &transaction.license(id)?.unwrap(), &inquiry))
    }

    fn change(&mut self, now: Timestamp, change: &Change) {
        let (id, actor) = (self.id, operator());
        self.scratch.change(now, |transaction| {
            actions::change(transaction, &ChangeContext { actor: &actor, seen: None }, id, change).map(drop)
        });
    }

    fn activations(&mut self) -> Vec<Activation> {
        let id = self.id;
        self.scratch.read(|transaction| transaction.activations(id))
    }

    fn history(&mut self) -> Vec<Event> {
        let id = self.id;
        self.scratch.read(|transaction| transaction.history(Some(id), None, 1000))
    }
}

fn limit(active: u32, allowed: u32) -> Decision {
    Decision::Denied(Denial::ServerLimit { active, allowed })
}

#[test]
fn the_slot_rule() {
    let now = days(100);
    let seen = |last: usize, sequence: i64, days_ago: u64| Slot {
        ip: ip(last),
        sequence,
        last_seen_at: now.minus(Duration::from_secs(days_ago * 86_400)),
    };
    let table: [(&str, Vec<Slot>, u32, Claim); 14] = [
        ("the first server", vec![], 1, Claim::Take { again: None }),
        ("itself", vec![seen(1, 1, 0)], 1, Claim::Refresh),
        ("the only slot is taken", vec![seen(2, 1, 0)], 1, Claim::Refuse { active: 1 }),
        ("the other was last seen 6 days ago", vec![seen(2, 1, 6)], 1, Claim::Refuse { active: 1 }),
        ("the other was last seen 7 days ago", vec![seen(2, 1, 7)], 1, Claim::Take { again: None }),
        ("back after 7 days, free", vec![seen(1, 1, 7)], 1, Claim::Take { again: Some(days(93)) }),
        ("back after 7 days, taken", vec![seen(1, 1, 7), seen(2, 2, 0)], 1, Claim::Refuse { active: 1 }),
        ("second of two", vec![seen(2, 1, 0), seen(1, 2, 0)], 2, Claim::Refresh),
        ("second of one after a downgrade", vec![seen(2, 1, 0), seen(1, 2, 0)], 1, Claim::Refuse { active: 2 }),
        ("first of one after a downgrade", vec![seen(2, 2, 0), seen(1, 1, 0)], 1, Claim::Refresh),
        ("the earlier one is inactive", vec![seen(2, 1, 8), seen(1, 2, 0)], 1, Claim::Refresh),
        ("unlimited, new", vec![seen(2, 1, 0), seen(3, 2, 0)], 0, Claim::Take { again: None }),
        ("unlimited, known", vec![seen(1, 9, 0)], 0, Claim::Refresh),
        ("unlimited, back", vec![seen(1, 9, 29)], 0, Claim::Take { again: Some(days(71)) }),
    ];
    for (name, slots, allowed, expected) in table {
        let own = slots.iter().copied().find(|slot| slot.ip == ip(1));
        let count = |before: Option<i64>, most: u32| {
            let active =
                slots.iter().filter(|slot| ActivationState::at(slot.last_seen_at, now) == ActivationState::Active);
            let counted = active.filter(|slot| before.is_none_or(|before| slot.sequence < before)).take(most as usize);
            Ok::<_, Error>(u32::try_from(counted.count()).unwrap())
        };
        assert_eq!(claim(own, allowed, now, count), Ok(expected), "{name}");
    }
}

#[test]
fn a_repeated_check_in_adds_no_history() {
    let mut fixture = Fixture::new("free");
    for day in 0..20 {
        assert_eq!(fixture.verify(ip(1), days(day)), Decision::Granted);
    }
    let activations = fixture.activations();
    let [activation] = activations.as_slice() else { panic!("{activations:?}") };
    assert_eq!((activation.started_at, activation.last_seen_at), (days(0), days(19)));
    let actions: Vec<Action> = fixture.history().iter().map(|event| event.action).collect();
    assert_eq!(actions, [Action::Activated, Action::Created]);
}

#[test]
fn seven_days_without_a_check_in_free_the_slot_and_a_returning_server_is_new() {
    let mut fixture = Fixture::new("free");
    assert_eq!(fixture.verify(ip(1), days(0)), Decision::Granted);
    let last_second = days(7).minus(Duration::from_secs(1));
    assert_eq!(fixture.verify(ip(2), last_second), limit(1, 1));
    assert_eq!(fixture.verify(ip(2), days(7)), Decision::Granted);
    assert_eq!(fixture.verify(ip(1), days(8)), limit(1, 1), "another server has the slot");
    assert_eq!(fixture.verify(ip(1), days(14)), Decision::Granted, "the other server has been silent too");
    let returned = &fixture.activations()[1];
    assert_eq!((returned.ip, returned.started_at), (ip(1), days(14)), "the returning server is last in order");
    let latest = &fixture.history()[0];
    assert_eq!(latest.detail, format!("203.0.113.1 again, last seen {}", days(0)));
}

#[test]
fn a_refused_server_is_not_refreshed() {
    let mut fixture = Fixture::new("business");
    for server in 1..=5 {
        assert_eq!(fixture.verify(ip(server), days(0)), Decision::Granted);
    }
    fixture.change(days(0), &Change::SetPlan("free".to_owned()));
    for day in 1..=6 {
        assert_eq!(fixture.verify(ip(1), days(day)), Decision::Granted, "the first server keeps its slot");
        for server in 2..=5 {
            assert_eq!(fixture.verify(ip(server), days(day)), limit(5, 1), "day {day}, server {server}");
        }
    }
    assert_eq!(fixture.verify(ip(1), days(7)), Decision::Granted);
    assert_eq!(fixture.verify(ip(2), days(7)), limit(1, 1), "the other servers are inactive");
}

#[test]
fn a_hundred_servers_after_a_downgrade_to_one() {
    let mut fixture = Fixture::new("datacenter");
    for server in 1..=100 {
        assert_eq!(fixture.verify(ip(server), days(0)), Decision::Granted, "all in the same second");
    }
    fixture.change(days(0), &Change::SetPlan("free".to_owned()));
    for server in (2..=100).rev() {
        assert_eq!(fixture.verify(ip(server), days(1)), limit(100, 1), "{server}");
    }
    assert_eq!(fixture.verify(ip(1), days(1)), Decision::Granted);
    assert_eq!(fixture.activations().len(), 100);
}

#[test]
fn counting_stops_at_the_number_that_is_displayed() {
    let mut fixture = Fixture::new("datacenter");
    let address = |server: usize| IpAddr::from([198, 18, (server / 256) as u8, (server % 256) as u8]);
    for server in 1..=1100 {
        assert_eq!(fixture.verify(address(server), days(0)), Decision::Granted);
    }
    fixture.change(days(0), &Change::SetPlan("free".to_owned()));
    for server in [2, 1000, 1100, 1101] {
        let Decision::Denied(denial) = fixture.verify(address(server), days(1)) else { panic!("{server}") };
        assert_eq!(denial.message(), "License is already activated on 1000+ of 1 allowed servers.");
    }
    assert_eq!(fixture.verify(address(1), days(1)), Decision::Granted);
    let mut count = |all_servers| {
        let filter = Filter { all_servers, ..Filter::default() };
        fixture.scratch.read(|transaction| transaction.licenses(&filter, 1, days(1))).licenses.remove(0).servers
    };
    assert_eq!([count(false), count(true)], [1001, 1100], "JSON output has the exact number");
}

#[test]
fn a_verification_counts_no_more_servers_than_the_plan_allows() {
    let now = days(100);
    let own = Slot { ip: ip(1), sequence: 9, last_seen_at: now };
    for (own, allowed) in [(Some(own), 2), (None, 2), (Some(own), 5000), (None, 5000)] {
        let calls = std::cell::RefCell::new(Vec::new());
        let count = |before, most| {
            calls.borrow_mut().push((before, most));
            Ok::<_, Error>(most)
        };
        let most = allowed.max(1000) + 1;
        assert_eq!(claim(own, allowed, now, count), Ok(Claim::Refuse { active: most }));
        let before = own.map(|own| (Some(own.sequence), allowed));
        assert_eq!(calls.take(), before.into_iter().chain([(None, most)]).collect::<Vec<_>>());
    }
    let unused = |_, _| Err(Error::Busy);
    assert_eq!(claim(Some(own), 0, now, unused), Ok(Claim::Refresh), "an unlimited plan needs no count");
}

#[test]
fn an_unlimited_plan_allows_any_number_of_servers() {
    let mut fixture = Fixture::new("datacenter");
    for server in 1..=250 {
        assert_eq!(fixture.verify(ip(server), days(0)), Decision::Granted);
    }
}

#[test]
fn the_rules_apply_in_order() {
    let locked = Change::LockIp(ip(9));
    let mut fixture = Fixture::new("free");
    fixture.change(days(0), &locked);
    fixture.change(days(0), &Change::Renew(Some(days(5))));
    let mismatch = Decision::Denied(Denial::IpMismatch { locked: ip(9), asking: ip(1) });
    assert_eq!(fixture.verify(ip(1), days(1)), mismatch, "the lock is checked before the slot");
    assert_eq!(fixture.verify(ip(9), days(1)), Decision::Granted);
    let last_second = days(5).minus(Duration::from_secs(1));
    assert_eq!(fixture.verify(ip(9), last_second), Decision::Granted);
    let expired = Decision::Denied(Denial::Expired(days(5)));
    assert_eq!(fixture.verify(ip(1), days(5)), expired, "from that instant on, and before the lock");
    fixture.change(days(5), &Change::Suspend);
    assert_eq!(fixture.verify(ip(1), days(5)), Decision::Denied(Denial::Suspended), "before the expiry");
    fixture.change(days(5), &Change::Cancel);
    assert_eq!(fixture.verify(ip(1), days(5)), Decision::Denied(Denial::Cancelled), "before everything");
    fixture.change(days(5), &Change::Resume);
    fixture.change(days(5), &Change::Renew(None));
    fixture.change(days(5), &Change::UnlockIp);
    assert_eq!(fixture.verify(ip(9), days(5000)), Decision::Granted);
}

#[test]
fn a_revoked_server_can_take_a_free_slot_again() {
    let mut fixture = Fixture::new("free");
    fixture.verify(ip(1), days(0));
    let id = fixture.id;
    fixture.scratch.change(days(0), |transaction| actions::revoke(transaction, &operator(), id, ip(1), None).map(drop));
    assert_eq!(fixture.verify(ip(2), days(0)), Decision::Granted, "the slot is free immediately");
    assert_eq!(fixture.verify(ip(1), days(0)), limit(1, 1));
    fixture.scratch.change(days(0), |transaction| actions::revoke(transaction, &operator(), id, ip(2), None).map(drop));
    assert_eq!(fixture.verify(ip(1), days(0)), Decision::Granted);
}

#[test]
fn a_server_that_is_kept_out_is_refused_until_the_end() {
    let mut fixture = Fixture::new("business");
    let (id, day) = (fixture.id, Duration::from_secs(86_400));
    let machine = Details { server_id: Some("id-1".to_owned()), ..Details::default() };
    let (v4, v6) = (ip(1), "2001:db8::1".parse::<IpAddr>().unwrap());
    fixture.verify_as(v4, &machine, days(0));
    let revoke = |transaction: &WriteTransaction<'_>| actions::revoke(transaction, &operator(), id, v4, Some(7 * day));
    fixture.scratch.change(days(0), |transaction| revoke(transaction).map(drop));
    let kept_out = |ip| Decision::Denied(Denial::KeptOut { ip, until: days(7) });
    assert_eq!(fixture.verify_as(v4, &machine, days(6)), kept_out(v4), "although slots are free");
    assert_eq!(fixture.verify(v4, days(6)), kept_out(v4), "its Panel, too");
    assert_eq!(fixture.verify_as(v6, &machine, days(6)), kept_out(v6), "at its other address, too");
    assert_eq!(fixture.verify(ip(2), days(6)), Decision::Granted, "other servers are not concerned");
    assert_eq!(fixture.verify_as(v4, &machine, days(7).minus(Duration::from_secs(1))), kept_out(v4));
    assert_eq!(fixture.verify_as(v4, &machine, days(7)), Decision::Granted);

    fixture.scratch.change(days(7), |transaction| revoke(transaction).map(drop));
    assert_eq!(fixture.verify(v4, days(8)), Decision::Denied(Denial::KeptOut { ip: v4, until: days(14) }));
    fixture.scratch.change(days(8), |transaction| actions::unblock(transaction, &operator(), id, v4).map(drop));
    assert_eq!(fixture.verify(v4, days(8)), Decision::Granted);
}

#[test]
fn what_stands_before_the_block_is_answered_first() {
    let mut fixture = Fixture::new("business");
    let id = fixture.id;
    fixture.scratch.change(days(0), |transaction| {
        actions::revoke(transaction, &operator(), id, ip(1), Some(Duration::from_secs(86_400))).map(drop)
    });
    fixture.change(days(0), &Change::LockIp(ip(2)));
    let mismatch = Decision::Denied(Denial::IpMismatch { locked: ip(2), asking: ip(1) });
    assert_eq!(fixture.verify(ip(1), days(0)), mismatch);
    fixture.change(days(0), &Change::Suspend);
    assert_eq!(fixture.verify(ip(1), days(0)), Decision::Denied(Denial::Suspended));
}

#[test]
fn a_granted_server_is_no_longer_a_refused_one() {
    let mut fixture = Fixture::new("business");
    let id = fixture.id;
    let put = |transaction: &WriteTransaction<'_>, ip| {
        transaction.put_refusal(
            id,
            &RefusedServer {
                ip,
                reason: "suspended".to_owned(),
                message: String::new(),
                first_at: days(0),
                last_at: days(0),
                denials: 1,
                details: Details::default(),
            },
        )
    };
    let refused = |fixture: &mut Fixture| {
        let servers = fixture.scratch.read(|transaction| transaction.refused_servers(id));
        servers.into_iter().map(|server| server.ip).collect::<Vec<_>>()
    };
    fixture.scratch.change(days(0), |transaction| put(transaction, ip(1)));
    fixture.scratch.change(days(0), |transaction| put(transaction, ip(2)));
    fixture.verify(ip(1), days(0));
    assert_eq!(refused(&mut fixture), [ip(2)], "by a new activation");
    fixture.scratch.change(days(0), |transaction| put(transaction, ip(1)));
    fixture.verify(ip(1), days(0));
    assert_eq!(refused(&mut fixture), [ip(2)], "by a check that keeps the slot");
}

#[test]
fn a_moved_server_keeps_its_position() {
    let mut fixture = Fixture::new("business");
    fixture.verify(ip(1), days(0));
    fixture.verify(ip(2), days(0));
    let id = fixture.id;
    fixture.change(days(0), &Change::LockIp(ip(1)));
    fixture
        .scratch
        .change(days(0), |transaction| actions::move_to(transaction, &operator(), id, ip(1), ip(7)).map(drop));
    fixture.change(days(0), &Change::SetPlan("free".to_owned()));
    assert_eq!(fixture.verify(ip(7), days(1)), Decision::Granted, "it is still the first, and the lock moved along");
    let mismatch = Decision::Denied(Denial::IpMismatch { locked: ip(7), asking: ip(1) });
    assert_eq!(fixture.verify(ip(1), days(1)), mismatch);
}

#[test]
fn the_panel_and_the_agent_of_a_server_share_one_activation() {
    let mut fixture = Fixture::new("free");
    let agent = Details {
        hostname: Some("web-1".into()),
        agent_version: Some("0.1.0".into()),
        server_id: Some("id-1".into()),
        ..Details::default()
    };
    let panel = Details { panel_version: Some("2.8.14".into()), ..Details::default() };
    assert_eq!(fixture.verify_as(ip(1), &agent, days(0)), Decision::Granted);
    assert_eq!(fixture.verify_as(ip(1), &panel, days(0)), Decision::Granted);
    let expected = Details { panel_version: Some("2.8.14".into()), ..agent.clone() };
    assert_eq!(fixture.activations()[0].details, expected);
    assert_eq!(fixture.activations()[0].other_server_id, None);

    let clone = Details { server_id: Some("id-2".into()), ..agent };
    assert_eq!(fixture.verify_as(ip(1), &clone, days(1)), Decision::Granted, "only the address identifies a server");
    let activation = &fixture.activations()[0];
    assert_eq!(activation.other_server_id.as_deref(), Some("id-1"), "two machines behind one address are recorded");
    assert_eq!(activation.other_seen_at, Some(days(1)));
}

#[test]
fn each_denial_has_its_message() {
    let table = [
        (Denial::ServerLimit { active: 1, allowed: 1 }, "License is already activated on 1 of 1 allowed servers."),
        (Denial::Expired(days(0)), "License expired at 2027-01-15T08:00:00Z."),
        (Denial::Suspended, "License is suspended."),
        (Denial::Cancelled, "License has been cancelled."),
        (
            Denial::IpMismatch { locked: ip(1), asking: ip(2) },
            "License is locked to the IP address 203.0.113.1; this server is seen as 203.0.113.2.",
        ),
        (
            Denial::KeptOut { ip: ip(1), until: days(7) },
            "The server 203.0.113.1 was revoked and cannot use this license until 2027-01-22T08:00:00Z.",
        ),
    ];
    for (denial, expected) in table {
        assert_eq!(denial.message(), expected);
    }
}
