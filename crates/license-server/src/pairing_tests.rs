//! What is one server and what are two: tables of check-ins, with one slot and with any number.

use std::net::IpAddr;
use std::time::Duration;

use crate::actions::{self, Change, ChangeContext};
use crate::model::{Action, Activation, Actor, Details, Role};
use crate::rules::{Decision, Inquiry, verify};
use crate::store::tests::Scratch;
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;

const START: Timestamp = Timestamp::from_unix(1_800_000_000);

fn operator() -> Actor {
    Actor { role: Role::Operator, name: "root".to_owned() }
}

/// A license for `slots` servers in a new database.
struct Site {
    scratch: Scratch,
    plan: &'static str,
}

impl Site {
    fn new(slots: u32) -> Self {
        let mut scratch = Scratch::new();
        let plan = match slots {
            1 => "free",
            5 => "business",
            _ => "datacenter",
        };
        let key = Secret::new("AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD".to_owned());
        scratch.change(START, |transaction| {
            actions::add_user(transaction, &operator(), "alice", "hash", false)?;
            actions::create(transaction, &operator(), "alice", plan, None, None, &key)
        });
        Self { scratch, plan }
    }

    /// A server checks in, `hours` after the start; whether it is granted.
    fn ask(&mut self, hours: u64, address: &str, identity: &str, hostname: &str) -> bool {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let details = Details { hostname: some(hostname), server_id: some(identity), ..Details::default() };
        let ip: IpAddr = address.parse().unwrap();
        let inquiry = Inquiry { observed_ip: ip, reported_ip: None, ip, details };
        let now = START.plus(Duration::from_secs(hours * 3600));
        let license = |transaction: &crate::store::WriteTransaction<'_>| transaction.license(1).map(Option::unwrap);
        self.scratch.change(now, |transaction| verify(transaction, &license(transaction)?, &inquiry))
            == Decision::Granted
    }

    fn servers(&mut self) -> Vec<Activation> {
        self.scratch.read(|transaction| transaction.activations(1))
    }

    /// The addresses of each server, in order of activation.
    fn addresses(&mut self) -> Vec<Vec<String>> {
        let of = |server: &Activation| server.addresses.iter().map(|side| side.ip.to_string()).collect();
        self.servers().iter().map(of).collect()
    }

    fn actions(&mut self) -> Vec<Action> {
        let mut events = self.scratch.read(|transaction| transaction.history(Some(1), None, 100));
        events.reverse();
        events.into_iter().map(|event| event.action).skip(1).collect()
    }
}

/// The check-ins of a table: hours since the start, address, identity, host name, and whether it is granted with one slot.
type Signs = &'static [(u64, &'static str, &'static str, &'static str, bool)];

const V4: &str = "203.0.113.1";
const OTHER_V4: &str = "203.0.113.2";
const V6: &str = "2001:db8:0:1::1";
const SAME_64: &str = "2001:db8:0:1:aaaa::2";
const THIRD_OF_64: &str = "2001:db8:0:1:bbbb::3";
const OTHER_64: &str = "2001:db8:0:2::1";

