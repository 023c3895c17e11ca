use std::net::IpAddr;

use super::*;
use crate::actions::{self, Change, ChangeContext};
use crate::model::{Action, Actor, Attempt, Delivery, DeliveryState, Details, Role, ServerFacts};
use crate::rules::{self, Inquiry};
use crate::store::KEPT_TIME;
use crate::store::tests::{Scratch, creates_a_table, plan};
use crate::webhooks::receiver_address::Receivers;
use serde_json::Value;

const START: Timestamp = Timestamp::from_unix(1_800_000_000);
const URL: &str = "https://shop.example.com/hook";

fn days(days: u64) -> Timestamp {
    START.plus(Duration::from_secs(days * 86_400))
}

fn operator() -> Actor {
    Actor { role: Role::Operator, name: "root".to_owned() }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

struct Fixture {
    scratch: Scratch,
    license: i64,
    webhook: i64,
}

impl Fixture {
    fn new(events: Option<&[EventType]>) -> Self {
        let mut scratch = Scratch::new();
        let key = actions::new_key().unwrap();
        let (license, webhook) = scratch.change(START, |transaction| {
            actions::add_user(transaction, &operator(), "alice", "hash", false)?;
            let (webhook, _) = actions::add_webhook(transaction, &operator(), URL, events, Receivers::Public)?;
            let license = actions::create(transaction, &operator(), "alice", "business", Some(days(60)), None, &key)?;
            Ok::<_, actions::Refusal>((license, webhook))
        });
        Self { scratch, license, webhook }
    }

    fn change(&mut self, now: Timestamp, change: Change) {
        let (id, actor) = (self.license, operator());
        self.scratch.change(now, |transaction| {
            actions::change(transaction, &ChangeContext { actor: &actor, seen: None }, id, &change).map(drop)
        });
    }

    /// The types and data of the events for the webhook, oldest first.
    fn events(&mut self) -> Vec<(&'static str, Value)> {
        let webhook = self.webhook;
        self.scratch.read(|transaction| {
            let mut deliveries = transaction.deliveries(webhook, None, 1000)?;
            deliveries.reverse();
            let data = |delivery: Delivery| {
                let sql = "SELECT data FROM webhook_events WHERE id = ?1";
                let data: String = transaction.0.query_row(sql, params![delivery.event], |row| row.get(0))?;
                Ok((delivery.event_type.as_str(), serde_json::from_str(&data).unwrap()))
            };
            deliveries.into_iter().map(data).collect()
        })
    }

    fn types(&mut self) -> Vec<&'static str> {
        self.events().into_iter().map(|(event_type, _)| event_type).collect()
    }

    fn count(&mut self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.scratch.read(|transaction| transaction.0.query_row(&sql, &[], |row| row.get(0)))
    }

    fn pending(&mut self) -> i64 {
        let webhook = self.webhook;
        self.scratch.read(|transaction| transaction.webhook(webhook, START)).unwrap().pending
    }

    /// What the sweeper does at `now`; returns the days of the notices.
    fn sweep(&mut self, now: Timestamp) -> Vec<u64> {
        let before = self.events().len();
        let due = self.scratch.read(|transaction| transaction.due_notices(now, START, 100));
        for license in due {
            self.scratch.change(now, |transaction| transaction.notify_of_expiry(license).map(drop));
        }
        self.events().drain(before..).map(|(_, data)| data["expiry"]["days"].as_u64().unwrap()).collect()
    }
}

