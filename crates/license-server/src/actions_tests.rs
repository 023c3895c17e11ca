use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::model::{Action, Actor, Basis, Billing, Details, Event, License, Period, Plan, Role, Status};
use crate::rules::{self, Decision, Denial, Inquiry};
use crate::store::tests::Scratch;
use opterius_base::clock::Timestamp;

const START: Timestamp = Timestamp::from_unix(1_800_000_000);

fn days(days: u64) -> Timestamp {
    START.plus(Duration::from_secs(days * 86_400))
}

fn ip(last: u32) -> IpAddr {
    format!("203.0.113.{last}").parse().unwrap()
}

fn actor(role: Role) -> Actor {
    Actor { role, name: "alice".to_owned() }
}

struct Fixture {
    scratch: Scratch,
    id: i64,
}

impl Fixture {
    fn new(plan: &str) -> Self {
        let mut scratch = Scratch::new();
        let key = new_key().unwrap();
        let id = scratch.change(START, |transaction| {
            add_user(transaction, &actor(Role::Operator), "alice", "hash", false)?;
            create(transaction, &actor(Role::Operator), "alice", plan, Some(days(365)), None, &key)
        });
        Self { scratch, id }
    }

    fn change(&mut self, change: &Change) -> Result<String, Refusal> {
        self.change_seen(change, None)
    }

    fn change_seen(&mut self, change: &Change, seen: Option<i64>) -> Result<String, Refusal> {
        let (id, actor) = (self.id, actor(Role::Administrator));
        self.scratch.try_change(START, |transaction| {
            super::change(transaction, &ChangeContext { actor: &actor, seen }, id, change)
        })
    }

    fn activate(&mut self, address: IpAddr, now: Timestamp) -> Decision {
        let details = Details::default();
        let inquiry = Inquiry { observed_ip: address, reported_ip: None, ip: address, details };
        let id = self.id;
        self.scratch.change(now, |transaction| rules::verify(transaction, &transaction.license(id)?.unwrap(), &inquiry))
    }

    fn revoke(&mut self, role: Role, address: IpAddr, now: Timestamp) -> Result<String, Refusal> {
        let id = self.id;
        self.scratch.try_change(now, |transaction| revoke(transaction, &actor(role), id, address, None))
    }

    fn move_to(&mut self, role: Role, from: IpAddr, to: IpAddr, now: Timestamp) -> Result<String, Refusal> {
        let id = self.id;
        self.scratch.try_change(now, |transaction| move_to(transaction, &actor(role), id, from, to))
    }

    fn license(&mut self) -> License {
        let id = self.id;
        self.scratch.read(|transaction| transaction.license(id)).unwrap()
    }

    fn history(&mut self) -> Vec<Event> {
        let id = self.id;
        self.scratch.read(|transaction| transaction.history(Some(id), None, 1000))
    }
}

#[test]
fn a_key_has_four_groups_of_eight_and_is_unique() {
    let key = new_key().unwrap();
    let groups: Vec<&str> = key.expose().split('-').collect();
    assert_eq!(groups.len(), 4);
    let is_valid =
        |group: &&str| group.len() == 8 && group.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b));
    assert!(groups.iter().all(is_valid), "{groups:?}");
    assert_ne!(key.expose(), new_key().unwrap().expose());
}

