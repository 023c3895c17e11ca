//! The cache file: its content for the Panel, its state after a SIGKILL, and the daemon's reaction to unexpected files and
//! failing disks. Whatever happens to the file, the license in memory is unaffected.

use crate::license::{assert_active, assert_allowed, assert_refused, assert_restricted, at_once, denial, grant, with};
use crate::support::agent::{Agent, AgentBuilder, LICENSE_KEY};
use crate::support::fake_license_server::{Reply, SigningKey};
use crate::support::{SOON, eventually, pause, process};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

const KIB: usize = 1024;

/// A user ID that no user on the machine has.
const STRANGER: u32 = 65_534;

// --------------------------------------------------------------------------------------------------------------------
// The content for the Panel.

#[test]
fn the_top_level_is_a_license_answer_without_the_key() {
    // With the most restrictive umask, the Panel must still be able to read the file.
    let builder = Agent::builder().after_mounting("umask 077").own_license_server();
    let mut agent = builder.start_licensed();
    let answer = json!({
        "plan": {"slug": "business", "name": "Business"}, "max_accounts": 50, "max_domains": 40, "max_servers": 5,
        "expires_at": "2126-03-01 00:00:00", "message": "Welcome.", "subscription_status": "past_due",
        "cancel_at_period_end": true, "current_period_end": "2126-02-01", "customer": "alice@example.com",
        "features": ["a", "b"], "key": LICENSE_KEY,
    });
    agent.license_server().reply(Reply::json(200, with(json!({"valid": true}), answer)));
    agent.restart();
    agent.status_after_checks(1);
    let (text, cache) = (fs::read_to_string(agent.cache_path()).unwrap(), cache(&agent));
    let wanted = json!({
        "valid": true, "reason": null, "message": "Welcome.", "plan": "business", "max_accounts": 50,
        "max_domains": 40, "max_servers": 5, "expires_at": "2126-03-01T00:00:00Z", "subscription_status": "past_due",
        "cancel_at_period_end": true, "current_period_end": "2126-02-01",
    });
    let keys = top_level_keys(&text);
    assert_eq!(keys.last().map(String::as_str), Some("mac"), "the MAC covers everything before it");
    assert_eq!(keys.iter().filter(|key| *key == "mac" || *key == "agent").count(), 2, "{keys:?}");
    assert_eq!(seen_by_panel(&cache), wanted);
    assert!(!text.contains(LICENSE_KEY), "{text}");
    assert!(!text.contains("alice@example.com"), "{text}");
    let metadata = fs::metadata(agent.cache_path()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o644);
    assert_eq!(names(&agent), BTreeSet::from(OWN_FILES.map(str::to_owned)));
}

#[test]
fn a_missing_limit_is_filled_from_the_other() {
    let mut agent = Agent::licensed();
    for limit in ["max_accounts", "max_domains"] {
        agent.license_server().reply(Reply::json(200, json!({"valid": true, limit: 7})));
        agent.restart();
        agent.status_after_checks(1);
        let cache = cache(&agent);
        assert_eq!((&cache["max_accounts"], &cache["max_domains"]), (&json!(7), &json!(7)), "{cache}");
        // The Panel replaces a missing member with its default and fails on a wrong type.
        assert_eq!((cache.get("plan"), cache.get("max_servers"), cache.get("subscription_status")), (None, None, None));
    }
}

#[test]
fn the_file_follows_the_standing() {
    let mut agent = Agent::licensed();
    let granted = seen_by_panel(&cache(&agent));
    assert_eq!((&granted["valid"], &granted["message"]), (&json!(true), &json!("License is valid.")));

    agent.license_server().reply(denial("suspended", "Unpaid."));
    agent.reverify();
    let denied = with(granted.clone(), json!({"valid": false, "reason": "suspended", "message": "Unpaid."}));
    assert_eq!(seen_by_panel(&cache(&agent)), denied, "plan and limits are those of the latest grant");

    agent.license_server().reply(Reply::granted());
    agent.restart();
    agent.status_after_checks(1);
    assert_eq!(seen_by_panel(&cache(&agent)), granted);

    agent.license_server().pause();
    let status = agent.reverify().json();
    let graced = with(granted.clone(), json!({"message": status["message"]}));
    assert_eq!(status["state"], "grace");
    assert_eq!(seen_by_panel(&cache(&agent)), graced);
}