#[test]
fn every_change_of_a_license_and_its_servers_is_announced_in_order() {
    let mut fixture = Fixture::new(None);
    let (license, server) = (fixture.license, ip("203.0.113.5"));
    let details =
        Details { hostname: Some("web1".to_owned()), server_id: Some("abc".to_owned()), ..Details::default() };
    let inquiry = Inquiry { observed_ip: server, reported_ip: None, ip: server, details };
    let verify = |fixture: &mut Fixture| {
        fixture.scratch.change(START, |transaction| {
            rules::verify(transaction, &transaction.license(license)?.unwrap(), &inquiry).map(drop)
        });
    };
    verify(&mut fixture);
    verify(&mut fixture);
    let to = ip("203.0.113.6");
    fixture.scratch.change(START, |transaction| {
        actions::move_to(transaction, &operator(), license, server, to)?;
        actions::revoke(transaction, &operator(), license, to, None)
    });
    for change in [Change::Suspend, Change::Resume, Change::Cancel, Change::Resume] {
        fixture.change(START, change);
    }
    fixture.change(START, Change::SetPlan("free".to_owned()));
    fixture.change(START, Change::Renew(None));
    fixture.change(START, Change::LockIp(server));
    let events = fixture.events();
    let types: Vec<&str> = events.iter().map(|(event_type, _)| *event_type).collect();
    let expected = [
        "license.created",
        "server.activated",
        "server.moved",
        "server.revoked",
        "license.suspended",
        "license.resumed",
        "license.cancelled",
        "license.resumed",
        "license.plan_changed",
        "license.renewed",
    ];
    assert_eq!(types, expected, "a check-in and a lock are no events");
    let key = fixture.scratch.read(|transaction| transaction.license(license)).unwrap().key;
    for (event_type, data) in &events {
        assert_eq!((&data["license"]["id"], &data["license"]["owner"]), (&license.into(), &"alice".into()));
        assert!(!key.is_in(&data.to_string()), "{event_type} has the key: {data}");
    }
    assert_eq!(events[1].1["server"]["hostname"], "web1");
    assert_eq!(events[2].1["server"]["previous_ip"], "203.0.113.5");
    assert_eq!(events[3].1["server"]["ip"], "203.0.113.6");
    assert_eq!(events[4].1["license"]["standing"], "suspended", "the license is shown as it is afterwards");
    assert_eq!(
        (&events[8].1["detail"], &events[8].1["actor"]),
        (&"from business to free".into(), &"operator root".into())
    );
    assert_eq!(fixture.pending(), 10);
}

#[test]
fn what_no_webhook_wants_is_not_written() {
    let mut fixture = Fixture::new(Some(&[EventType::LicenseSuspended]));
    fixture.change(START, Change::Suspend);
    fixture.change(START, Change::Resume);
    assert_eq!(fixture.types(), ["license.suspended"]);
    assert_eq!(fixture.count("webhook_events"), 1);
    let webhook = fixture.webhook;
    fixture.scratch.change(START, |transaction| actions::remove_webhook(transaction, &operator(), webhook));
    fixture.change(START, Change::Suspend);
    assert_eq!((fixture.count("webhook_events"), fixture.count("webhook_deliveries")), (1, 0));
}

#[test]
fn an_event_goes_with_its_change_or_not_at_all() {
    let mut fixture = Fixture::new(None);
    let (id, before) = (fixture.license, fixture.types().len());
    let failed: Result<(), actions::Refusal> = fixture.scratch.try_change(START, |transaction| {
        transaction.add_event(Some(id), &operator(), Action::Suspended, "")?;
        Err(actions::Refusal::Stale)
    });
    assert_eq!((failed, fixture.types().len()), (Err(actions::Refusal::Stale), before));
}

