//! Backups in a series, and restoring one: nothing is mixed, lost or decided wrongly, however a restore ends.

use super::*;
use crate::support::license_server_process::command_words;
use crate::support::process::{self, Process};
use opterius_license_server::store::{self, Location};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Runs a command; returns its exit code and output.
fn run(server: &LicenseServerProcess, words: &[&str]) -> (Option<i32>, String) {
    let output = server.run(words);
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn stop(server: &LicenseServerProcess) {
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait_exit(START).success());
}

/// A backup of the running server.
fn backup(server: &LicenseServerProcess) -> PathBuf {
    let file = server.directory().join("backup.db");
    let (code, output) = run(server, &["backup", &file.display().to_string()]);
    assert_eq!(code, Some(0), "{output}");
    file
}

fn data(server: &LicenseServerProcess) -> PathBuf {
    server.directory().join("data")
}

/// The files of a directory with their contents, without locks and SQLite's shared memory.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    named
        .filter(|(name, _)| !name.ends_with(".lock") && !name.ends_with("-shm"))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

fn is_undecided(response: &Response) -> bool {
    assert_error(response, 503, "unavailable");
    assert!(retry_after(response) >= 60);
    response.text().contains("restored from a backup")
}

#[test]
fn a_restored_server_knows_the_backup_and_decides_nothing_about_unknown_keys() {
    let mut server = LicenseServerProcess::start();
    let [address, ..] = SERVERS;
    let before = server.database.license("free");
    assert_granted(&server.verify(&question(&before, address)));
    let file = backup(&server);
    let after = server.database.license("free");
    assert_granted(&server.verify(&question(&after, address)));
    let session = "INSERT INTO sessions";
    assert!(!fs::read(&file).unwrap().windows(session.len()).any(|part| part == session.as_bytes()));
    stop(&server);

    let (code, output) = run(&server, &["restore", &file.display().to_string(), "--yes"]);
    assert_eq!(code, Some(0), "{output}");
    for expected in
        ["Restored 1 license, as of 20", "signed out", "kept as", "licenses.replaced", "check", "systemctl start"]
    {
        assert!(output.contains(expected), "“{expected}” in {output}");
    }
    assert_eq!(run(&server, &["check"]).0, Some(0));
    server.restart();
    assert_granted(&server.verify(&question(&before, address)));
    assert!(is_undecided(&server.verify(&question(&after, address))));
    assert!(is_undecided(&server.verify(&json!({"key": "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD"}))));
    // The number of the lost license is not given out again.
    let next = server.database.license("free");
    assert!(next.id > after.id, "{} and {}", next.id, after.id);
    let history = server.run(&["history", "--all"]);
    assert!(String::from_utf8_lossy(&history.stdout).contains("restored"));
    // What was replaced is complete, and can be restored in turn.
    stop(&server);
    let replaced = data(&server).join("licenses.replaced");
    let other = server.directory().join("other.db");
    fs::rename(&replaced, &other).unwrap();
    let (code, output) = run(&server, &["restore", &other.display().to_string(), "--yes", "--undecided", "0h"]);
    assert_eq!(code, Some(0), "{output}");
    server.restart();
    assert_granted(&server.verify(&question(&after, address)));
    assert_denied(&server.verify(&json!({"key": "AAAA"})), "invalid_key", "License key is not known.");
}

#[test]
fn unknown_keys_are_decided_again_after_the_time() {
    let server = TimedLicenseServer::start();
    let unknown = json!({"key": "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD"});
    server.database.change(|transaction| Ok(transaction.set_unknown_keys_undecided_until(BEGINNING.plus(2 * DAY))?));
    assert!(is_undecided(&server.verify(&unknown)));
    server.clock.pass(2 * DAY - Duration::from_secs(1));
    assert!(is_undecided(&server.verify(&unknown)));
    server.clock.pass(Duration::from_secs(1));
    assert_denied(&server.verify(&unknown), "invalid_key", "License key is not known.");
}