// --------------------------------------------------------------------------------------------------------------------
// SIGKILL.

const ROUNDS: u32 = 300;

#[test]
fn a_daemon_killed_at_any_moment_leaves_a_complete_old_or_new_file() {
    let mut agent = Agent::licensed();
    let mut last = "free".to_owned();
    let mut delay = Duration::from_millis(10);
    let mut kept = 0;
    for round in 0..ROUNDS {
        let next = format!("plan-{round}");
        agent.license_server().reply(large_grant(&next));
        let received = agent.license_server().count();
        agent.restart();
        assert!(agent.license_server().wait_for(received + 1, SOON), "no check in round {round}");
        pause(delay);
        agent.kill();
        let found = cache(&agent)["plan"].as_str().unwrap().to_owned();
        assert!(found == last || found == next, "round {round}: {found} is neither {last} nor {next}");
        let strays: BTreeSet<_> = names(&agent).into_iter().filter(|name| !OWN_FILES.contains(&&**name)).collect();
        assert!(strays.iter().all(|name| name == "license-cache.json.new"), "round {round}: {strays:?}");

        agent.license_server().pause();
        agent.restart();
        let status = agent.status();
        let actual = ["cache", "valid", "plan"].map(|key| status[key].clone());
        assert_eq!(json!(actual), json!(["ok", true, found]), "round {round}: {status}");
        agent.kill();
        agent.license_server().resume();
        // Kill a little later after finding the old file and a little earlier after the new one, so that most kills hit
        // the replacement.
        kept += u32::from(found == last);
        delay = if found == last { delay * 11 / 10 + Duration::from_micros(20) } else { delay * 9 / 10 };
        last = found;
    }
    assert!((ROUNDS / 10..ROUNDS * 9 / 10).contains(&kept), "the old file was found {kept} times of {ROUNDS}");
    agent.license_server().reply(Reply::granted());
    agent.restart();
    agent.status_after_checks(1);
    assert_eq!(names(&agent), BTreeSet::from(OWN_FILES.map(str::to_owned)), "leftovers are removed");
}

/// A grant of almost 64 KiB, so that writing it takes time.
fn large_grant(plan: &str) -> Reply {
    let mut reply = Reply::json(200, with(grant(), json!({"plan": plan})));
    reply.body.resize(63 * KIB, b' ');
    reply
}

// --------------------------------------------------------------------------------------------------------------------
// Unexpected files in its place.

/// What can be in place of the cache file: name, setup, and the status at start.
type Obstacle = (&'static str, fn(&Path), &'static str);

const OBSTACLES: [Obstacle; 7] = [
    ("a symbolic link", |path| symlink(path.with_file_name("agent.conf"), path).unwrap(), "it is a symbolic link"),
    ("a link to nowhere", |path| symlink("/nowhere/at/all", path).unwrap(), "it is a symbolic link"),
    ("a FIFO", |path| mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap(), "it is not a regular file"),
    ("a socket", |path| drop(UnixListener::bind(path).unwrap()), "No such device or address"),
    (
        "a device",
        |path| mknodat(CWD, path, FileType::CharacterDevice, Mode::RWXU, 0x105).unwrap(),
        "it is not a regular file",
    ),
    ("a file of 1 GB", |path| fs::File::create(path).unwrap().set_len(1 << 30).unwrap(), "it is larger than 256 KiB"),
    ("an empty file", |path| drop(fs::File::create(path).unwrap()), "it is empty"),
];