#[test]
fn each_notice_of_an_expiry_is_given_once_and_again_after_a_renewal() {
    let mut fixture = Fixture::new(Some(&[EventType::LicenseExpiring, EventType::LicenseExpired]));
    let almost = |day: u64| days(day).minus(Duration::from_secs(1));
    let table: [(Timestamp, &[u64]); 9] = [
        (START, &[]),
        (almost(30), &[]),
        (days(30), &[30]),
        (days(52), &[]),
        (days(53), &[7]),
        (days(53), &[]),
        (days(59), &[1]),
        (days(60), &[0]),
        (days(66), &[]),
    ];
    for (now, expected) in table {
        assert_eq!(fixture.sweep(now), expected, "{now}");
        assert_eq!(fixture.sweep(now), [] as [u64; 0], "{now}: twice");
    }
    fixture.change(days(66), Change::Renew(Some(days(100))));
    assert_eq!(fixture.sweep(days(69)), [] as [u64; 0]);
    // The server was down meanwhile: only what is true now is said.
    assert_eq!(fixture.sweep(days(99)), [1]);
    assert_eq!(fixture.sweep(days(102)), [0]);
    // The same expiry as before is a new one after another in between.
    fixture.change(days(102), Change::Renew(None));
    assert_eq!(fixture.sweep(days(103)), [] as [u64; 0]);
}

#[test]
fn a_license_that_cannot_expire_any_more_is_not_announced() {
    for change in [Change::Suspend, Change::Cancel, Change::Renew(None)] {
        let mut fixture = Fixture::new(Some(&[EventType::LicenseExpiring, EventType::LicenseExpired]));
        fixture.change(START, change.clone());
        assert_eq!(fixture.sweep(days(59)), [] as [u64; 0], "{change:?}");
    }
    let mut fixture = Fixture::new(Some(&[EventType::LicenseExpired]));
    assert_eq!(fixture.sweep(days(70)), [] as [u64; 0], "it expired before the webhook could have been told");
}

#[test]
fn refusals_of_one_license_are_bounded() {
    let mut fixture = Fixture::new(None);
    let id = fixture.license;
    let refuse = |fixture: &mut Fixture, now| {
        fixture.scratch.change(now, |transaction| {
            let server = ServerFacts { reason: Some("suspended"), ..ServerFacts::at(ip("203.0.113.5")) };
            let facts = EventFacts { server: Some(&server), ..EventFacts::default() };
            transaction.announce(EventType::ServerRefused, Some(id), &facts)
        });
    };
    let count = |fixture: &mut Fixture| fixture.types().iter().filter(|name| **name == "server.refused").count();
    (0..100).for_each(|_| refuse(&mut fixture, START));
    assert_eq!(count(&mut fixture), 20);
    refuse(&mut fixture, START.plus(REFUSALS_TIME));
    assert_eq!(count(&mut fixture), 21);
}

#[test]
fn a_receiver_that_never_answers_does_not_fill_the_disk() {
    let mut fixture = Fixture::new(None);
    let webhook = fixture.webhook;
    fixture.scratch.change(START, |transaction| {
        let sql = "UPDATE webhooks SET pending = ?1";
        transaction.connection().execute(sql, params![MAX_PENDING - 1]).map(drop)
    });
    let before = fixture.count("webhook_events");
    for change in [Change::Suspend, Change::Resume, Change::Suspend] {
        fixture.change(START, change);
    }
    let found = fixture.scratch.read(|transaction| transaction.webhook(webhook, START)).unwrap();
    assert_eq!((found.pending, found.dropped), (MAX_PENDING, 2));
    assert_eq!(fixture.count("webhook_events"), before + 1);
}

fn attempt(status: u16, next_at: Option<Timestamp>) -> Attempt {
    Attempt { is_accepted: status == 200, status: Some(status), answer: "text".to_owned(), next_at }
}