#[test]
fn every_change_is_checked_stored_and_recorded() {
    // Each row continues from the state of the previous row.
    let midnight = Timestamp::parse_expiry("2028-03-31");
    let table: [(Change, Result<&str, &str>); 37] = [
        (Change::Resume, Err("is neither suspended nor cancelled")),
        (Change::Suspend, Ok("suspended")),
        (Change::Suspend, Err("is already suspended")),
        (Change::SuspendFor("unpaid".into()), Ok("suspended: unpaid")),
        (Change::SuspendFor("unpaid".into()), Err("is already suspended")),
        (Change::SuspendFor("a\nb".into()), Err("on one line")),
        (Change::Resume, Ok("resumed: was suspended")),
        (Change::Cancel, Ok("cancelled")),
        (Change::Cancel, Err("is already cancelled")),
        (Change::Suspend, Err("is cancelled and cannot be suspended")),
        (Change::Resume, Ok("resumed: was cancelled")),
        (Change::Renew(Some(START)), Err("is in the past")),
        (Change::Renew(Some(days(400))), Ok("renewed: from 2028-01-15T08:00:00Z to 2028-02-19T08:00:00Z")),
        (Change::Renew(Some(days(400))), Err("already has this expiry")),
        (Change::Renew(None), Ok("renewed: from 2028-02-19T08:00:00Z to never")),
        (Change::Renew(None), Err("already has no expiry")),
        (Change::Renew(Timestamp::parse_expiry("2020-01-01")), Err("The end of 2020-01-01 is in the past.")),
        (Change::Renew(midnight), Ok("renewed: from never to end of 2028-03-31")),
        (Change::Renew(None), Ok("renewed: from end of 2028-03-31 to never")),
        (Change::Extend(Period::months(1), Basis::Expiry), Err("never expires")),
        (Change::SetNote("a\nb".into()), Ok("note changed")),
        (Change::SetNote("a\u{1b}b".into()), Err("control characters")),
        (Change::SetLabels(vec!["eu".into(), "gold".into()]), Ok("labels changed")),
        (Change::SetLabels(vec!["a b".into()]), Err("not a valid label")),
        (Change::SetReference(Some("A-1".into())), Ok("reference changed: from none to A-1")),
        (Change::SetTrial(true), Ok("trial changed: to a trial")),
        (Change::SetTrial(true), Err("is already a trial")),
        (Change::SetPlan("gold".into()), Err("Available plans: free, starter, business, datacenter.")),
        (Change::SetPlan("free".into()), Err("already has the plan Free")),
        (Change::SetPlan("business".into()), Ok("plan changed: from free to business")),
        (Change::UnlockIp, Err("is not locked to an address")),
        (Change::LockIp("0.0.0.0".parse().unwrap()), Err("0.0.0.0 cannot be the address of a server")),
        (Change::LockIp(ip(1)), Ok("locked: 203.0.113.1")),
        (Change::LockIp(ip(1)), Err("is already locked to 203.0.113.1")),
        (Change::UnlockIp, Ok("unlocked: 203.0.113.1")),
        (
            Change::SetBilling(Billing { subscription_status: Some("past_due".into()), ..Billing::default() }),
            Ok("billing changed: past_due"),
        ),
        (
            Change::SetBilling(Billing {
                subscription_status: Some("active".into()),
                cancel_at_period_end: Some(true),
                current_period_end: midnight,
            }),
            Ok("billing changed: active, period to the end of 2028-03-31, cancelled with it"),
        ),
    ];
    let mut fixture = Fixture::new("free");
    for (change, expected) in table {
        let before = (fixture.license().revision, fixture.history().len());
        match (fixture.change(&change), expected) {
            (Ok(sentence), Ok(line)) => {
                assert!(
                    sentence.to_lowercase().contains(&format!("license {} ", fixture.id)) && sentence.ends_with('.'),
                    "{sentence}"
                );
                let event = fixture.history().remove(0);
                let entry = format!("{}: {}", event.action.as_str(), event.detail);
                assert_eq!(entry.trim_end_matches(": "), line);
                assert_eq!(event.actor, actor(Role::Administrator));
                assert_eq!(fixture.license().revision, before.0 + 1);
            }
            (Err(refusal), Err(words)) => {
                assert!(refusal.to_string().contains(words), "{change:?}: {refusal}");
                assert_eq!(
                    (fixture.license().revision, fixture.history().len()),
                    before,
                    "{change:?} changed something"
                );
            }
            (result, _) => panic!("{change:?}: {result:?}"),
        }
    }
}