#[test]
fn an_unexpected_file_type_at_start_is_replaced_unread() {
    at_once(&OBSTACLES, |(name, obstruct, cause)| {
        let mut agent = Agent::licensed();
        let config = fs::read(agent.config_path()).unwrap();
        agent.kill();
        agent.license_server().pause();
        fs::remove_file(agent.cache_path()).unwrap();
        obstruct(&agent.cache_path());
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_restricted(&status, "none", "unreachable");
        let shown = status["cache"].as_str().unwrap();
        assert!(shown.starts_with("ignored: ") && shown.contains(cause), "{name}: {shown}");
        assert_eq!(lines_with(&agent, " ignored: "), 1, "{name}: {:#?}", agent.lines());
        let footprint = agent.footprint();
        assert!(footprint.peak_resident_kib < 64 * KIB, "{name}: {footprint:?}");

        agent.license_server().resume();
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_active(&status);
        assert_eq!(status["cache"], "ok", "{name}");
        assert_whole(&agent);
        assert!(fs::read(agent.config_path()).unwrap() == config, "{name}: the daemon wrote through the link");
    });
}

#[test]
fn an_unexpected_file_type_at_run_time_is_replaced() {
    at_once(&OBSTACLES, |(name, obstruct, _)| {
        let agent = Agent::licensed();
        let config = fs::read(agent.config_path()).unwrap();
        fs::remove_file(agent.cache_path()).unwrap();
        obstruct(&agent.cache_path());
        assert_active(&agent.status());
        let status = agent.reverify().json();
        assert_active(&status);
        assert_eq!(status["cache"], "ok", "{name}");
        assert_whole(&agent);
        assert!(fs::read(agent.config_path()).unwrap() == config, "{name}: the daemon wrote through the link");
    });
}

#[test]
fn an_unexpected_temporary_file_is_replaced() {
    at_once(&OBSTACLES, |(name, obstruct, _)| {
        let mut agent = Agent::licensed();
        let config = fs::read(agent.config_path()).unwrap();
        agent.kill();
        obstruct(&agent.directory().join("license-cache.json.new"));
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_active(&status);
        assert_eq!(status["cache"], "ok", "{name}");
        assert_whole(&agent);
        assert!(fs::read(agent.config_path()).unwrap() == config, "{name}: the daemon wrote through the link");
    });
}

#[test]
fn a_directory_in_place_of_the_file_is_reported_until_it_is_removed() {
    let table: [(&str, bool); 3] =
        [("license-cache.json", false), ("license-cache.json/full", false), ("license-cache.json.new", true)];
    at_once(&table, |(name, keeps_cache)| {
        let mut agent = Agent::licensed();
        agent.kill();
        if !keeps_cache {
            fs::remove_file(agent.cache_path()).unwrap();
        }
        fs::create_dir_all(agent.directory().join(name)).unwrap();
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_not_written(&agent, &status, "Is a directory");
        let ignored = lines_with(&agent, " ignored: it is not a regular file");
        assert_eq!(ignored, usize::from(!keeps_cache), "{:#?}", agent.lines());
        assert_eq!(lines_with(&agent, " not written: "), 1, "{:#?}", agent.lines());

        let top = name.split('/').next().unwrap();
        fs::remove_dir_all(agent.directory().join(top)).unwrap();
        let status = agent.reverify().json();
        assert_eq!(status["cache"], "ok", "{name}");
        assert_whole(&agent);
    });
}

#[test]
fn a_directory_that_replaces_the_file_at_run_time_is_reported_until_it_is_removed() {
    let agent = Agent::licensed();
    fs::remove_file(agent.cache_path()).unwrap();
    fs::create_dir(agent.cache_path()).unwrap();
    let status = agent.reverify().json();
    assert_not_written(&agent, &status, "Is a directory");
    assert_eq!(lines_with(&agent, " not written: "), 1, "{:#?}", agent.lines());
    assert_eq!(names(&agent), BTreeSet::from(OWN_FILES.map(str::to_owned)), "no other file is left");
    fs::remove_dir(agent.cache_path()).unwrap();
    assert_eq!(agent.reverify().json()["cache"], "ok");
    assert_whole(&agent);
}