#[test]
fn a_restore_that_is_refused_changes_nothing() {
    let server = LicenseServerProcess::start();
    server.database.license("free");
    let file = backup(&server);
    let word = file.display().to_string();
    let refused = |words: &[&str], code: i32, expected: &str| {
        let before = contents(&data(&server));
        let (found, output) = run(&server, words);
        assert!(found == Some(code) && output.contains(expected), "{words:?}: {found:?} {output}");
        assert_eq!(contents(&data(&server)), before, "{words:?}");
    };
    refused(&["restore", &word, "--yes"], 1, "systemctl stop opterius-license-server");
    stop(&server);
    refused(&["restore", &word], 1, "add --yes");
    refused(&["restore", "/nonexistent", "--yes"], 78, "/nonexistent: no such file");
    let bad = server.directory().join("bad.db");
    let write = |bytes: &[u8], mode| {
        fs::write(&bad, bytes).unwrap();
        fs::set_permissions(&bad, Permissions::from_mode(mode)).unwrap();
    };
    let bad_word = bad.display().to_string();
    let whole = fs::read(&file).unwrap();
    write(b"not a database, but long enough to be looked at as one: it has more than a hundred bytes, as the header has....", 0o600);
    refused(&["restore", &bad_word, "--yes"], 78, "not a database");
    write(&whole, 0o644);
    refused(&["restore", &bad_word, "--yes"], 78, "chmod 0600");
    write(&whole[..whole.len() / 2], 0o600);
    refused(&["restore", &bad_word, "--yes"], 78, "bad.db");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2..].fill(0x5a);
    write(&damaged, 0o600);
    refused(&["restore", &bad_word, "--yes"], 78, "bad.db: the backup is unusable");
    let stranger = LicenseServerProcess::start();
    stranger.database.license("free");
    let foreign = backup(&stranger).display().to_string();
    refused(&["restore", &foreign, "--yes"], 1, "another installation");
    // A command that still runs.
    let lock = server.database.data_dir.locks().lock_use().unwrap();
    refused(&["restore", &word, "--yes"], 1, "another command is using the database");
    drop(lock);
    // A process that another test starts at the same time can have the lock for a moment.
    assert!(eventually(START, || run(&server, &["restore", &word, "--yes"]).0 == Some(0)));
}

#[test]
fn a_restore_killed_at_any_moment_is_repeated_or_never_began() {
    let server = LicenseServerProcess::start();
    let kept = server.database.license("free");
    let file = backup(&server).display().to_string();
    let newer = server.database.license("free");
    stop(&server);
    for round in 0..40 {
        let command = process::command(&command_words(server.directory(), &["restore", &file, "--yes"]));
        let killed = Process::start(command);
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_micros(600 * round) {
            std::hint::spin_loop();
        }
        killed.signal(rustix::process::Signal::KILL);
        killed.wait_exit(START);
        let (code, output) = run(&server, &["check"]);
        if code != Some(0) {
            assert!(output.contains("a restore was interrupted") && output.contains("repeat it"), "{round}: {output}");
            assert_ne!(run(&server, &["init"]).0, Some(0), "an empty database would refuse every license");
            let (code, output) = run(&server, &["restore", &file, "--yes"]);
            assert_eq!(code, Some(0), "{round}: {output}");
            assert_eq!(run(&server, &["check"]).0, Some(0));
        }
        let listed = String::from_utf8(server.run(&["license", "list", "--json"]).stdout).unwrap();
        assert!(
            listed.contains(&format!("\"id\": {}", kept.id)) || listed.contains(&format!("\"id\":{}", kept.id)),
            "{listed}"
        );
    }
    let (code, output) = run(&server, &["restore", &file, "--yes"]);
    assert_eq!(code, Some(0), "{output}");
    assert!(server.database.license("free").id > newer.id);
    let names: Vec<String> = contents(&data(&server)).into_keys().collect();
    assert!(!names.iter().any(|name| name.contains("restor")), "{names:?}");
}