#[test]
fn a_change_based_on_an_old_revision_is_refused() {
    let mut fixture = Fixture::new("free");
    let seen = fixture.license().revision;
    fixture.change_seen(&Change::Suspend, Some(seen)).unwrap();
    assert_eq!(fixture.change_seen(&Change::Cancel, Some(seen)), Err(Refusal::Stale));
    let (id, actor) = (fixture.id, actor(Role::Administrator));
    let deleted = fixture
        .scratch
        .try_change(START, |transaction| delete(transaction, &ChangeContext { actor: &actor, seen: Some(seen) }, id));
    assert_eq!(deleted, Err(Refusal::Stale));
    assert_eq!(fixture.license().status, Status::Suspended);
    fixture.change_seen(&Change::Cancel, Some(seen + 1)).unwrap();
}

#[test]
fn a_verification_does_not_change_the_revision() {
    let mut fixture = Fixture::new("free");
    let seen = fixture.license().revision;
    fixture.activate(ip(1), START);
    fixture.change_seen(&Change::Suspend, Some(seen)).unwrap();
}

#[test]
fn owners_can_revoke_and_move_ten_times_in_thirty_days_and_administrators_without_limit() {
    let mut fixture = Fixture::new("free");
    for turn in 0..5 {
        fixture.activate(ip(1), days(turn));
        fixture.move_to(Role::Owner, ip(1), ip(2), days(turn)).unwrap();
        fixture.revoke(Role::Owner, ip(2), days(turn)).unwrap();
    }
    fixture.activate(ip(1), days(5));
    assert_eq!(fixture.revoke(Role::Owner, ip(1), days(5)), Err(Refusal::TooOften));
    assert_eq!(fixture.move_to(Role::Owner, ip(1), ip(2), days(5)), Err(Refusal::TooOften));
    for role in [Role::Administrator, Role::Operator] {
        fixture.revoke(role, ip(1), days(5)).unwrap();
        fixture.activate(ip(1), days(5));
    }
    // The first two changes were made on day 0.
    assert_eq!(fixture.revoke(Role::Owner, ip(1), days(30).minus(Duration::from_secs(1))), Err(Refusal::TooOften));
    fixture.revoke(Role::Owner, ip(1), days(30)).unwrap();
}

#[test]
fn a_refused_revocation_does_not_count() {
    let mut fixture = Fixture::new("free");
    for _ in 0..20 {
        assert!(matches!(fixture.revoke(Role::Owner, ip(9), START), Err(Refusal::NotFound(_))));
    }
    fixture.activate(ip(1), START);
    fixture.revoke(Role::Owner, ip(1), START).unwrap();
}

#[test]
fn a_move_needs_a_free_valid_address() {
    let mut fixture = Fixture::new("business");
    fixture.activate(ip(1), START);
    fixture.activate(ip(2), START);
    let table = [
        (ip(1), ip(2), "is already activated on 203.0.113.2"),
        (ip(1), ip(1), "are the same address"),
        (ip(9), ip(3), "is neither activated on 203.0.113.9 nor locked to it"),
        (ip(1), "0.0.0.0".parse().unwrap(), "cannot be the address of a server"),
        (ip(1), "ff02::1".parse().unwrap(), "cannot be the address of a server"),
        (ip(1), "255.255.255.255".parse().unwrap(), "cannot be the address of a server"),
        (ip(1), "127.0.0.1".parse().unwrap(), "it is a loopback address"),
        (ip(1), "::1".parse().unwrap(), "it is a loopback address"),
        (ip(1), "169.254.1.1".parse().unwrap(), "it is a link-local address"),
        (ip(1), "fe80::1".parse().unwrap(), "it is a link-local address"),
    ];
    for (from, to, words) in table {
        let refusal = fixture.move_to(Role::Owner, from, to, START).unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal}");
    }
    fixture.move_to(Role::Owner, ip(1), "2a01:4f8::1".parse().unwrap(), START).unwrap();
    assert_eq!(fixture.history()[0].detail, "from 203.0.113.1 to 2a01:4f8::1");
}

#[test]
fn a_lock_needs_an_address_that_a_server_can_have() {
    let mut fixture = Fixture::new("free");
    for address in ["127.0.0.1", "::1", "169.254.1.1", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1"] {
        let locked = fixture.change(&Change::LockIp(address.parse().unwrap()));
        assert!(matches!(locked, Err(Refusal::Invalid(_))), "{address}: {locked:?}");
        let (locked, key) = (Some(address.parse().unwrap()), new_key().unwrap());
        let created = fixture.scratch.try_change(START, |transaction| {
            create(transaction, &actor(Role::Operator), "alice", "free", None, locked, &key)
        });
        assert!(matches!(created, Err(Refusal::Invalid(_))), "{address}: {created:?}");
    }
}

