//! Configuration changes.

use super::*;
use crate::support::SOON;

const MISTYPED_KEY: &str = "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDE";

#[test]
fn a_mistyped_key_that_was_never_verified_does_not_affect_the_valid_license() {
    let agent = Agent::licensed();
    agent.license_server().pause();
    agent.rewrite_config(&[("license_key", MISTYPED_KEY)]);
    agent.signal(Signal::HUP);
    let status = agent.status_after_checks(2);
    assert_restricted(&status, "none", "unreachable");
    assert!(panel_is_told(&agent, false, "unreachable"), "{status}");
    assert_valid_again_without_a_check(&agent);
    assert!(panel_is_told(&agent, true, Value::Null), "{}", agent.status());
}

#[test]
fn a_removed_key_leaves_the_valid_license_in_the_file() {
    let mut agent = Agent::licensed();
    agent.license_server().pause();
    for restarts in [false, true] {
        agent.rewrite_config(&[("license_key", "")]);
        if restarts {
            agent.restart();
        } else {
            agent.signal(Signal::HUP);
        }
        assert!(panel_is_told(&agent, false, "no_key"), "{}", agent.status());
        assert_restricted(&agent.status(), "none", "no_key");
        assert_valid_again_without_a_check(&agent);
        assert!(panel_is_told(&agent, true, Value::Null), "{}", agent.status());
    }
}

#[test]
fn a_denial_that_cannot_be_written_revokes_a_grant_that_another_keys_file_keeps() {
    let mut agent = Agent::licensed();
    agent.license_server().reply(denial("invalid_key", "Unknown key."));
    agent.rewrite_config(&[("license_key", MISTYPED_KEY)]);
    agent.restart();
    assert_restricted(&agent.status_after_checks(1), "server", "invalid_key");
    // The right key is now denied for the same reason, and nothing can be written.
    let obstacle = agent.cache_path().with_extension("json.new");
    fs::create_dir(&obstacle).unwrap();
    agent.rewrite_config(&[("license_key", LICENSE_KEY)]);
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "server", "invalid_key");
    let cache = status["cache"].as_str().unwrap();
    assert!(cache.ends_with("so that an earlier grant does not count again"), "{cache}");
    agent.license_server().pause();
    agent.restart();
    assert_restricted(&agent.status_after_checks(1), "none", "unreachable");
}

#[test]
fn a_mistake_while_nothing_can_be_written_does_not_lose_the_license() {
    let mut agent = Agent::licensed();
    agent.license_server().pause();
    let obstacle = agent.cache_path().with_extension("json.new");
    fs::create_dir(&obstacle).unwrap();
    agent.rewrite_config(&[("license_key", MISTYPED_KEY)]);
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    assert_eq!(status["cache"], "not written: Is a directory; the Panel still reads the old file");
    fs::remove_dir(&obstacle).unwrap();
    agent.rewrite_config(&[("license_key", LICENSE_KEY)]);
    agent.restart();
    assert_grace(&agent, &agent.status_after_checks(1), "connection refused");
}

/// Whether the cache file soon has this `valid` and `reason`.
fn panel_is_told(agent: &Agent, valid: bool, reason: impl Into<Value>) -> bool {
    let wanted = (json!(valid), reason.into());
    eventually(SOON, || {
        let cache: Value = serde_json::from_slice(&fs::read(agent.cache_path()).unwrap()).unwrap();
        (cache["valid"].clone(), cache["reason"].clone()) == wanted
    })
}

#[test]
fn a_mistyped_key_that_the_server_denies_does_not_affect_the_valid_license() {
    let agent = Agent::licensed();
    reply_to_key(&agent, Reply::granted());
    agent.rewrite_config(&[("license_key", MISTYPED_KEY)]);
    agent.signal(Signal::HUP);
    let status = agent.status_after_checks(2);
    assert_restricted(&status, "server", "invalid_key");
    agent.license_server().pause();
    assert_valid_again_without_a_check(&agent);
}