#[test]
fn a_file_of_another_owner_is_accepted() {
    let mut agent = Agent::licensed();
    agent.license_server().pause();
    chown(agent.cache_path(), Some(STRANGER), Some(STRANGER)).unwrap();
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_eq!((&status["cache"], &status["state"]), (&json!("ok"), &json!("grace")), "{status}");
    agent.license_server().resume();
    agent.restart();
    assert_eq!(agent.status_after_checks(1)["cache"], "ok");
    assert_whole(&agent);
}

// --------------------------------------------------------------------------------------------------------------------
// Disks.

#[test]
fn a_missing_directory_is_reported_until_it_exists() {
    let builder = Agent::builder().own_license_server();
    let directory = builder.directory().join("later");
    let path = directory.join("license-cache.json");
    let agent = builder.set("license_cache", &path.display().to_string()).start_licensed();
    let status = agent.status_after_checks(1);
    assert_not_written(&agent, &status, "No such file or directory");
    fs::create_dir(directory).unwrap();
    assert_eq!(agent.reverify().json()["cache"], "ok");
    assert!(path.is_file());
}

#[test]
fn a_read_only_directory_is_reported_until_it_is_writable() {
    at_once(&["at start", "later"], |when| {
        let agent = with_disk(if *when == "at start" { "size=1m,ro" } else { "size=1m" }).start_licensed();
        if *when == "later" {
            assert_eq!(agent.status_after_checks(1)["cache"], "ok");
            inside(&agent, "mount -o remount,ro $DIRECTORY/disk");
        }
        let before = fs::read(disk(&agent).join("license-cache.json")).ok();
        let status = agent.reverify().json();
        assert_not_written(&agent, &status, "Read-only file system");
        assert_eq!(fs::read(disk(&agent).join("license-cache.json")).ok(), before, "{when}");
        inside(&agent, "mount -o remount,rw $DIRECTORY/disk");
        assert_eq!(agent.reverify().json()["cache"], "ok", "{when}");
        assert_eq!(names_in(&disk(&agent)), BTreeSet::from(["license-cache.json".to_owned()]));
    });
}

#[test]
fn a_full_disk_is_reported_until_there_is_space() {
    at_once(&[FILL, ROOM_FOR_A_PART], |filling| {
        let agent = with_disk("size=64k").start_licensed();
        let status = agent.status_after_checks(1);
        assert_eq!(status["cache"], "ok", "{status}");
        let before = fs::read(disk(&agent).join("license-cache.json")).unwrap();
        inside(&agent, filling);
        // A signed answer is stored completely, so this one does not fit.
        agent.license_server().reply(large_grant("business").signed(&SigningKey::generate()));
        let status = agent.reverify().json();
        assert_not_written(&agent, &status, "No space left on device");
        assert_eq!(status["plan"], "business", "the license in memory is the new one");
        assert!(fs::read(disk(&agent).join("license-cache.json")).unwrap() == before, "the old file was touched");
        let left = BTreeSet::from(["filler".to_owned(), "license-cache.json".to_owned()]);
        assert_eq!(names_in(&disk(&agent)), left, "a partial file takes up space");
        inside(&agent, "mount -o remount,size=1m $DIRECTORY/disk");
        assert_eq!(agent.reverify().json()["cache"], "ok");
        let cache: Value = serde_json::from_slice(&fs::read(disk(&agent).join("license-cache.json")).unwrap()).unwrap();
        assert_eq!(cache["plan"], "business");
    });
}

#[test]
fn a_full_disk_at_start_does_not_restrict_the_license() {
    let agent = with_disk(&format!("size=64k; {FILL}")).start_licensed();
    let status = agent.status_after_checks(1);
    assert_not_written(&agent, &status, "No space left on device");
    assert_eq!(lines_with(&agent, " not written: "), 1, "{:#?}", agent.lines());
}