#[test]
fn a_private_address_is_warned_of() {
    let mut fixture = Fixture::new("free");
    let warning = |address: &str| format!("Warning: {address} is a private address.");
    let locked = fixture.change(&Change::LockIp("192.168.1.5".parse().unwrap())).unwrap();
    assert!(locked.contains(&warning("192.168.1.5")), "{locked}");
    let private = "fd00::5".parse().unwrap();
    let moved = fixture.move_to(Role::Operator, "192.168.1.5".parse().unwrap(), private, START).unwrap();
    assert!(moved.contains(&warning("fd00::5")), "{moved}");
    let moved = fixture.move_to(Role::Operator, private, ip(1), START).unwrap();
    assert!(!moved.contains("Warning"), "{moved}");
}

#[test]
fn a_server_that_is_kept_out_gets_no_slot_by_a_move() {
    let mut fixture = Fixture::new("business");
    let id = fixture.id;
    let block = |fixture: &mut Fixture, address, time| {
        let time = Some(Duration::from_secs(time));
        fixture.scratch.try_change(START, |transaction| revoke(transaction, &actor(Role::Owner), id, address, time))
    };
    let unblock = |fixture: &mut Fixture, address| {
        fixture.scratch.try_change(START, |transaction| unblock(transaction, &actor(Role::Owner), id, address))
    };
    fixture.activate(ip(1), START);
    fixture.activate(ip(2), START);
    let sentence = block(&mut fixture, ip(1), 7 * 86_400).unwrap();
    assert_eq!(sentence, "203.0.113.1 revoked and kept out until 2027-01-22T08:00:00Z. Its slot on license 1 is free.");
    assert_eq!(fixture.history()[0].detail, "203.0.113.1, kept out until 2027-01-22T08:00:00Z");
    let refusal = fixture.move_to(Role::Owner, ip(2), ip(1), START).unwrap_err();
    assert_eq!(refusal.to_string(), "License 1 keeps 203.0.113.1 out until 2027-01-22T08:00:00Z. Unblock it first.");
    block(&mut fixture, ip(1), 3600).unwrap();
    let kept_out = fixture.scratch.read(|transaction| transaction.blocks(id, START));
    assert_eq!(kept_out.len(), 1, "a new time replaces the other");
    unblock(&mut fixture, ip(1)).unwrap();
    assert_eq!(fixture.history()[0].action, Action::Unblocked);
    assert!(matches!(unblock(&mut fixture, ip(1)), Err(Refusal::NotFound(_))));
    fixture.move_to(Role::Owner, ip(2), ip(1), START).unwrap();
}

#[test]
fn a_license_keeps_a_hundred_servers_out() {
    let mut fixture = Fixture::new("business");
    let id = fixture.id;
    let mut block = |last| {
        let time = Some(Duration::from_secs(3600));
        fixture.scratch.try_change(START, |transaction| revoke(transaction, &actor(Role::Operator), id, ip(last), time))
    };
    for last in 0..100 {
        block(last).unwrap();
    }
    assert!(matches!(block(100), Err(Refusal::Conflict(_))));
    block(99).unwrap();
}

#[test]
fn a_lock_can_be_moved_without_an_activation() {
    let mut fixture = Fixture::new("free");
    fixture.change(&Change::LockIp(ip(1))).unwrap();
    fixture.move_to(Role::Owner, ip(1), ip(2), START).unwrap();
    let mismatch = Decision::Denied(Denial::IpMismatch { locked: ip(2), asking: ip(1) });
    assert_eq!(fixture.activate(ip(1), START), mismatch);
    assert_eq!(fixture.activate(ip(2), START), Decision::Granted);
}

