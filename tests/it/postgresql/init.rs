//! `init` that is killed: repeated, it completes the installation with the keys that the database names.

use crate::support::license_server_process::{command_words, config_path};
use crate::support::postgresql::{Cluster, ROLE, ScratchDatabase};
use crate::support::process::{self, Process, START};
use crate::support::{SOON, TempDirectory, eventually};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The time of an `init` is cut into as many pieces; it is killed after each.
const ROUNDS: u32 = 20;

/// A directory with a configuration for the database.
fn directory(uri: &str) -> TempDirectory {
    let directory = TempDirectory::new();
    let data = directory.path().join("data").display().to_string();
    let text = format!("data_dir={data}\ndatabase={uri}\nport=0\nlog=stderr\n");
    fs::write(config_path(directory.path()), text).unwrap();
    directory
}

fn start(directory: &Path, word: &str) -> Process {
    Process::start(process::command(&command_words(directory, &[word])))
}

/// Runs a command; returns its exit code and output.
fn run(directory: &Path, word: &str) -> (Option<i32>, String) {
    let process = start(directory, word);
    let code = process.wait_exit(START).code();
    (code, process.lines().join("\n"))
}

fn kill(process: &Process) {
    process.signal(Signal::KILL);
    process.wait_exit(START);
}

fn keys(directory: &Path) -> PathBuf {
    directory.join("data/signing-keys.json")
}

/// The keys that `init` has stored, before they have their name.
fn begun(directory: &Path) -> PathBuf {
    directory.join("data/signing-keys.begun.json")
}

/// Repeats `init`, after which the installation is whole and nothing else is left.
fn repeat(directory: &Path, what: &str) {
    let (code, output) = run(directory, "init");
    assert!(code == Some(0) || (code == Some(1) && output.contains("already exists")), "{what}: {code:?} {output}");
    let (code, output) = run(directory, "check");
    assert_eq!(code, Some(0), "{what}: {output}");
    let entries = fs::read_dir(directory.join("data")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    let left = names.iter().find(|name| name.contains("begun") || name.contains("unfinished"));
    assert_eq!(left, None, "{what}");
}

#[test]
fn init_recovers_from_a_kill_at_any_moment() {
    let whole = {
        let database = ScratchDatabase::empty();
        let began = Instant::now();
        repeat(directory(&database.uri()).path(), "without a kill");
        began.elapsed()
    };
    for round in 0..ROUNDS {
        let database = ScratchDatabase::empty();
        let directory = directory(&database.uri());
        let killed = start(directory.path(), "init");
        let until = Instant::now() + whole * round / ROUNDS;
        while Instant::now() < until {
            std::thread::park_timeout(Duration::from_micros(200));
        }
        kill(&killed);
        repeat(directory.path(), &format!("round {round}"));
    }
}

/// The standby is gone, so the commit waits; the process that waits for it is killed, and the commit is made.
#[test]
fn init_that_is_killed_in_its_commit_is_completed() {
    let cluster = Cluster::start();
    let directory = directory(&cluster.uri());
    let wait_for = |name: &str| {
        cluster.psql(&format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'"));
        cluster.psql("SELECT pg_reload_conf()");
    };
    wait_for("absent");
    let killed = start(directory.path(), "init");
    let waits = || cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1";
    assert!(eventually(SOON, waits), "the commit does not wait");
    kill(&killed);
    assert!(!keys(directory.path()).exists());
    let stored = fs::read(begun(directory.path())).unwrap();
    wait_for("");
    let is_over = || cluster.psql(&format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{ROLE}'")) == "0";
    assert!(eventually(SOON, is_over), "the commit is not made");
    let named = cluster.psql("SELECT value FROM settings WHERE name = 'signing_keys'");
    repeat(directory.path(), "after the commit");
    assert_eq!(fs::read(keys(directory.path())).unwrap(), stored);
    assert!(String::from_utf8(stored).unwrap().contains(&named));
}

#[test]
fn keys_without_a_database_are_used_and_never_deleted() {
    let database = ScratchDatabase::empty();
    let first = directory(&database.uri());
    repeat(first.path(), "whole");
    let stored = fs::read(keys(first.path())).unwrap();
    let kill_before_last_step = || fs::rename(keys(first.path()), begun(first.path())).unwrap();
    // After the commit.
    kill_before_last_step();
    repeat(first.path(), "after the commit");
    assert_eq!(fs::read(keys(first.path())).unwrap(), stored);
    // The database is another installation's: neither is changed.
    kill_before_last_step();
    let other = ScratchDatabase::empty();
    repeat(directory(&other.uri()).path(), "another");
    let settings = || other.psql("SELECT string_agg(name || ' ' || value, ' ' ORDER BY name) FROM settings");
    let before = settings();
    let text = fs::read_to_string(config_path(first.path())).unwrap();
    fs::write(config_path(first.path()), text.replace(&database.uri(), &other.uri())).unwrap();
    let (code, output) = run(first.path(), "init");
    assert!(code != Some(0) && output.contains("not empty"), "{output}");
    assert!(!keys(first.path()).exists());
    assert_eq!(settings(), before);
    assert_eq!(fs::read(begun(first.path())).unwrap(), stored);
    // Before the commit: the database is empty.
    let empty = ScratchDatabase::empty();
    fs::write(config_path(first.path()), text.replace(&database.uri(), &empty.uri())).unwrap();
    repeat(first.path(), "before the commit");
    assert_eq!(fs::read(keys(first.path())).unwrap(), stored);
}