#[test]
fn a_denial_that_cannot_be_written_leaves_no_earlier_grant_behind() {
    // Each obstacle, what undoes it, and whether the file can still be emptied or removed.
    let table = [
        (FILL, "rm $DIRECTORY/disk/filler", true),
        ("mount -o remount,ro $DIRECTORY/disk", "mount -o remount,rw $DIRECTORY/disk", false),
        // The file itself is a mount: it cannot be replaced or removed, but emptied.
        (
            "cp $DIRECTORY/disk/license-cache.json $DIRECTORY/alone; \
             mount --bind $DIRECTORY/alone $DIRECTORY/disk/license-cache.json",
            "umount $DIRECTORY/disk/license-cache.json; rm $DIRECTORY/disk/license-cache.json",
            true,
        ),
    ];
    at_once(&table, |(obstacle, undo, withdrawn)| {
        let agent = with_disk("size=1m").start_licensed();
        assert_eq!(agent.status_after_checks(1)["cache"], "ok");
        inside(&agent, obstacle);
        agent.license_server().reply(denial("suspended", "Unpaid."));
        let status = agent.reverify().json();
        assert_restricted(&status, "server", "suspended");
        let word = status["cache"].as_str().unwrap();
        assert!(word.starts_with("not written: "), "{word}");
        let end = if *withdrawn {
            "so that an earlier grant does not count again"
        } else {
            "after a restart without the license server an earlier grant counts again"
        };
        assert!(word.ends_with(end), "{obstacle}: {word}");
        let expected_line = |line: &str| line.contains(" not written: ") && line.ends_with(end);
        assert!(agent.wait_for_line(expected_line, SOON).is_some(), "{:#?}", agent.lines());

        let left = fs::read(disk(&agent).join("license-cache.json")).unwrap_or_default();
        assert_eq!(left.is_empty(), *withdrawn, "{obstacle}");
        inside(&agent, undo);
        assert_eq!(agent.reverify().json()["cache"], "ok", "{obstacle}");
        let told: Value = serde_json::from_slice(&fs::read(disk(&agent).join("license-cache.json")).unwrap()).unwrap();
        assert_eq!(told["valid"], false, "{obstacle}");
    });
}

const FILL: &str = "dd if=/dev/zero of=$DIRECTORY/disk/filler bs=4k status=none 2>/dev/null || true";

/// The name of a file of some 90 KiB.
const ROOM_FOR_A_PART: &str = "dd if=/dev/zero of=$DIRECTORY/disk/filler bs=4k count=8 status=none";

/// A builder whose Agent has a small separate disk for the cache file; `options` are its mount options.
fn with_disk(options: &str) -> AgentBuilder {
    let script = format!("mkdir $DIRECTORY/disk; mount -t tmpfs none $DIRECTORY/disk -o {options}");
    let builder = Agent::builder().own_license_server().after_mounting(&script);
    let path = builder.directory().join("disk/license-cache.json").display().to_string();
    builder.set("license_cache", &path)
}

/// The path of that disk in the Agent's mount namespace.
fn disk(agent: &Agent) -> PathBuf {
    let directory = agent.directory().strip_prefix("/").unwrap().join("disk");
    Path::new("/proc").join(agent.pid().to_string()).join("root").join(directory)
}

/// Runs a shell command in the Agent's mount namespace.
fn inside(agent: &Agent, script: &str) {
    process::inside(agent.pid(), agent.directory(), script);
}

// --------------------------------------------------------------------------------------------------------------------
// Files that this Agent did not write.

/// A change to the file, and the status after it.
type Damage = (&'static str, fn(&str) -> String, &'static str);