#[test]
fn the_history_of_a_deleted_license_is_kept() {
    let mut fixture = Fixture::new("free");
    fixture.activate(ip(1), START);
    let (id, operator) = (fixture.id, actor(Role::Operator));
    let masked = fixture.license().key.masked();
    fixture.scratch.change(START, |transaction| {
        delete(transaction, &ChangeContext { actor: &operator, seen: None }, id).map(drop)
    });
    assert!(fixture.scratch.read(|transaction| transaction.license(id)).is_none());
    assert_eq!(fixture.scratch.read(|transaction| transaction.activations(id)), []);
    let latest = fixture.history().remove(0);
    assert_eq!((latest.action, latest.detail), (Action::Deleted, format!("of alice, plan free, key {masked}")));
    assert!(matches!(fixture.change(&Change::Suspend), Err(Refusal::NotFound(_))));
}

#[test]
fn names_and_plans_are_checked() {
    let mut scratch = Scratch::new();
    let operator = actor(Role::Operator);
    for name in ["", "a b", "<script>", "a'b", "a\nb", &"a".repeat(129)] {
        let added = scratch.try_change(START, |transaction| add_user(transaction, &operator, name, "hash", false));
        assert!(matches!(added, Err(Refusal::Invalid(_))), "{name}: {added:?}");
    }
    scratch.change(START, |transaction| add_user(transaction, &operator, "zoë@example.com", "hash", true));
    let again =
        scratch.try_change(START, |transaction| add_user(transaction, &operator, "zoë@EXAMPLE.com", "hash", true));
    assert!(matches!(again, Err(Refusal::Conflict(_))), "{again:?}");
    let plan = |slug: &str, name: &str| Plan { slug: slug.into(), name: name.into(), max_accounts: 1, max_servers: 0 };
    for bad in
        [plan("", "A"), plan("A", "A"), plan("a b", "A"), plan("a", " "), plan("a", "A\nB"), plan(&"a".repeat(33), "A")]
    {
        let set = scratch.try_change(START, |transaction| set_plan(transaction, &operator, &bad));
        assert!(matches!(set, Err(Refusal::Invalid(_))), "{bad:?}: {set:?}");
    }
    let saved = scratch.change(START, |transaction| set_plan(transaction, &operator, &plan("plus", "<b>Plus</b>")));
    assert_eq!(saved.sentence, "Plan plus saved: 1 account, unlimited servers.");
    let key = new_key().unwrap();
    let table = [
        ("unknown", "free", None, "There is no user “unknown”."),
        ("zoë@example.com", "gold", None, "Available plans"),
        ("zoë@example.com", "free", Some(START), "2027-01-15T08:00:00Z is in the past"),
    ];
    for (owner, plan, expires_at, words) in table {
        let refusal = scratch
            .try_change(START, |transaction| create(transaction, &operator, owner, plan, expires_at, None, &key))
            .unwrap_err()
            .to_string();
        assert!(refusal.contains(words), "{refusal}");
    }
}

#[test]
fn a_message_says_what_must_still_be_done() {
    let mut fixture = Fixture::new("free");
    let renewed = |days_later| Change::Renew(Some(days(days_later)));
    fixture.change(&Change::Suspend).unwrap();
    let said = fixture.change(&renewed(400)).unwrap();
    assert!(said.ends_with("It is suspended: resume it before it can be used."), "{said}");
    assert!(!fixture.change(&Change::Resume).unwrap().contains("before it can be used"));
    let id = fixture.id;
    let actor = actor(Role::Administrator);
    let context = ChangeContext { actor: &actor, seen: None };
    let later = days(500);
    let mut at_later = |change: &Change| {
        fixture.scratch.try_change(later, |transaction| super::change(transaction, &context, id, change)).unwrap()
    };
    at_later(&Change::Cancel);
    let said = at_later(&Change::Resume);
    assert!(said.ends_with("It has expired: renew it before it can be used."), "{said}");
    let said = at_later(&Change::Extend(Period::months(1), Basis::NowIfExpired));
    assert!(!said.contains("before it can be used"), "{said}");
    assert_eq!(fixture.license().expires_at, Some(Period::months(1).after(later)));
}