/// What happens, the check-ins, and the servers on a license without a limit.
const TABLE: &[(&str, Signs, &[&[&str]])] = &[
    (
        "a dual-stack machine",
        &[(0, V4, "a", "w", true), (1, V6, "a", "w", true), (24, V4, "a", "w", true), (25, V6, "a", "w", true)],
        &[&[V4, V6]],
    ),
    ("a dual-stack machine, IPv6 first", &[(0, V6, "a", "w", true), (1, V4, "a", "w", true)], &[&[V6, V4]]),
    (
        "its Panel, which sends no identity, at a known address",
        &[(0, V4, "a", "w", true), (1, V6, "a", "w", true), (2, V6, "", "", true), (3, V4, "", "", true)],
        &[&[V4, V6]],
    ),
    ("no identity", &[(0, V4, "", "w", true), (1, V6, "", "w", false)], &[&[V4], &[V6]]),
    ("another identity", &[(0, V4, "a", "w", true), (1, V6, "b", "w", false)], &[&[V4], &[V6]]),
    (
        "an address of a /64 that rotates every day",
        &[(0, V6, "a", "w", true), (24, SAME_64, "a", "w", true), (48, THIRD_OF_64, "a", "w", true)],
        &[&[THIRD_OF_64]],
    ),
    (
        "a dual-stack machine whose IPv6 address rotates",
        &[(0, V4, "a", "w", true), (1, V6, "a", "w", true), (25, SAME_64, "a", "w", true), (26, V4, "a", "w", true)],
        &[&[V4, SAME_64]],
    ),
    (
        "two clones in one /64, seen alternately",
        &[
            (0, V6, "a", "w", true),
            (1, SAME_64, "a", "w", true),
            (2, V6, "a", "w", false),
            (3, SAME_64, "a", "w", true),
        ],
        &[&[SAME_64], &[V6]],
    ),
    (
        "two clones in one /64 with their own names",
        &[(0, V6, "a", "w1", true), (1, SAME_64, "a", "w2", false), (2, V6, "a", "w1", true)],
        &[&[V6], &[SAME_64]],
    ),
    (
        "two clones at two IPv4 addresses",
        &[
            (0, V4, "a", "w", true),
            (1, OTHER_V4, "a", "w", false),
            (2, V4, "a", "w", true),
            (3, OTHER_V4, "a", "w", false),
        ],
        &[&[V4], &[OTHER_V4]],
    ),
    (
        "a server behind a NAT with two outgoing addresses: not to be told from clones",
        &[(0, V4, "a", "w", true), (1, OTHER_V4, "a", "w", false), (2, V4, "a", "w", true)],
        &[&[V4], &[OTHER_V4]],
    ),
    (
        "NAT64: the IPv6 address, and the IPv4 address of the translator",
        &[(0, V6, "a", "w", true), (1, V4, "a", "w", true), (2, V6, "a", "w", true), (3, OTHER_V4, "a", "w", false)],
        &[&[V6, V4], &[OTHER_V4]],
    ),
    (
        "two clones of two families with their own names",
        &[(0, V4, "a", "w1", true), (1, V6, "a", "w2", false)],
        &[&[V4], &[V6]],
    ),
    (
        "two clones of two families that get their own names later",
        &[
            (0, V4, "a", "w", true),
            (1, V6, "a", "w", true),
            (2, V4, "a", "w1", true),
            (3, V6, "a", "w2", true),
            (4, V4, "a", "w1", true),
            (5, V6, "a", "w2", false),
            (6, V4, "a", "w1", true),
        ],
        &[&[V4], &[V6]],
    ),
    (
        "a dual-stack machine that is renamed",
        &[
            (0, V4, "a", "w", true),
            (1, V6, "a", "w", true),
            (24, V4, "a", "new", true),
            (25, V6, "a", "new", true),
            (48, V4, "a", "new", true),
            (49, V6, "a", "new", true),
        ],
        &[&[V4, V6]],
    ),
    (
        "a dual-stack machine that is renamed and whose IPv6 is rarely used",
        &[
            (0, V4, "a", "w", true),
            (1, V6, "a", "w", true),
            (24, V4, "a", "new", true),
            (48, V4, "a", "new", true),
            (72, V4, "a", "new", true),
            (73, V6, "a", "new", true),
        ],
        &[&[V4, V6]],
    ),
    (
        "a dual-stack machine that is reinstalled",
        &[
            (0, V4, "a", "w", true),
            (1, V6, "a", "w", true),
            (24, V4, "b", "w", true),
            (25, V6, "b", "w", true),
            (48, V4, "b", "w", true),
        ],
        &[&[V4, V6]],
    ),
    (
        "an address of a pair that another machine has now",
        &[
            (0, V4, "a", "w", true),
            (1, V6, "a", "w", true),
            (24, V4, "b", "", true),
            (25, V6, "a", "w", false),
            (26, V4, "b", "", true),
        ],
        &[&[V4], &[V6]],
    ),
    (
        "a server that moved to another IPv4 address needs a Move, or a slot for a week",
        &[(0, V4, "a", "w", true), (24, OTHER_V4, "a", "w", false), (169, OTHER_V4, "a", "w", true)],
        &[&[V4], &[OTHER_V4]],
    ),
    (
        "a dual-stack server that moved to another IPv4 address",
        &[
            (0, V4, "a", "w", true),
            (1, V6, "a", "w", true),
            (100, V6, "a", "w", true),
            (167, OTHER_V4, "a", "w", false),
            (168, OTHER_V4, "a", "w", true),
            (200, V6, "a", "w", true),
        ],
        &[&[OTHER_V4, V6]],
    ),
    (
        "an attacker who copies the identity and the name to many servers",
        &[
            (0, V4, "a", "w", true),
            (1, V6, "a", "w", true),
            (2, OTHER_V4, "a", "w", false),
            (3, OTHER_64, "a", "w", false),
            (4, SAME_64, "a", "w", true),
            (5, V6, "a", "w", false),
            (6, "198.51.100.1", "a", "w", false),
            (7, "2001:db8:0:3::1", "a", "w", false),
            (8, V4, "a", "w", true),
        ],
        &[&[V4, SAME_64], &[OTHER_V4, OTHER_64], &[V6, "198.51.100.1"], &["2001:db8:0:3::1"]],
    ),
    (
        "an attacker with a new address of the /64 for each of many servers",
        &[
            (0, "2001:db8::1", "a", "w", true),
            (1, "2001:db8::2", "a", "w", true),
            (2, "2001:db8::3", "a", "w", true),
            (3, "2001:db8::4", "a", "w", true),
            (4, "2001:db8::5", "a", "w", true),
            (5, "2001:db8::6", "a", "w", false),
            (6, "2001:db8::7", "a", "w", false),
            (30, "2001:db8::1", "a", "w", false),
        ],
        &[&["2001:db8::5"], &["2001:db8::1"]],
    ),
];