#[test]
fn a_full_disk_stops_a_restore_before_it_begins() {
    let builder = LicenseServerProcess::builder();
    let license = builder.database.license("business");
    let server = builder.on_disk("size=1m").start();
    let [address, ..] = SERVERS;
    assert_granted(&server.verify(&question(&license, address)));
    let program = crate::support::programs::license_server();
    let command = format!("{} --config $DIRECTORY/license-server.conf", Path::new(&program).display());
    // In the server's mount namespace, and beside a copy of its files, because the namespace ends with the server.
    server.inside(&format!(
        "{command} backup $DIRECTORY/disk.db
         mkdir -p $DIRECTORY/small; mount -t tmpfs none $DIRECTORY/small -o mode=0700,size=300k
         cp -a $DIRECTORY/disk/. $DIRECTORY/small; rm -f $DIRECTORY/small/*-wal $DIRECTORY/small/*-shm
         sed 's:/disk$:/small:' $DIRECTORY/license-server.conf >$DIRECTORY/small.conf
         dd if=/dev/zero of=$DIRECTORY/small/filler bs=4k status=none 2>/dev/null || true
         (cd $DIRECTORY/small; sha256sum licenses.db signing-keys.json) >$DIRECTORY/before
         ! {} --config $DIRECTORY/small.conf restore $DIRECTORY/disk.db --yes 2>$DIRECTORY/said || exit 1
         (cd $DIRECTORY/small; sha256sum licenses.db signing-keys.json) >$DIRECTORY/after
         ls $DIRECTORY/small >$DIRECTORY/left",
        Path::new(&program).display()
    ));
    let read = |name: &str| fs::read_to_string(server.directory().join(name)).unwrap();
    assert!(read("said").contains("full"), "{}", read("said"));
    assert_eq!(read("before"), read("after"));
    assert!(!read("left").contains("restor"), "{}", read("left"));
}

#[test]
fn a_log_of_another_database_is_refused_and_not_applied() {
    let mut server = LicenseServerProcess::start();
    let [address, ..] = SERVERS;
    let license = server.database.license("free");
    let source = server.database.data_dir.database_file().unwrap().to_owned();
    let log = data(&server).join("licenses.db-wal");
    // A copy as an operator makes it, of the file alone, while the server is stopped.
    stop(&server);
    let copy = server.directory().join("copy.db");
    fs::copy(&source, &copy).unwrap();
    server.restart();
    for _ in 0..20 {
        server.database.license("free");
    }
    // These are in the file of the other database only.
    stop(&server);
    let later = server.directory().join("later.db");
    fs::copy(&source, &later).unwrap();
    fs::copy(&copy, &source).unwrap();
    server.restart();
    assert_granted(&server.verify(&question(&license, address)));
    server.kill();
    assert!(log.metadata().unwrap().len() > 0);
    fs::copy(&later, &source).unwrap();
    let before = contents(&data(&server));
    for words in [&["check"][..], &["serve"], &["license", "list"], &["user", "list"]] {
        let (code, output) = run(&server, words);
        assert!(code == Some(78) && output.contains("belongs to another database"), "{words:?}: {code:?} {output}");
        assert!(output.contains("licenses.db-wal") && output.contains("restore FILE"), "{output}");
        assert_eq!(contents(&data(&server)), before, "{words:?}");
    }
    fs::remove_file(&log).unwrap();
    let _ = fs::remove_file(data(&server).join("licenses.db-shm"));
    assert_eq!(run(&server, &["check"]).0, Some(0));
    server.restart();
}

#[test]
fn backups_of_a_series_are_made_when_due_and_the_oldest_deleted() {
    let server = LicenseServerProcess::start();
    server.database.license("free");
    let series = server.directory().join("series");
    let word = series.display().to_string();
    let every = |time: &str, keep: &str| run(&server, &["backup", &word, "--every", time, "--keep", keep]);
    let (code, output) = every("6h", "3");
    assert!(code == Some(1) && output.contains("install -d -m 0700"), "{output}");
    fs::create_dir(&series).unwrap();
    let old = ["licenses-20200101T000000Z.db", "licenses-20210101T000000Z.db", "licenses-20220101T000000Z.db"];
    old.iter().for_each(|name| fs::write(series.join(name), "old").unwrap());
    fs::write(series.join("licenses.db"), "not of the series").unwrap();
    let (code, output) = every("6h", "3");
    assert!(code == Some(0) && output.contains("Wrote ") && output.contains(old[0]), "{output}");
    let (code, output) = every("6h", "3");
    assert!(code == Some(0) && output.contains("no backup is due"), "{output}");
    let names: Vec<String> = contents(&series).into_keys().collect();
    let [first, second, made, other] = names.as_slice() else { panic!("{names:?}") };
    assert_eq!([first.as_str(), second, other], [old[1], old[2], "licenses.db"]);
    assert_eq!(store::check(&Location::File(series.join(made))).unwrap(), [] as [String; 0]);
    // Another user could plant names of the series, and have real backups deleted as the oldest.
    fs::set_permissions(&series, Permissions::from_mode(0o1777)).unwrap();
    let (code, output) = every("0h", "1");
    assert!(code == Some(1) && output.contains("other users can write") && output.contains("chmod go-w"), "{output}");
    fs::set_permissions(&series, Permissions::from_mode(0o700)).unwrap();
    // A backup that fails deletes nothing.
    fs::write(data(&server).join("licenses.restored"), "").unwrap();
    let (code, output) = every("0h", "1");
    assert!(code == Some(78) && output.contains("interrupted"), "{output}");
    assert_eq!(contents(&series).len(), 4);
}