#[test]
fn a_delivery_is_attempted_until_it_is_accepted_or_given_up_and_can_be_replayed() {
    let mut fixture = Fixture::new(None);
    let webhook = fixture.webhook;
    let due = |fixture: &mut Fixture, now| {
        fixture.scratch.read(|transaction| transaction.due_delivery(webhook, now)).map(|(delivery, _)| delivery)
    };
    let first = due(&mut fixture, START).unwrap();
    assert!(first.name.starts_with("evt_") && first.name.len() == 36, "{}", first.name);
    let record = |fixture: &mut Fixture, now, attempt| {
        fixture.scratch.change(now, |transaction| transaction.record_attempt(webhook, first.event, &attempt));
    };
    let state = |fixture: &mut Fixture| {
        let delivery = fixture.scratch.read(|transaction| transaction.delivery(webhook, &first.name)).unwrap();
        (delivery.state, delivery.attempts)
    };
    record(&mut fixture, START, attempt(500, Some(days(1))));
    assert_eq!((state(&mut fixture), fixture.pending()), ((DeliveryState::Pending, 1), 1));
    assert_eq!(due(&mut fixture, days(1).minus(Duration::from_secs(1))), None);
    record(&mut fixture, days(1), attempt(500, None));
    assert_eq!((state(&mut fixture), fixture.pending()), ((DeliveryState::GivenUp, 2), 0));
    let found = fixture.scratch.read(|transaction| transaction.webhook(webhook, START)).unwrap();
    assert_eq!((found.failing_since, found.state(days(1)), found.state(START)), (Some(START), "failing", "retrying"));

    fixture.scratch.change(days(1), |transaction| actions::replay_given_up(transaction, webhook));
    assert_eq!((state(&mut fixture), fixture.pending()), ((DeliveryState::Pending, 0), 1));
    record(&mut fixture, days(1), attempt(200, None));
    record(&mut fixture, days(1), attempt(200, None));
    assert_eq!((state(&mut fixture), fixture.pending()), ((DeliveryState::Delivered, 1), 0), "counted once");
    let found = fixture.scratch.read(|transaction| transaction.webhook(webhook, START)).unwrap();
    assert_eq!((found.failing_since, found.delivered_at, found.state(days(9))), (None, Some(days(1)), "ok"));
    fixture.scratch.change(days(2), |transaction| actions::replay(transaction, webhook, &first.name));
    assert_eq!(due(&mut fixture, days(2)).unwrap().name, first.name, "a replay has the same id");
    let refused = fixture.scratch.try_change(days(2), |transaction| actions::replay(transaction, webhook, "evt_x"));
    assert!(matches!(refused, Err(actions::Refusal::NotFound(_))));
}

#[test]
fn delivered_events_are_kept_for_seven_days_and_pending_ones_for_as_long_as_needed() {
    let mut fixture = Fixture::new(None);
    let webhook = fixture.webhook;
    fixture.change(START, Change::Suspend);
    let (first, _) = fixture.scratch.read(|transaction| transaction.due_delivery(webhook, START)).unwrap();
    fixture
        .scratch
        .change(days(3), |transaction| transaction.record_attempt(webhook, first.event, &attempt(200, None)));
    let mut kept = |now: Timestamp| {
        fixture.scratch.change(now, |transaction| transaction.sweep_outbox().map(drop));
        fixture.types()
    };
    assert_eq!(kept(days(3).plus(KEPT_TIME).minus(Duration::from_secs(1))).len(), 2);
    assert_eq!(kept(days(3).plus(KEPT_TIME)), ["license.suspended"]);
}

#[test]
fn a_wait_that_a_wrong_clock_has_set_does_not_last() {
    let mut fixture = Fixture::new(None);
    let webhook = fixture.webhook;
    let (first, _) = fixture.scratch.read(|transaction| transaction.due_delivery(webhook, START)).unwrap();
    fixture.scratch.change(days(900), |transaction| {
        transaction.record_attempt(webhook, first.event, &attempt(500, Some(days(901))))
    });
    assert_eq!(fixture.scratch.read(|transaction| transaction.due_delivery(webhook, days(1))), None);
    fixture.scratch.change(days(1), |transaction| transaction.sweep_outbox().map(drop));
    assert!(fixture.scratch.read(|transaction| transaction.due_delivery(webhook, days(1))).is_some());
}