#[test]
fn with_one_slot_clones_are_refused_and_pairs_are_not() {
    for (what, signs, _) in TABLE {
        let mut site = Site::new(1);
        for (hours, address, identity, hostname, granted) in *signs {
            let found = site.ask(*hours, address, identity, hostname);
            assert_eq!(found, *granted, "{what}: {address} after {hours} hours, {:?}", site.addresses());
        }
        assert_eq!(site.plan, "free");
    }
}

#[test]
fn with_any_number_of_slots_each_server_takes_one() {
    for (what, signs, expected) in TABLE {
        // The moved server is a new one after a week, and takes in what is left of the old one's addresses only then.
        let mut site = Site::new(0);
        for (hours, address, identity, hostname, _) in *signs {
            assert!(site.ask(*hours, address, identity, hostname), "{what}: {address} after {hours} hours");
        }
        let found = site.addresses();
        let expected: Vec<Vec<String>> =
            expected.iter().map(|server| server.iter().map(|ip| (*ip).to_owned()).collect()).collect();
        if !what.starts_with("a dual-stack server that moved") {
            assert_eq!(found, expected, "{what}");
        }
    }
}

#[test]
fn each_side_of_a_pair_keeps_its_last_sign_and_the_slot_that_of_both() {
    let mut site = Site::new(1);
    for (hours, address) in [(0, V4), (1, V6), (24, V4), (30, V6), (48, V4)] {
        assert!(site.ask(hours, address, "a", "w"));
    }
    let hours = |hours: u64| START.plus(Duration::from_secs(hours * 3600));
    let servers = site.servers();
    let [server] = servers.as_slice() else { panic!("{servers:?}") };
    assert_eq!((server.last_seen_at, server.started_at), (hours(48), hours(0)));
    let signs: Vec<(String, Timestamp)> =
        server.addresses.iter().map(|side| (side.ip.to_string(), side.last_seen_at)).collect();
    assert_eq!(signs, [(V4.to_owned(), hours(48)), (V6.to_owned(), hours(30))]);
    assert_eq!(site.actions(), [Action::Activated, Action::Paired], "a refresh has no history");
    // One side alone keeps the slot, and the other is forgotten after 30 days.
    for day in 3..34 {
        assert!(site.ask(day * 24, V6, "a", "w") && !site.ask(day * 24, OTHER_V4, "b", "x"), "day {day}");
    }
    assert_eq!(site.addresses(), [[V6]]);
    assert_eq!(site.actions().last(), Some(&Action::Separated));
}