#[test]
fn several_mistyped_keys_over_several_starts_do_not_affect_the_valid_license() {
    let mut agent = Agent::licensed();
    reply_to_key(&agent, Reply::granted());
    for key in [MISTYPED_KEY, "another", MISTYPED_KEY, MISTYPED_KEY] {
        agent.rewrite_config(&[("license_key", key)]);
        agent.restart();
        assert_restricted(&agent.status_after_checks(1), "server", "invalid_key");
        assert_refused(&agent, "invalid_key", "Unknown key.");
        let cache = fs::metadata(agent.cache_path()).unwrap();
        assert!(cache.len() < 16 * 1024, "the file grows with every key: {} bytes", cache.len());
    }
    agent.license_server().pause();
    agent.rewrite_config(&[("license_key", LICENSE_KEY)]);
    agent.restart();
    assert_grace(&agent, &agent.status_after_checks(1), "connection refused");
}

#[test]
fn a_denial_survives_other_keys_in_between() {
    let mut agent = Agent::licensed();
    let change_key = |agent: &Agent, key: &str, checks: usize| {
        agent.rewrite_config(&[("license_key", key)]);
        agent.signal(Signal::HUP);
        agent.status_after_checks(checks)
    };
    reply_to_key(&agent, Reply::granted());
    assert_restricted(&change_key(&agent, MISTYPED_KEY, 2), "server", "invalid_key");
    // The license was suspended in the meantime, and that is the latest verdict.
    reply_to_key(&agent, denial("suspended", "Unpaid."));
    assert_restricted(&change_key(&agent, LICENSE_KEY, 3), "server", "suspended");
    assert_restricted(&change_key(&agent, MISTYPED_KEY, 4), "server", "invalid_key");
    agent.license_server().pause();
    let status = change_key(&agent, LICENSE_KEY, 5);
    assert_eq!(status["valid"], false, "a suspended license is valid again: {status}");
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_eq!(status["valid"], false, "a suspended license is valid again: {status}");
}

/// The license server sends `reply` for the right key and denies all others.
fn reply_to_key(agent: &Agent, reply: Reply) {
    agent.license_server().reply_with(move |received| match text(received, "key").as_str() {
        LICENSE_KEY => reply.clone(),
        _ => denial("invalid_key", "Unknown key."),
    });
}

#[test]
fn a_start_with_a_mistyped_key_does_not_affect_the_valid_license() {
    let mut agent = Agent::licensed();
    agent.license_server().pause();
    agent.rewrite_config(&[("license_key", MISTYPED_KEY)]);
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    assert_eq!(status["cache"], "ignored: it belongs to another license key");
    assert!(panel_is_told(&agent, false, "unreachable"), "{status}");
    // Another start with it, or with a third one, loses nothing either.
    for key in [MISTYPED_KEY, "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDF"] {
        agent.rewrite_config(&[("license_key", key)]);
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_restricted(&status, "none", "unreachable");
        let cache = status["cache"].as_str().unwrap();
        assert!(["none", "ok", "ignored: it belongs to another license key"].contains(&cache), "{cache}");
    }
    assert_valid_again_without_a_check(&agent);
    agent.restart();
    assert_eq!(agent.status()["cache"], "ok");
    assert_grace(&agent, &agent.status_after_checks(1), "connection refused");
}

/// Restores the right key while the license server is unreachable.
fn assert_valid_again_without_a_check(agent: &Agent) {
    agent.rewrite_config(&[("license_key", LICENSE_KEY)]);
    agent.signal(Signal::HUP);
    let is_valid = eventually(SOON, || agent.status()["valid"] == true);
    assert!(is_valid, "the license is no longer valid: {}", agent.status());
    assert_eq!(agent.status()["state"], "grace");
    assert_allowed(agent);
}

#[test]
fn every_spelling_of_a_key_is_sent_hashed_and_cached_in_one_form() {
    let mut agent = Agent::licensed();
    let bare = LICENSE_KEY.replace('-', "");
    let spellings = [
        format!("“{}”", LICENSE_KEY.to_lowercase()),
        LICENSE_KEY.replace('-', "–"),
        format!("\u{feff}{}\u{a0}", LICENSE_KEY.replace('-', " ")),
        format!("`{}\u{200b}{}`", &bare[..11], &bare[11..]),
    ];
    for spelling in spellings {
        agent.rewrite_config(&[("license_key", &spelling)]);
        agent.restart();
        assert_eq!(agent.status()["cache"], "ok", "{spelling:?}: the verdict belongs to the same key");
        assert_active(&agent.status_after_checks(1));
        let received = agent.license_server().received();
        assert_eq!(text(received.last().unwrap(), "key"), LICENSE_KEY, "{spelling:?}");
    }
}