#[test]
fn a_rotated_secret_signs_beside_the_new_one_for_a_day() {
    let mut fixture = Fixture::new(None);
    let webhook = fixture.webhook;
    let secrets = |fixture: &mut Fixture, now| {
        fixture.scratch.read(|transaction| transaction.webhook(webhook, now)).unwrap().secrets.len()
    };
    assert_eq!(secrets(&mut fixture, START), 1);
    let new = fixture.scratch.change(START, |transaction| actions::rotate_webhook(transaction, &operator(), webhook));
    let found = fixture.scratch.read(|transaction| transaction.webhook(webhook, START)).unwrap();
    assert!(found.secrets[0] == new && found.secrets.len() == 2);
    assert_eq!(secrets(&mut fixture, days(1)), 1);
}

#[test]
fn webhooks_are_bounded_and_their_urls_are_not_in_the_history() {
    let mut fixture = Fixture::new(None);
    let secret = "https://shop.example.com/hook?token=verysecret";
    let mut add = |url: &str, events: Option<&[EventType]>| {
        fixture.scratch.try_change(START, |transaction| {
            actions::add_webhook(transaction, &operator(), url, events, Receivers::Public).map(|(id, _)| id)
        })
    };
    assert!(matches!(add("https://10.0.0.1/", None), Err(actions::Refusal::Invalid(_))));
    assert!(matches!(add(secret, Some(&[])), Err(actions::Refusal::Invalid(_))));
    for _ in 1..20 {
        add(secret, Some(&[EventType::LicenseCreated])).unwrap();
    }
    assert!(matches!(add(secret, None), Err(actions::Refusal::Conflict(_))));
    let history = fixture.scratch.read(|transaction| transaction.history(None, None, 100));
    let text = history.iter().map(|event| event.detail.as_str()).collect::<Vec<_>>().join("\n");
    assert!(text.contains("at shop.example.com, license.created") && !text.contains("verysecret"), "{text}");
}

#[test]
fn queries_of_the_outbox_use_an_index() {
    let mut scratch = Scratch::in_file();
    let wanted = scratch.read(|transaction| plan(transaction, WANTED));
    assert!(wanted.contains("SEARCH webhook_subscriptions USING PRIMARY KEY (type=? AND webhook=?)"), "{wanted}");
    assert!(!scratch.read(|transaction| creates_a_table(transaction, WANTED)), "{wanted}");
    let refusals = scratch.read(|transaction| plan(transaction, COUNT_REFUSALS));
    assert!(refusals.contains("webhook_events_of_refusals (license=? AND created_at>?)"), "{refusals}");
    let notices = scratch.read(|transaction| plan(transaction, DUE_NOTICES));
    assert!(notices.contains("SEARCH licenses USING INDEX licenses_by_standing"), "{notices}");
    assert!(!notices.contains("TEMP"), "{notices}");
}

#[test]
fn a_clone_is_announced_when_it_first_gets_a_slot() {
    let mut fixture = Fixture::new(None);
    let license = fixture.license;
    let mut verify = |address: &str, identity: &str, hostname: &str| {
        let details =
            Details { server_id: Some(identity.to_owned()), hostname: Some(hostname.to_owned()), ..Details::default() };
        let inquiry = Inquiry { observed_ip: ip(address), reported_ip: None, ip: ip(address), details };
        fixture.scratch.change(START, |transaction| {
            rules::verify(transaction, &transaction.license(license)?.unwrap(), &inquiry).map(drop)
        });
    };
    verify("203.0.113.5", "one", "web1");
    verify("203.0.113.6", "two", "web2");
    verify("203.0.113.7", "one", "web3");
    verify("203.0.113.7", "one", "web3");
    let events = fixture.events();
    let clones: Vec<&Value> =
        events.iter().filter(|(name, _)| *name == "server.cloned").map(|(_, data)| &data["server"]).collect();
    assert_eq!(clones.len(), 1, "{clones:?}");
    assert_eq!((&clones[0]["ip"], &clones[0]["clone_of"]), (&"203.0.113.7".into(), &"203.0.113.5".into()));
}