#[test]
fn revoke_and_move_of_either_address_act_on_both() {
    for address in [V4, V6] {
        let ip: IpAddr = address.parse().unwrap();
        let other = if address == V4 { V6 } else { V4 };
        let mut site = Site::new(1);
        assert!(site.ask(0, V4, "a", "w") && site.ask(0, V6, "a", "w"));
        let revoked = site.scratch.change(START, |transaction| actions::revoke(transaction, &operator(), 1, ip, None));
        assert_eq!(revoked, format!("{address} and {other}, one server, revoked. Its slot on license 1 is free."));
        assert!(site.servers().is_empty() && site.ask(1, OTHER_V4, "b", "x"));

        let mut site = Site::new(1);
        assert!(site.ask(0, V4, "a", "w") && site.ask(0, V6, "a", "w"));
        let to: IpAddr = "198.51.100.7".parse().unwrap();
        let moved = site.scratch.change(START, |transaction| actions::move_to(transaction, &operator(), 1, ip, to));
        assert!(
            moved.starts_with(&format!("License 1 moved from {address} and {other}, one server, to 198.51.100.7.")),
            "{moved}"
        );
        assert_eq!(site.addresses(), [["198.51.100.7"]]);
        assert!(!site.ask(1, V4, "b", "x") && site.ask(1, "198.51.100.7", "a", "w") && site.ask(2, V6, "a", "w"));
    }
}

#[test]
fn an_address_of_another_pair_is_taken() {
    let mut site = Site::new(5);
    assert!(site.ask(0, V4, "a", "w") && site.ask(0, V6, "a", "w") && site.ask(0, OTHER_V4, "b", "x"));
    let (from, to) = (OTHER_V4.parse().unwrap(), V6.parse().unwrap());
    let refused = site.scratch.try_change(START, |transaction| actions::move_to(transaction, &operator(), 1, from, to));
    assert!(matches!(refused, Err(actions::Refusal::Conflict(_))), "{refused:?}");
    // Between its own addresses the server can move.
    let from = V4.parse().unwrap();
    let moved = site.scratch.change(START, |transaction| actions::move_to(transaction, &operator(), 1, from, to));
    assert_eq!(moved, format!("License 1 moved from {V4} to {V6}."));
    assert_eq!(site.addresses(), [[V6], [OTHER_V4]]);
}

#[test]
fn two_activations_become_one_when_the_identity_is_known() {
    for (first, second) in [(V4, V6), (V6, V4)] {
        let mut site = Site::new(5);
        // Panels send no identity.
        assert!(site.ask(0, first, "", "") && site.ask(0, second, "", ""));
        assert!(site.ask(1, second, "a", "w"));
        assert_eq!(site.addresses(), [[first], [second]]);
        assert!(site.ask(1, first, "a", "w"));
        assert_eq!(site.addresses(), [[first, second]]);
    }
}

#[test]
fn a_pair_counts_once_in_the_order_of_activation() {
    let mut site = Site::new(5);
    for (address, identity) in [(V4, "a"), (V6, "a"), (OTHER_V4, "b"), (OTHER_64, "b"), ("198.51.100.1", "c")] {
        assert!(site.ask(0, address, identity, ""));
    }
    let change = Change::SetPlan("free".to_owned());
    let context = ChangeContext { actor: &operator(), seen: None };
    site.scratch.change(START, |transaction| actions::change(transaction, &context, 1, &change).map(drop));
    for (address, identity, granted) in
        [(V4, "a", true), (V6, "a", true), (OTHER_V4, "b", false), (OTHER_64, "b", false), ("198.51.100.1", "c", false)]
    {
        assert_eq!(site.ask(1, address, identity, ""), granted, "{address}");
    }
}
