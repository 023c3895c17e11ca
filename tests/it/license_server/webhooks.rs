//! Webhooks: the real server and the real deliverer, with receivers over real TLS. What arrives is judged at the receiver.

use super::*;
use crate::support::SOON;
use crate::support::TempDirectory;
use crate::support::fake_license_server::{Behavior, FakeLicenseServer, ReceivedRequest, Reply};
use crate::support::license_server_process::{command_words, config_path};
use crate::support::process::{self, Process};
use opterius_license_server::model::EventType;
use opterius_license_server::webhooks::receiver_address::Receivers;
use ring::hmac::{HMAC_SHA256, Key, verify};
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Instant;

/// The time that one delivery may take, and some for a loaded machine.
const ATTEMPT: Duration = Duration::from_secs(18);

/// A license server whose webhooks trust the certificates of these receivers and may have private addresses.
pub(super) fn server(receivers: &[&FakeLicenseServer], private: bool) -> LicenseServerProcess {
    let builder = LicenseServerProcess::builder();
    let authorities = builder.directory().join("authorities.pem");
    let pem: String = receivers.iter().map(|receiver| receiver.ca_pem()).collect();
    fs::write(&authorities, pem).unwrap();
    builder
        .set("webhook_ca_file", &authorities.display().to_string())
        .set("webhook_private_targets", if private { "yes" } else { "no" })
        .start()
}

pub(super) fn deliverer(directory: &Path) -> Process {
    let process = Process::start(process::command(&command_words(directory, &["deliver"])));
    let started = process.wait_for_line(|line| line.contains("delivering events"), START);
    assert!(started.is_some(), "{:#?}", process.lines());
    process
}

/// A receiver over TLS that accepts everything.
pub(super) fn receiver() -> FakeLicenseServer {
    let receiver = FakeLicenseServer::start();
    receiver.reply(Reply::raw(200, "thanks"));
    receiver
}

/// Adds a webhook; returns its number and its secret.
fn add(server: &LicenseServerProcess, url: &str) -> (String, String) {
    let added = json_of(server, &["webhook", "add", url, "--json"]);
    (added["id"].to_string(), added["secret"].as_str().unwrap().to_owned())
}

