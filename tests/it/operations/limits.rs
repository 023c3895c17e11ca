//! The account limit holds under concurrency, and operations stay fast under load.

use super::{soon_as_before, state};
use crate::support::http::PROMPTLY;
use crate::support::panel::{Answer, Panel, answer, further_site, site};
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

const ATTEMPTS: usize = 100;

fn name(number: usize) -> (String, String) {
    (format!("user{number}"), format!("site{number}.example"))
}

#[test]
fn of_100_concurrent_creations_only_the_allowed_number_succeeds() {
    let panel = Panel::on_a_tree(5);
    let answers: Vec<Answer> = thread::scope(|scope| {
        let create = |number| {
            let (username, domain) = name(number);
            panel.create(&username, &domain)
        };
        let threads: Vec<_> = (0..ATTEMPTS).map(|number| scope.spawn(move || create(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    exactly_five_succeeded(&panel, &answers);
}

#[test]
fn of_100_concurrent_helpers_only_the_allowed_number_succeeds() {
    let panel = Panel::on_a_tree(5);
    let helper = panel.helper().allowing(5);
    let start = |number| {
        let (username, domain) = name(number);
        helper.start("/domains/create", &site(&username, &domain))
    };
    let helpers: Vec<_> = (0..ATTEMPTS).map(start).collect();
    let answers: Vec<Answer> = helpers.into_iter().map(answer).collect();
    exactly_five_succeeded(&panel, &answers);
}

/// Exactly five accounts exist, and the other requests got an explanation.
fn exactly_five_succeeded(panel: &Panel, answers: &[Answer]) {
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(refused.len(), ATTEMPTS - 5, "{refused:#?}");
    for answer in refused {
        assert!(answer.is(403, "account_limit_reached"), "{answer:?}");
        let Answer { body, .. } = answer;
        assert_eq!((&body["used"], &body["limit"], &body["plan"]), (&json!(5), &json!(5), &json!("free")), "{body}");
        assert!(body["help"].is_string(), "{body}");
    }
    let succeeded = answers.iter().enumerate().filter(|(_, answer)| answer.status == 200);
    let mut expected: Vec<String> = succeeded.map(|(number, _)| name(number).0).collect();
    let mut accounts = panel.usernames();
    expected.sort();
    accounts.sort();
    assert_eq!(accounts, expected);
    // The refused creations left nothing behind.
    let users = panel.read("/etc/passwd").lines().filter(|line| line.starts_with("user")).count();
    let homes = panel.path("/home").read_dir().unwrap().count();
    let sites = panel.path("/etc/nginx/sites-available").read_dir().unwrap().count();
    assert_eq!((users, homes, sites), (5, 5, 5));
}

#[test]
fn after_a_downgrade_accounts_stay_manageable() {
    let panel = Panel::on_a_tree(3);
    for number in 0..3 {
        let (username, domain) = name(number);
        panel.created(&username, &domain);
    }
    panel.create("user3", "site3.example").refuses(403, "account_limit_reached");
    panel.change_limit(1);
    let refusal = panel.create("user3", "site3.example");
    refusal.refuses(403, "account_limit_reached");
    assert_eq!((&refusal.body["used"], &refusal.body["limit"]), (&json!(3), &json!(1)));

    let further = further_site("user0", "blog.site0.example", "site0.example");
    panel.post("/domains/create", &further).ok();
    panel.created("user1", "site1.example");
    panel.post("/account/password", &json!({"username": "user2", "password": "correct horse"})).ok();
    panel.suspend("user2").ok();
    panel.unsuspend("user2").ok();
    panel.delete("user2").ok();
    panel.delete("user1").ok();
    panel.create("user3", "site3.example").refuses(403, "account_limit_reached");
    panel.delete("user0").ok();
    panel.created("user3", "site3.example");
    // 0 means unlimited.
    panel.change_limit(0);
    panel.created("user4", "site4.example");
}

#[test]
fn concurrent_operations_on_accounts_do_not_interfere() {
    let panel = Panel::on_a_tree(0);
    panel.created("first", "first.example");
    panel.delete("first").ok();
    let before = state(&panel);
    let (panel, before) = (&panel, &before);
    let live = move |number: usize| {
        let (username, domain) = name(number);
        let further = further_site(&username, &format!("blog.{domain}"), &domain);
        panel.created(&username, &domain);
        panel.post("/domains/create", &further).ok();
        panel.suspend(&username).ok();
        panel.unsuspend(&username).ok();
        assert_eq!(panel.account(&username).unwrap()["domains"].as_array().unwrap().len(), 2);
        panel.post("/domains/delete", &further).ok();
        panel.delete(&username).ok();
    };
    thread::scope(|scope| (0..6).for_each(|number| _ = scope.spawn(move || live(number))));
    soon_as_before(panel, before, &[], "all accounts are deleted");
}

#[test]
fn suspensions_and_password_changes_run_concurrently() {
    let panel = Panel::on_a_tree(0);
    for username in ["alice", "bob"] {
        panel.created(username, &format!("{username}.example"));
    }
    let password = json!({"username": "bob", "password": "correct horse"});
    thread::scope(|scope| {
        let suspensions = scope.spawn(|| {
            for _ in 0..8 {
                panel.suspend("alice").ok();
                panel.unsuspend("alice").ok();
            }
        });
        while !suspensions.is_finished() {
            panel.post("/account/password", &password).ok();
        }
        suspensions.join().unwrap();
    });
}

#[test]
fn operations_are_still_fast_after_1000_others() {
    const EACH: usize = 250;
    let panel = Panel::on_a_tree(0);
    panel.created("alice", "alice.example");
    let before = panel.agent.footprint();
    let start_time = Instant::now();
    let absent = json!({"username": "missing-user", "domains": [], "action": "suspend"});
    let client = || {
        for number in 0..EACH {
            let answer = match number % 10 {
                0 => panel.create("alice", "alice.example"),
                5 => panel.post("/ssl/status", &json!({"domain": "alice.example"})),
                _ => panel.post("/account/suspend", &absent),
            };
            assert!(matches!(answer.status, 200 | 404), "{number}: {answer:?}");
        }
    };
    thread::scope(|scope| (0..1000 / EACH).for_each(|_| _ = scope.spawn(client)));
    println!("1,000 operations in {:?}", start_time.elapsed());
    let start_time = Instant::now();
    panel.created("bob", "bob.example");
    assert!(start_time.elapsed() < PROMPTLY + Duration::from_secs(2), "{:?}", start_time.elapsed());
    panel.agent.gives_back(&before).unwrap();
    assert_eq!(panel.usernames().len(), 2);
}
