//! After a restore, what was used up since the backup stays used up, and what was delivered stays delivered.

use super::second_factors::{code, enrol, first_step, send_code};
use super::users::path_in;
use super::visitor::Visitor;
use super::*;
use crate::support::process::START;
use opterius_license_server::model::Attempt;
use rustix::process::Signal;
use std::fs;

/// Runs a command that must succeed; returns its output.
fn run(server: &LicenseServerProcess, words: &[&str]) -> String {
    let output = server.run(words);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{words:?}: {text}");
    text
}

fn backup(server: &LicenseServerProcess) -> String {
    let file = server.directory().join("backup.db").display().to_string();
    run(server, &["backup", &file]);
    file
}

fn stop(server: &LicenseServerProcess) {
    server.signal(Signal::TERM);
    assert!(server.wait_exit(START).success());
}

/// The status of signing in with this code as the second step.
fn sign_in_with(server: &LicenseServerProcess, code: &str) -> u16 {
    let mut visitor = Visitor::new(server);
    let ticket = first_step(&mut visitor, OWNER);
    send_code(&mut visitor, &ticket, code).status
}

/// The states of the deliveries of webhook 1, oldest first.
fn deliveries(server: &LicenseServerProcess) -> Vec<String> {
    let shown: Value = serde_json::from_str(&run(server, &["webhook", "show", "1", "--json"])).unwrap();
    let deliveries = shown["deliveries"].as_array().unwrap().iter();
    deliveries.rev().map(|delivery| delivery["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn codes_and_links_that_were_used_since_the_backup_stay_used() {
    let mut server = server();
    let (secret, codes) = enrol(&mut Visitor::signed_in(&server, OWNER));
    let link = path_in(&run(&server, &["user", "reset", OTHER_OWNER]));
    let file = backup(&server);
    let used = code(&secret, 0);
    assert_eq!(sign_in_with(&server, &used), 303);
    assert_eq!(sign_in_with(&server, &codes[0]), 303);
    run(&server, &["user", "disable", OTHER_ADMINISTRATOR]);
    stop(&server);

    let said = run(&server, &["restore", &file, "--yes"]);
    for expected in ["1 recovery code is void", "no earlier link sets a password", "user disabled", OTHER_ADMINISTRATOR]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    server.restart();
    assert_eq!(sign_in_with(&server, &used), 422);
    assert_eq!(sign_in_with(&server, &codes[0]), 422);
    assert_eq!(Visitor::new(&server).get(&link).status, 404);
    assert_eq!(sign_in_with(&server, &codes[1]), 303, "what was not used is valid");
}

#[test]
fn what_was_delivered_since_the_backup_is_not_sent_again_and_what_waits_is_sent() {
    let server = server();
    run(&server, &["webhook", "add", "https://shop.example.com/hook", "--events", "license.created"]);
    server.database.license("free");
    server.database.license("free");
    let file = backup(&server);
    let attempt = Attempt { is_accepted: true, next_at: None, status: Some(200), answer: "thanks".to_owned() };
    server.database.change(|transaction| Ok(transaction.record_attempt(1, 1, &attempt)?));
    stop(&server);
    let said = run(&server, &["restore", &file, "--yes"]);
    assert!(!said.contains("withheld"), "{said}");
    assert_eq!(deliveries(&server), ["delivered", "pending"]);
}

#[test]
fn without_the_replaced_database_nothing_is_sent_twice_and_no_recovery_code_is_valid() {
    let mut server = server();
    let (_, codes) = enrol(&mut Visitor::signed_in(&server, OWNER));
    run(&server, &["webhook", "add", "https://shop.example.com/hook", "--events", "license.created"]);
    server.database.license("free");
    let file = backup(&server);
    stop(&server);
    let database = server.database.data_dir.database_file().unwrap();
    fs::write(database, "damaged").unwrap();
    let said = run(&server, &["restore", &file, "--yes"]);
    for expected in
        ["No previous database can be read", "10 recovery codes are void", "1 event is withheld", "webhook replay ID"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(deliveries(&server), ["given_up"]);
    run(&server, &["webhook", "replay", "1"]);
    assert_eq!(deliveries(&server), ["pending"]);
    server.restart();
    assert_eq!(sign_in_with(&server, &codes[1]), 422);
}