#[test]
fn without_a_possible_key_the_agent_runs_restricted_and_says_why_everywhere() {
    let mut agent = Agent::licensed();
    let key = LICENSE_KEY.replacen('A', "\u{410}", 1);
    let line = fs::read_to_string(agent.config_path()).unwrap();
    let line = line.lines().position(|line| line.starts_with("license_key")).unwrap() + 1;
    let message = format!(
        "{}:{line}: license_key has “\u{410}” (U+0410, a Cyrillic letter that looks like A) as character 1, which no license \
         key contains.",
        agent.config_path().display()
    );
    agent.rewrite_config(&[("license_key", &key)]);
    for is_reload in [true, false] {
        if is_reload {
            agent.signal(Signal::HUP)
        } else {
            agent.restart()
        }
        assert_line(&agent, &format!("License: INVALID — {message}"));
        assert_restricted(&agent.status(), "none", "malformed_key");
        assert_eq!(agent.status()["message"], message.as_str());
        assert_refused(&agent, "malformed_key", &message);
        let page = agent.fetch(Request::get("/")).text();
        assert!(page.contains("malformed_key") && page.contains("a Cyrillic letter that looks like A"), "{page}");
        assert_eq!(agent.reverify().json()["reason"], "malformed_key");
        assert_eq!(agent.license_server().count(), 1, "there is no key to send");
    }
    agent.license_server().pause();
    assert_valid_again_without_a_check(&agent);
}

#[test]
fn an_invalid_configuration_changes_nothing_and_triggers_a_check() {
    let agent = Agent::licensed();
    let good = fs::read_to_string(agent.config_path()).unwrap();
    let wrong = good.replace(LICENSE_KEY, MISTYPED_KEY) + "max_connections=none\n";
    fs::write(agent.config_path(), wrong).unwrap();
    agent.signal(Signal::HUP);
    let status = agent.status_after_checks(2);
    assert_active(&status);
    let lines = agent.lines().join("\n");
    assert!(lines.contains("max_connections “none” must be a whole number from 16 to 65536"), "{lines}");
    assert!(lines.contains(". The Agent keeps its current configuration"), "{lines}");
    assert_eq!(text(&agent.license_server().received()[1], "key"), LICENSE_KEY);
    assert!(!lines.contains(SECRET), "the secret is in the log");
}

#[test]
fn a_missing_configuration_changes_nothing_and_triggers_a_check() {
    let agent = Agent::licensed();
    fs::remove_file(agent.config_path()).unwrap();
    agent.signal(Signal::HUP);
    let status = agent.status_after_checks(2);
    assert_active(&status);
    let expected_line = |line: &str| {
        line.contains("there is no such file") && line.ends_with(". The Agent keeps its current configuration")
    };
    assert!(agent.wait_for_line(expected_line, SOON).is_some(), "{:#?}", agent.lines());
}

#[test]
fn reverify_asks_with_what_the_configuration_says_now() {
    let (first, second) = (FakeLicenseServer::start(), FakeLicenseServer::start());
    let agent = Agent::builder().license_server(&first).start();
    assert_active(&agent.status_after_checks(1));
    // Another license server, and its authority in the same file as before.
    agent.rewrite_config(&[("license_server", &second.url())]);
    fs::write(agent.directory().join("license-ca.pem"), second.ca_pem()).unwrap();
    assert_active(&agent.reverify().json());
    assert_eq!((first.count(), second.count()), (1, 1));

    // An invalid file changes nothing and is named; the check takes place.
    let good = fs::read_to_string(agent.config_path()).unwrap();
    fs::write(agent.config_path(), format!("{good}\nport=none\n")).unwrap();
    assert_active(&agent.reverify().json());
    assert_eq!((first.count(), second.count()), (1, 2));
    let expected_line = |line: &str| line.contains("port “none”") && line.ends_with("keeps its current configuration");
    assert!(agent.wait_for_line(expected_line, SOON).is_some(), "{:#?}", agent.lines());
}

#[test]
fn a_hup_switches_to_a_new_license_server() {
    let (first, second) = (FakeLicenseServer::start_plain(), FakeLicenseServer::start_plain());
    second.reply(denial("suspended", "Unpaid."));
    let agent = Agent::builder().license_server(&first).start();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
    agent.rewrite_config(&[("license_server", &second.url())]);
    agent.signal(Signal::HUP);
    assert_eq!(agent.status_after_checks(2)["reason"], "suspended");
    assert_eq!((first.count(), second.count()), (1, 1));
}