#[test]
fn an_edited_or_truncated_file_is_ignored() {
    let edited = "it was edited (its MAC is wrong)";
    let garbled = "it is truncated, was edited, or was not written by this Agent";
    let table: [Damage; 12] = [
        ("another limit", |file| file.replacen("\"max_accounts\": 5", "\"max_accounts\": 9", 1), edited),
        ("another plan", |file| file.replacen("\"plan\": \"free\"", "\"plan\": \"huge\"", 1), edited),
        (
            "another expiry",
            |file| file.replacen("\"expires_at\": null", "\"expires_at\": \"2126-03-01T00:00:00Z\"", 1),
            edited,
        ),
        ("a space more", |file| file.replacen(": ", ":  ", 1), edited),
        ("another MAC", |file| changed_digit(file, file.len() - 5), edited),
        ("a member after the MAC", |file| file.replace("\"\n}\n", "\",\n  \"valid\": true\n}\n"), garbled),
        ("no last byte", |file| file[..file.len() - 1].to_owned(), edited),
        ("a byte more", |file| format!("{file}\n"), edited),
        ("half of it", |file| file[..file.len() / 2].to_owned(), garbled),
        ("twice", |file| file.repeat(2), garbled),
        ("nothing", |_| String::new(), "it is empty"),
        ("an answer of the license server", |_| Reply::granted().body_text(), garbled),
    ];
    let mut agent = Agent::licensed();
    agent.license_server().pause();
    let good = fs::read_to_string(agent.cache_path()).unwrap();
    for (name, edit, cause) in table {
        let bad = edit(&good);
        assert_ne!(bad, good, "{name}");
        fs::write(agent.cache_path(), &bad).unwrap();
        assert_ignored(&mut agent, cause);
        // What the Panel can read no longer tells it that the license is valid; what it cannot read stays.
        let left = fs::read_to_string(agent.cache_path()).unwrap();
        match serde_json::from_str::<Value>(&bad) {
            Ok(_) => assert_eq!(cache(&agent)["valid"], false, "{name}"),
            Err(_) => assert_eq!(left, bad, "{name}: written without a verdict"),
        }
    }
    fs::write(agent.cache_path(), good).unwrap();
    agent.restart();
    assert_eq!(agent.status_after_checks(1)["state"], "grace", "the complete file is valid");
    agent.license_server().resume();
    fs::write(agent.cache_path(), "").unwrap();
    agent.restart();
    assert_eq!(agent.status_after_checks(1)["cache"], "ok");
    assert_whole(&agent);
}

#[test]
fn a_symbolic_link_is_ignored_and_tells_the_panel_nothing() {
    let mut agent = Agent::licensed();
    agent.license_server().pause();
    agent.kill();
    let elsewhere = agent.directory().join("elsewhere.json");
    fs::rename(agent.cache_path(), &elsewhere).unwrap();
    symlink(&elsewhere, agent.cache_path()).unwrap();
    let target = fs::read(&elsewhere).unwrap();
    assert_ignored(&mut agent, "it is a symbolic link");
    assert_eq!(cache(&agent)["valid"], false, "the Panel follows the link");
    assert!(fs::read(&elsewhere).unwrap() == target, "the link was followed");
}

#[test]
fn a_denial_cannot_be_edited_away() {
    let mut agent = Agent::licensed();
    let granted = fs::read_to_string(agent.cache_path()).unwrap();
    agent.license_server().reply(denial("suspended", "Unpaid."));
    agent.restart();
    agent.status_after_checks(1);
    agent.license_server().pause();
    let denied = fs::read_to_string(agent.cache_path()).unwrap();
    let view = |file: &str| file.split_once("  \"agent\"").unwrap().0.to_owned();
    fs::write(agent.cache_path(), denied.replace(&view(&denied), &view(&granted))).unwrap();
    assert_ignored(&mut agent, "it was edited (its MAC is wrong)");
}

#[test]
fn a_file_of_another_license_key_is_ignored() {
    let other = Agent::builder().set("license_key", "ZZZZZZZZ-BBBBBBBB-CCCCCCCC-DDDDDDDD").start_licensed();
    let mut agent = Agent::licensed();
    agent.license_server().pause();
    fs::copy(other.cache_path(), agent.cache_path()).unwrap();
    assert_ignored(&mut agent, "it belongs to another license key");
}