pub(super) fn json_of(server: &LicenseServerProcess, words: &[&str]) -> Value {
    let output = server.run(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The deliveries of a webhook, newest first.
fn deliveries(server: &LicenseServerProcess, webhook: &str) -> Vec<Value> {
    json_of(server, &["webhook", "show", webhook, "--json"])["deliveries"].as_array().unwrap().clone()
}

/// Asserts that the request is signed with the secret over its exact body, by an implementation of the test's own.
pub(super) fn assert_signed_with(request: &ReceivedRequest, secret: &str) {
    let header = request.header("Opterius-Signature").unwrap();
    let (time, signatures) = header.split_once(',').unwrap();
    let time = time.strip_prefix("t=").unwrap();
    let message = [time.as_bytes(), b".", &request.body].concat();
    let key = Key::new(HMAC_SHA256, secret.as_bytes());
    let is_right = |signature: &str| {
        let digits = signature.strip_prefix("v1=").unwrap();
        let bytes: Vec<u8> =
            (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
        verify(&key, &message, &bytes).is_ok()
    };
    assert!(signatures.split(',').any(is_right), "{header}");
    let age = Timestamp::from_unix(time.parse().unwrap());
    let now = opterius_base::clock::Clock::wall(&opterius_base::clock::SystemClock);
    assert!(now.since(age).max(age.since(now)) < Duration::from_secs(60), "signed at {age}");
}

pub(super) fn event(request: &ReceivedRequest) -> &Value {
    request.json.as_ref().expect("a body of JSON")
}

pub(super) fn types(receiver: &FakeLicenseServer) -> Vec<String> {
    receiver.received().iter().map(|request| event(request)["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn events_arrive_signed_at_the_receivers_that_want_them() {
    let (all, some) = (receiver(), receiver());
    let server = server(&[&all, &some], true);
    let (_, secret) = add(&server, &format!("{}/hook?shop=1", all.url()));
    let words = ["webhook", "add", &some.url(), "--events", "server.activated,license.cancelled", "--json"];
    let added = json_of(&server, &words);
    assert_eq!(added["events"], json!(["license.cancelled", "server.activated"]));
    let _deliverer = deliverer(server.directory());

    let license = server.database.license("free");
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
    let id = license.id.to_string();
    for words in [["license", "suspend"], ["license", "resume"], ["license", "cancel"]] {
        assert!(server.run(&[&words[..], &[&id]].concat()).status.success());
    }
    assert!(all.wait_for(5, SOON) && some.wait_for(2, SOON), "{:?} {:?}", types(&all), types(&some));
    let expected = ["license.created", "server.activated", "license.suspended", "license.resumed", "license.cancelled"];
    assert_eq!(types(&all), expected);
    assert_eq!(types(&some), ["server.activated", "license.cancelled"]);
    for request in all.received() {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook?shop=1"));
        assert_signed_with(&request, &secret);
        let event = event(&request);
        assert_eq!(request.header("Opterius-Event-Id"), event["id"].as_str());
        assert_eq!(request.header("Opterius-Event-Type"), event["type"].as_str());
        assert_eq!(event["data"]["license"]["id"], license.id);
        assert!(!String::from_utf8_lossy(&request.body).contains(&license.key), "the key left the house: {event}");
    }
    let ids = |receiver: &FakeLicenseServer| {
        receiver.received().iter().map(|request| event(request)["id"].to_string()).collect::<BTreeSet<_>>()
    };
    assert_eq!(ids(&all).len(), 5);
    assert!(ids(&some).is_subset(&ids(&all)), "one event has one id for all receivers");
    assert_eq!(event(&all.received()[1])["data"]["server"]["ip"], SERVERS[0]);
    let history = server.database.history(None);
    assert!(history.iter().any(|event| event.action == Action::WebhookAdded && event.detail.contains("localhost")));
}

#[test]
fn a_test_shows_the_answer_and_a_replay_has_the_same_id() {
    let receiver = receiver();
    let server = server(&[&receiver], true);
    let (webhook, old) = add(&server, &receiver.url());
    let run = |words: &[&str]| {
        let output = server.run(words);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let _deliverer = deliverer(server.directory());
    let (code, text) = run(&["webhook", "test", &webhook]);
    assert!(code == Some(0) && text.contains("was delivered") && text.contains("200"), "{text}");
    let id = event(&receiver.received()[0])["id"].as_str().unwrap().to_owned();

    receiver.reply(Reply::raw(418, "no\u{1b}[2J tea\nhere"));
    let (code, text) = run(&["webhook", "test", &webhook]);
    assert!(code == Some(1) && text.contains("status 418 no [2J tea here"), "{text}");
    receiver.reply(Reply::raw(204, ""));
    let count = receiver.count();
    let secret = json_of(&server, &["webhook", "rotate", &webhook, "--json"])["secret"].as_str().unwrap().to_owned();
    let (code, text) = run(&["webhook", "replay", &webhook, &id]);
    assert_eq!(code, Some(0), "{text}");
    let is_back = || receiver.received()[count..].iter().any(|request| event(request)["id"] == id.as_str());
    assert!(eventually(SOON, is_back), "{:?}", types(&receiver));
    let replayed = receiver.received().into_iter().rfind(|request| event(request)["id"] == id.as_str()).unwrap();
    assert_signed_with(&replayed, &secret);
    assert_signed_with(&replayed, &old);
    let (code, text) = run(&["webhook", "replay", &webhook, "evt_x"]);
    assert!(code == Some(1) && text.contains("no such event"), "{text}");
    let (code, text) = run(&["webhook", "remove", &webhook]);
    assert!(code == Some(0) && text.contains("removed"), "{text}");
    assert_eq!(json_of(&server, &["webhook", "list", "--json"]), json!([]));
    let actions: Vec<Action> = server.database.history(None).iter().map(|event| event.action).collect();
    assert!(actions.ends_with(&[Action::WebhookAdded, Action::WebhookRotated, Action::WebhookRemoved]), "{actions:?}");
}

#[test]
fn hostile_receivers_hold_up_nobody_else() {
    let honest = receiver();
    let names = ["hang", "slow", "500", "long", "endless", "head", "redirect", "reset", "closed", "garbage"];
    let hostile: BTreeMap<&str, FakeLicenseServer> =
        names.iter().map(|name| (*name, FakeLicenseServer::start())).collect();
    let tick = Duration::from_millis(200);
    let fat = || vec![b'x'; 8 << 20];
    let replies = [
        ("hang", Reply::raw(200, "").behavior(Behavior::Hang)),
        ("slow", Reply::raw(200, "").behavior(Behavior::Slow { bytes: 1, tick })),
        ("500", Reply::raw(500, "out of order")),
        ("long", Reply::raw(500, "short").header("Content-Length", "1000000")),
        ("endless", Reply::raw(503, fat()).header("Content-Length", "10").behavior(Behavior::Answer)),
        ("head", Reply::raw(200, "").behavior(Behavior::Raw([b"HTTP/1.1 200 OK\r\n", &fat()[..]].concat()))),
        ("redirect", Reply::raw(307, "").header("Location", &format!("{}/stolen", honest.url()))),
        ("reset", Reply::raw(200, "").behavior(Behavior::Reset)),
        ("closed", Reply::raw(200, "").behavior(Behavior::CloseAtOnce)),
        ("garbage", Reply::raw(200, "").behavior(Behavior::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()))),
    ];
    for (name, reply) in replies {
        hostile[name].reply(reply);
    }
    let (expired, foreign) = (FakeLicenseServer::start_expired(), FakeLicenseServer::start_as("shop.example.com"));
    let unknown = FakeLicenseServer::start();
    let trusted: Vec<&FakeLicenseServer> = hostile.values().chain([&honest, &expired, &foreign]).collect();
    let server = server(&trusted, true);
    let mut webhooks: BTreeMap<&str, String> =
        hostile.iter().map(|(name, receiver)| (*name, add(&server, &receiver.url()).0)).collect();
    for (name, receiver) in [("expired", &expired), ("foreign", &foreign), ("unknown", &unknown)] {
        webhooks.insert(name, add(&server, &receiver.url()).0);
    }
    add(&server, &honest.url());
    let deliverer = deliverer(server.directory());
    server.database.license("free");
    assert!(hostile["hang"].wait_for(1, SOON), "the receiver that hangs was not asked");
    // While all of them are asked, and the one that hangs holds its connection, the honest one gets each event at once. The
    // first event stays among the 20 that are shown.
    for round in 0..18 {
        let (count, began) = (honest.count(), Instant::now());
        server.database.license("free");
        assert!(honest.wait_for(count.max(round + 2), Duration::from_secs(8)), "round {round}");
        assert!(began.elapsed() < Duration::from_secs(8), "round {round}: {:?}", began.elapsed());
    }
    let expected = [
        ("hang", "no answer in time"),
        ("slow", "no answer in time"),
        ("500", "out of order"),
        ("long", "short"),
        ("endless", "xxxxxxxxx"),
        ("head", "longer than 16384 bytes"),
        ("redirect", "redirects are not followed"),
        ("reset", "reset"),
        ("closed", "closed the connection"),
        ("garbage", "not HTTP"),
        ("expired", "expired"),
        ("foreign", "not valid for name"),
        ("unknown", "invalid peer certificate"),
    ];
    for (name, words) in expected {
        let first = || deliveries(&server, &webhooks[name]).pop().unwrap_or_default();
        assert!(eventually(ATTEMPT, || first()["attempts"] != 0), "{name}: {}", first());
        let first = first();
        let answer = first["answer"].as_str().unwrap();
        assert!(answer.contains(words) && answer.len() < 400, "{name}: {first}");
        assert_eq!(first["state"], "pending", "{name}: {first}");
        let listed = json_of(&server, &["webhook", "show", &webhooks[name], "--json"]);
        assert_eq!(listed["state"], "retrying", "{name}: {listed}");
    }
    assert_eq!(
        (expired.count(), foreign.count(), unknown.count()),
        (0, 0, 0),
        "an event went to an untrusted receiver"
    );
    assert!(types(&honest).iter().all(|name| name == "license.created"), "{:?}", types(&honest));
    assert!(honest.received().iter().all(|request| request.path == "/"), "a redirect was followed");
    let memory = fs::read_to_string(format!("/proc/{}/status", deliverer.pid())).unwrap();
    let peak =
        memory.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    assert!(peak.unwrap() < 100 * 1024, "{peak:?} KiB at the peak");
}

/// Both processes are killed again and again while licenses change. What the test has seen to be done must arrive, and
/// nothing else; what arrives twice has one id.
#[test]
fn no_event_is_lost_when_the_processes_are_killed() {
    let receiver = receiver();
    let mut server = server(&[&receiver], true);
    let (webhook, _) = add(&server, &receiver.url());
    let licenses = server.database.licenses("datacenter", 3);
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    // `licenses` makes one more.
    expected.insert("license.created".to_owned(), licenses.len() + 1);
    let mut current = deliverer(server.directory());
    let mut kills = 0;
    for round in 0_u64..12 {
        for number in 0..10 {
            let license = &licenses[1 + number % 2];
            assert_granted(&server.verify(&question(license, &format!("198.51.{round}.{number}"))));
            server.database.apply_change(licenses[0].id, Change::Suspend);
            server.database.apply_change(licenses[0].id, Change::Resume);
            for name in ["server.activated", "license.suspended", "license.resumed"] {
                *expected.entry(name.to_owned()).or_default() += 1;
            }
            if number == 4 {
                // In the middle of a delivery, sooner or later.
                let began = Instant::now();
                while began.elapsed() < Duration::from_micros(700 * round) {
                    std::hint::spin_loop();
                }
                current.kill();
                kills += 1;
                current = deliverer(server.directory());
            }
        }
        server.restart();
    }
    let pending = || json_of(&server, &["webhook", "show", &webhook, "--json"])["pending"].as_i64().unwrap();
    assert!(eventually(Duration::from_secs(60), || pending() == 0), "{} are pending", pending());
    let mut by_id: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for request in receiver.received() {
        let event = event(&request);
        let entry = by_id.entry(event["id"].to_string()).or_insert((event["type"].as_str().unwrap().to_owned(), 0));
        entry.1 += 1;
        assert_eq!(event["type"], entry.0.as_str(), "an id belongs to one event");
    }
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    for (name, _) in by_id.values() {
        *arrived.entry(name.clone()).or_default() += 1;
    }
    assert_eq!(arrived, expected, "what arrived (left) and what was done (right)");
    let again: usize = by_id.values().map(|(_, count)| count - 1).sum();
    assert!(again <= kills, "{again} events arrived again after {kills} kills");
    println!("{} events, {kills} kills, {again} arrived again", by_id.len());
}

#[test]
fn private_addresses_are_refused_however_they_are_written() {
    let receiver = receiver();
    let mut server = server(&[&receiver], false);
    let refused = |server: &LicenseServerProcess, url: &str| {
        let output = server.run(&["webhook", "add", url]);
        assert_eq!(output.status.code(), Some(1), "{url}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "[64:ff9b::7f00:1]"] {
        let sentence = refused(&server, &format!("https://{host}:{}/", receiver.port()));
        assert!(sentence.contains("webhook_private_targets=yes"), "{sentence}");
    }
    for host in ["2130706433", "0x7f000001", "0177.0.0.1", "127.1"] {
        assert!(refused(&server, &format!("https://{host}/")).contains("no host name"), "{host}");
    }
    assert!(refused(&server, "http://shop.example.com/").contains("https://"));
    assert!(refused(&server, "https://user:word@shop.example.com/").contains("user name or password"));

    // A name can be added, wherever it leads to at that moment. What counts is where it leads to when an event is sent.
    let (webhook, _) = add(&server, &receiver.url());
    let deliverer = deliverer(server.directory());
    server.database.license("free");
    let first = |server: &LicenseServerProcess| deliveries(server, &webhook).pop().unwrap_or_default();
    assert!(eventually(SOON, || first(&server)["attempts"] != 0), "{:#?}", deliverer.lines());
    let answer = first(&server)["answer"].as_str().unwrap().to_owned();
    assert!(answer.contains("localhost is not delivered to: 127.0.0.1"), "{answer}");
    assert_eq!(receiver.count(), 0);

    // With the settings changed, a reload is enough.
    server.rewrite_config(&[("webhook_private_targets", "yes")]);
    deliverer.signal(Signal::HUP);
    assert!(deliverer.wait_for_line(|line| line.contains("Reloaded"), START).is_some());
    let id = first(&server)["event"].as_str().unwrap().to_owned();
    assert!(server.run(&["webhook", "replay", &webhook, &id]).status.success());
    assert!(receiver.wait_for(1, SOON), "{}", first(&server));
}

#[test]
fn there_is_one_deliverer_and_it_needs_an_installation_but_no_keys() {
    let receiver = receiver();
    let server = server(&[&receiver], true);
    add(&server, &receiver.url());
    let keys = server.database.data_dir.keys_path();
    let hidden = keys.with_extension("hidden");
    fs::rename(&keys, &hidden).unwrap();
    let first = deliverer(server.directory());
    let second = Process::start(process::command(&command_words(server.directory(), &["deliver"])));
    assert_eq!(second.wait_exit(START).code(), Some(1));
    let lines = second.lines().join("\n");
    assert!(
        lines.contains("another deliverer is already running") && lines.contains(&first.pid().to_string()),
        "{lines}"
    );
    fs::rename(&hidden, &keys).unwrap();
    server.database.license("free");
    assert!(receiver.wait_for(1, SOON));

    first.signal(Signal::TERM);
    assert_eq!(first.wait_exit(START).code(), Some(0));
    // What happens meanwhile is sent later.
    server.database.license("free");
    let _third = deliverer(server.directory());
    assert!(receiver.wait_for(2, SOON));

    let empty = TempDirectory::new();
    let data = empty.path().join("data").display().to_string();
    fs::write(config_path(empty.path()), format!("data_dir={data}\nlog=stderr\n")).unwrap();
    let process = Process::start(process::command(&command_words(empty.path(), &["deliver"])));
    assert_eq!(process.wait_exit(START).code(), Some(78), "{:#?}", process.lines());
}

/// The days of the notices about a license, in order.
fn notices(server: &TimedLicenseServer, license: i64) -> Vec<u64> {
    let mut deliveries = server.database.read(|transaction| transaction.deliveries(1, None, 1000));
    deliveries.reverse();
    let about = deliveries.into_iter().filter(|delivery| delivery.license == Some(license));
    about.map(|delivery| if delivery.event_type == EventType::LicenseExpired { 0 } else { 1 }).collect()
}

#[test]
fn expiries_are_announced_once_each_also_after_downtime() {
    let server = TimedLicenseServer::start();
    let end = BEGINNING.plus(DAY * 40);
    server.database.change(|transaction| {
        let wanted = [EventType::LicenseExpiring, EventType::LicenseExpired];
        actions::add_webhook(transaction, &operator(), "https://shop.example.com", Some(&wanted), Receivers::Public)
    });
    let license = server.database.license_until("free", Some(end), None);
    let other = server.database.license("free");
    let mut announced = Vec::new();
    for _ in 0..39 {
        announced.push(server.announce_expiries());
        assert_eq!(server.announce_expiries(), 0, "announced twice");
        server.clock.pass(DAY);
    }
    // 30, 7 and 1 days before, on the 10th, the 33rd and the 39th day.
    let days: Vec<usize> = announced.iter().enumerate().filter(|(_, count)| **count > 0).map(|(day, _)| day).collect();
    assert_eq!(days, [10, 33]);
    // Nothing ran for two days: the license has expired meanwhile, and that is what is said.
    server.clock.pass(DAY * 2);
    assert_eq!(server.announce_expiries(), 1);
    assert_eq!(server.announce_expiries(), 0);
    assert_eq!(notices(&server, license.id), [1, 1, 0]);
    // A renewal makes them due again.
    server.database.apply_change(license.id, Change::Renew(Some(server.database.now().plus(DAY * 31))));
    assert_eq!(server.announce_expiries(), 0);
    server.clock.pass(DAY);
    assert_eq!(server.announce_expiries(), 1);
    assert_eq!(notices(&server, license.id), [1, 1, 0, 1]);
    assert_eq!(notices(&server, other.id), [] as [u64; 0]);
}

#[test]
fn a_refused_server_is_announced_once() {
    let receiver = receiver();
    let server = server(&[&receiver], true);
    let words = ["webhook", "add", &receiver.url(), "--events", "server.refused", "--json"];
    json_of(&server, &words);
    let _deliverer = deliverer(server.directory());
    let license = server.database.license("free");
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
    for _ in 0..5 {
        assert_no_slot(&server.verify(&question(&license, SERVERS[1])), 1, 1);
    }
    assert!(receiver.wait_for(1, SOON));
    assert_no_slot(&server.verify(&question(&license, SERVERS[2])), 1, 1);
    assert!(receiver.wait_for(2, SOON));
    let facts: Vec<(Value, Value)> = receiver
        .received()
        .iter()
        .map(|request| {
            (event(request)["data"]["server"]["ip"].clone(), event(request)["data"]["server"]["reason"].clone())
        })
        .collect();
    let expected = |ip: &str| (json!(ip), json!("server_limit_reached"));
    assert_eq!(facts, [expected(SERVERS[1]), expected(SERVERS[2])]);
}