#[test]
fn a_file_of_another_server_is_ignored() {
    let builder = Agent::builder().after_mounting("mount --bind $DIRECTORY/machine-id /etc/machine-id");
    let machine_id = builder.directory().join("machine-id");
    fs::write(&machine_id, "0123456789abcdef0123456789abcdef\n").unwrap();
    let mut agent = builder.start_licensed();
    agent.license_server().pause();
    agent.kill();
    fs::write(&machine_id, "fedcba9876543210fedcba9876543210\n").unwrap();
    assert_ignored(&mut agent, "it comes from another server");
    agent.kill();
    fs::write(&machine_id, "0123456789abcdef0123456789abcdef\n").unwrap();
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_eq!((&status["cache"], &status["state"]), (&json!("ok"), &json!("grace")), "{status}");
}

#[test]
fn changing_the_panels_secret_keeps_the_license() {
    let mut agent = Agent::licensed();
    agent.license_server().pause();
    agent.rewrite_config(&[("secret", "another secret, just as long as the first one was")]);
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_eq!((&status["cache"], &status["state"]), (&json!("ok"), &json!("grace")), "{status}");
}

/// After a restart the Agent ignores the file with one log line, and the host has no license.
fn assert_ignored(agent: &mut Agent, cause: &str) {
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    assert_eq!(status["cache"], format!("ignored: {cause}"));
    assert_refused(agent, "unreachable", status["message"].as_str().unwrap());
    let line = format!("License cache {} ignored: {cause}", agent.cache_path().display());
    let lines = agent.lines();
    assert_eq!(lines.iter().filter(|found| **found == line).count(), 1, "{line}: {lines:#?}");
    assert_eq!(lines_with(agent, "License cache"), 1, "{lines:#?}");
}

fn changed_digit(file: &str, at: usize) -> String {
    let digit = if &file[at..=at] == "0" { "1" } else { "0" };
    format!("{}{digit}{}", &file[..at], &file[at + 1..])
}

// --------------------------------------------------------------------------------------------------------------------
// Helpers.

/// The files in a licensed Agent's directory.
const OWN_FILES: [&str; 3] = ["agent.conf", "license-ca.pem", "license-cache.json"];

fn names(agent: &Agent) -> BTreeSet<String> {
    names_in(agent.directory())
}

fn names_in(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The file, which must be JSON.
fn cache(agent: &Agent) -> Value {
    let text = fs::read_to_string(agent.cache_path()).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("the cache is not JSON ({error}): {text}"))
}

/// The members that the Panel reads.
fn seen_by_panel(cache: &Value) -> Value {
    let mut members = cache.as_object().unwrap().clone();
    members.remove("agent").expect("our record");
    members.remove("mac").expect("the MAC");
    Value::Object(members)
}

/// The members of the file, in order.
fn top_level_keys(text: &str) -> Vec<String> {
    let key = |line: &str| Some(line.strip_prefix("  \"")?.split('"').next()?.to_owned());
    text.lines().filter_map(key).collect()
}

/// The cache is a regular file, owned by root and readable by all users, with no other file next to it.
fn assert_whole(agent: &Agent) {
    let metadata = fs::symlink_metadata(agent.cache_path()).unwrap();
    assert!(metadata.is_file(), "{metadata:?}");
    assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o644, 0));
    assert_eq!(cache(agent)["valid"], true);
    assert_eq!(names(agent), BTreeSet::from(OWN_FILES.map(str::to_owned)));
}

/// The license is active; status and log say why the file was not written.
fn assert_not_written(agent: &Agent, status: &Value, cause: &str) {
    assert_active(status);
    assert_allowed(agent);
    let actual = status["cache"].as_str().unwrap();
    assert!(actual.starts_with("not written: ") && actual.contains(cause), "{actual}, not {cause}");
    let logged = eventually(SOON, || {
        let expected_line = |line: &String| line.contains(" not written: ") && line.contains(cause);
        agent.lines().iter().any(expected_line)
    });
    assert!(logged, "{:#?}", agent.lines());
}

fn lines_with(agent: &Agent, part: &str) -> usize {
    agent.lines().iter().filter(|line| line.contains(part)).count()
}
