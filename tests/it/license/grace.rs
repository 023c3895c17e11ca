//! Answers without a verdict, and grace.

use super::*;
use crate::support::SOON;

#[test]
fn an_answer_without_a_verdict_puts_the_license_into_grace() {
    let redirected = FakeLicenseServer::start();
    let elsewhere = format!("{}/api/license/verify", redirected.url());
    let redirect = |status| Reply::raw(status, "").header("Location", &elsewhere);
    let granted = |more: Value| Reply::json(200, with(grant(), more));
    let error = |status| Reply::raw(status, "<h1>Oops</h1>");
    let table = [
        (error(500), "answered that it has an internal error (HTTP 500)"),
        (error(503).header("Retry-After", "120"), "answered that it is not available now (HTTP 503)"),
        (error(429).header("Retry-After", "120"), "limits the rate of requests (HTTP 429)"),
        (error(404), "answered that it has no license service at this address (HTTP 404)"),
        (Reply::raw(200, "<!doctype html><h1>Oops</h1>"), "(a captive portal or proxy page?)"),
        (Reply::json(500, json!({"valid": false, "reason": "suspended"})), "HTTP 500"),
        (Reply::json(400, json!({"valid": false, "reason": "suspended"})), "HTTP 400"),
        (Reply::json(429, json!({"valid": false, "reason": "suspended"})), "HTTP 429"),
        (Reply::json(201, json!({"valid": "true", "max_accounts": 9})), "neither true nor false"),
        (Reply::json(200, json!({"valid": "false"})), "neither true nor false"),
        (Reply::json(200, json!({"max_accounts": 9})), "does not say whether the license is valid"),
        (Reply::json(200, json!({"valid": true, "plan": "free"})), "has no account limit"),
        (Reply::json(200, json!([true])), "is a list, not a JSON object"),
        (granted(json!({"max_accounts": "9"})), "“max_accounts” is not a non-negative integer"),
        (granted(json!({"max_accounts": 9.0})), "“max_accounts” is not a non-negative integer"),
        (granted(json!({"max_accounts": -1})), "“max_accounts” is not a non-negative integer"),
        (granted(json!({"max_accounts": true})), "“max_accounts” is not a non-negative integer"),
        (granted(json!({"max_servers": [9]})), "“max_servers” is not a non-negative integer"),
        (granted(json!({"expires_at": "soon"})), "“expires_at” is not a date"),
        (Reply::raw(200, r#"{"valid": true, "max_accounts": 9"#), "ends in the middle"),
        (Reply::raw(200, ""), "is empty (HTTP 200)"),
        (Reply::raw(200, &b"{\"valid\": true, \"max_accounts\": 9, \"plan\": \"\xff\"}"[..]), "is not UTF-8 text"),
        (Reply::raw(200, "[".repeat(60_000)), "is JSON that is nested too deeply"),
        (Reply::raw(200, r#"{"valid": true, "max_accounts": 18446744073709551616}"#), "“max_accounts” is not"),
        (
            Reply::granted().header("X-Long", &"x".repeat(1024 * 1024)),
            "waiting for the answer of localhost: the head of the answer is longer than 16 KiB",
        ),
        (Reply::raw(200, grant_of_length(64 * 1024 + 1)), "longer than 64 KiB"),
        (Reply::raw(200, grant_of_length(4 * 1024 * 1024)), "longer than 64 KiB"),
        (granted(json!({})).header("Content-Length", "1000"), "the connection ended before the answer was complete"),
        (Reply::granted().behavior(Behavior::CloseAtOnce), "the server closed the connection without an answer"),
        (Reply::granted().behavior(Behavior::Reset), "waiting for the answer of localhost: the connection was reset"),
        (Reply::granted().behavior(Behavior::Hang), "waiting for the answer of localhost: no answer within 10 s"),
        (Reply::granted().behavior(SLOW), "the answer was not complete within 10 s"),
        (redirect(301), "(HTTP 301), which the Agent does not follow"),
        (redirect(302), "(HTTP 302), which the Agent does not follow"),
        (redirect(307), "(HTTP 307), which the Agent does not follow"),
        (redirect(308), "(HTTP 308), which the Agent does not follow"),
    ];
    at_once(&table, |(reply, cause)| {
        let builder = also_trusting(Agent::builder(), &redirected);
        let agent = builder.start_licensed();
        let before = agent.status();
        agent.license_server().reply(reply.clone());
        agent.reverify();
        let status = agent.status();
        assert_grace(&agent, &status, cause);
        for key in ["plan", "max_accounts", "max_servers", "expires_at", "last_verified_at"] {
            assert_eq!(status[key], before[key], "{key} {cause}: {status}");
        }
        let wait = seconds_to_next_check(&status);
        assert!(reply.asks_to_wait().is_none_or(|least| wait >= least), "{cause}: again in {wait} s");
    });
    assert_eq!(redirected.count(), 0, "a redirect was followed");
}

/// One byte a second: the answer starts at once but does not finish in time.
const SLOW: Behavior = Behavior::SlowBody { bytes: 1, tick: Duration::from_secs(1) };

/// A builder whose Agent also trusts the certificate of `other`.
fn also_trusting(builder: AgentBuilder, other: &FakeLicenseServer) -> AgentBuilder {
    let builder = builder.own_license_server();
    let ca_file = builder.directory().join("license-ca.pem");
    let both = fs::read_to_string(&ca_file).unwrap() + other.ca_pem();
    fs::write(ca_file, both).unwrap();
    builder
}

#[test]
fn an_answer_of_exactly_64_kib_is_accepted() {
    let mut agent = Agent::licensed();
    agent.license_server().reply(Reply::raw(200, grant_of_length(64 * 1024)));
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_active(&status);
}

const CLOSED: &str = "waiting for the answer of localhost: the server closed the connection without an answer";

#[test]
fn a_host_without_a_verdict_stays_restricted_with_the_cause() {
    let table = [
        (Reply::raw(503, ""), "the license server answered that it is not available now (HTTP 503)"),
        (
            Reply::json(200, json!({"valid": true})),
            "the license server's answer says valid but has no account limit (max_accounts)",
        ),
        (Reply::granted().behavior(Behavior::CloseAtOnce), CLOSED),
    ];
    let mut agent = Agent::builder().own_license_server().start();
    for (reply, cause) in table {
        agent.license_server().reply(reply);
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_restricted(&status, "none", "unreachable");
        let message = format!("The Agent could not verify the license: {cause}.");
        assert_eq!(status["message"], message.as_str());
        assert_line(&agent, &format!("License: INVALID — {message}"));
        assert_refused(&agent, "unreachable", &message);
        assert!(!agent.cache_path().exists(), "a cache without a verdict");
    }
}

#[test]
fn retry_after_is_respected_within_five_minutes_while_restricted_and_never_the_same_for_all() {
    let mut agent = Agent::builder().own_license_server().start();
    for (header, least, most) in [("120", 120, 242), ("86400", 240, 302)] {
        agent.license_server().reply(Reply::raw(429, "").header("Retry-After", header));
        agent.restart();
        let status = agent.status_after_checks(1);
        let wait = seconds_to_next_check(&status);
        assert!((least..=most).contains(&wait), "Retry-After {header}: again in {wait} s");
    }
}

#[test]
fn grace_ends_48_hours_after_the_last_grant_whatever_happens_in_between() {
    let mut agent = Agent::licensed();
    agent.license_server().pause();
    agent.reverify();
    let until = agent.status()["grace_until"].clone();
    for _ in 0..4 {
        agent.restart();
        let early = agent.status();
        assert_eq!((&early["grace_until"], &early["valid"]), (&until, &json!(true)), "{early}");
        let status = agent.status_after_checks(1);
        assert_eq!(status["grace_until"], until);
        assert_grace(&agent, &status, "connecting to 127.0.0.1 port");
    }
    for _ in 0..2 {
        agent.signal(Signal::HUP);
        let status = agent.reverify().json();
        assert_eq!(status["grace_until"], until);
        assert_grace(&agent, &status, "connecting to 127.0.0.1 port");
    }
    agent.license_server().resume();
    let status = agent.reverify().json();
    assert_active(&status);
    let is_logged = eventually(SOON, || agent.lines().last().is_some_and(|line| line == GRANTED_LINE));
    assert!(is_logged, "{:#?}", agent.lines());
}

#[test]
fn the_license_is_restricted_at_the_exact_end_of_grace() {
    let (mut agent, boottime) = in_time_namespace();
    agent.license_server().pause();
    // The machine has been running for almost 48 hours since the grant.
    fs::write(&boottime, (48 * 3600 - 9).to_string()).unwrap();
    agent.restart();
    let status = agent.status_after_checks(1);
    let until = instant(&status["grace_until"]);
    assert!((now()..now() + time::Duration::seconds(10)).contains(&until), "{status}");
    // The status rounds both clocks to seconds.
    restricted_around(&agent, until, time::Duration::seconds(1));
    let status = agent.status();
    assert_restricted(&status, "cache", "unreachable");
    let message = status["message"].as_str().unwrap();
    let expected = "The license server has not confirmed the license for 48 hours: connecting to 127.0.0.1 port";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(write(&agent).status, 403);
    // The wall clock did not follow the machine's, which is said in a line of its own.
    let message = without_clocks(&status["message"]);
    assert_line(&agent, &format!("License: INVALID — {message}"));
    assert!(cache_turns(&agent, &json!([false, "unreachable", message])), "{}", agent.status());

    // And it stays restricted.
    agent.restart();
    assert_restricted(&agent.status_after_checks(1), "cache", "unreachable");
    agent.license_server().reply(Reply::granted());
    agent.license_server().resume();
    agent.restart();
    assert_active(&agent.status_after_checks(1));
}

/// A licensed Agent in a time namespace, and the file with the seconds by which the machine has been running longer.
fn in_time_namespace() -> (Agent, PathBuf) {
    let script = "exec unshare --time --boottime $(cat $DIRECTORY/boottime) --fork --kill-child \"$@\"";
    let builder = Agent::builder().after_mounting(script);
    let boottime = builder.directory().join("boottime");
    fs::write(&boottime, "0").unwrap();
    (builder.start_licensed(), boottime)
}

#[test]
fn the_file_tells_the_panel_from_the_first_moment_that_the_license_ended_while_the_agent_was_stopped() {
    let in_three_seconds = || (now() + time::Duration::seconds(3)).format(&Rfc3339).unwrap();
    let ends: [(Option<String>, &str, &str); 2] =
        [(None, "259200", "unreachable"), (Some(in_three_seconds()), "3", "expired")];
    at_once(&ends, |(expires_at, later, reason)| {
        let (mut agent, boottime) = in_time_namespace();
        agent.license_server().reply(Reply::json(200, with(grant(), json!({"expires_at": expires_at}))));
        agent.restart();
        assert_eq!(agent.status_after_checks(1)["valid"], true);
        assert!(cache_turns(&agent, &json!([true, null, "License is valid."])));
        agent.kill();
        // The first check takes its full time: what is known before it counts.
        agent.license_server().reply(Reply::granted().behavior(Behavior::Hang));
        fs::write(boottime, later).unwrap();
        let ended = || expires_at.as_ref().is_none_or(|end| instant(&json!(end)) <= now());
        assert!(eventually(PATIENCE, ended));
        agent.restart();
        let status = agent.status();
        assert_restricted(&status, "cache", reason);
        assert_eq!(status["recent_checks"], json!([]), "{status}");
        let cache: Value = serde_json::from_slice(&fs::read(agent.cache_path()).unwrap()).unwrap();
        let told = json!([cache["valid"], cache["reason"], without_clocks(&cache["message"])]);
        assert_eq!(told, json!([false, reason, without_clocks(&status["message"])]));
    });
}

#[test]
fn grace_ends_after_48_hours_of_machine_time_whatever_the_clock_shows() {
    let (mut agent, boottime) = in_time_namespace();
    agent.license_server().pause();
    let restart_at = |agent: &mut Agent, seconds: i64| {
        fs::write(&boottime, seconds.to_string()).unwrap();
        agent.restart();
        agent.status_after_checks(1)
    };
    let status = restart_at(&mut agent, 47 * 3600);
    assert_eq!(status["state"], "grace", "{status}");
    let left = (instant(&status["grace_until"]) - now()).whole_seconds();
    assert!((3300..=3600).contains(&left), "{left} s of grace left: {status}");
    assert_restricted(&restart_at(&mut agent, 48 * 3600), "cache", "unreachable");
}

#[test]
fn machine_time_counts_from_the_first_start_in_each_boot() {
    let script = "mount --bind $DIRECTORY/boot_id /proc/sys/kernel/random/boot_id; \
                  set -- unshare --time --boottime $(cat $DIRECTORY/boottime) --fork --kill-child \"$@\"";
    let builder = Agent::builder().after_mounting(script);
    let (boot_id, boottime) = (builder.directory().join("boot_id"), builder.directory().join("boottime"));
    fs::write(&boot_id, "a boot").unwrap();
    fs::write(&boottime, "0").unwrap();
    let mut agent = builder.start_licensed();
    agent.license_server().pause();
    fs::write(&boot_id, "the next boot").unwrap();
    agent.restart();
    assert_eq!(agent.status_after_checks(1)["state"], "grace");
    // The same boot, 48 hours later, without any change in between that would have been stored.
    fs::write(&boottime, (48 * 3600).to_string()).unwrap();
    agent.restart();
    assert_restricted(&agent.status_after_checks(1), "cache", "unreachable");
}

#[test]
fn a_license_server_with_a_wrong_clock_does_not_shorten_the_grace_period() {
    let clock_is = |text: &str| format!("this server's clock is {text} the license server's");
    let table = [
        (hours(3), "2 h 59 min behind"),
        (hours(49), "2 d 0 h behind"),
        (hours(-40), "1 d 16 h ahead of"),
        (hours(-49), "2 d 1 h ahead of"),
        (hours(-24 * 365), "365 d 0 h ahead of"),
    ];
    at_once(&table, |(off, words)| {
        let date = http_date(now() + *off + time::Duration::seconds(-30));
        let mut agent = Agent::builder().license(Reply::granted().header("Date", &date)).spawn();
        let status = agent.status_after_checks(1);
        assert_active(&status);
        assert!(status["message"].as_str().unwrap().contains(&clock_is(words)), "{status}");
        agent.license_server().pause();
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_eq!((&status["state"], &status["reason"]), (&json!("grace"), &json!(null)), "{status}");
        assert_eq!(instant(&status["grace_until"]), instant(&status["last_verified_at"]) + GRACE, "{status}");
        assert!(status["message"].as_str().unwrap().contains(&clock_is(words)), "{status}");
        let expected_line =
            |line: &str| line.starts_with("Check the time (timedatectl): ") && line.contains(&clock_is(words));
        assert!(agent.wait_for_line(expected_line, SOON).is_some(), "{:#?}", agent.lines());
        // Both times are named, and once a day is enough.
        agent.reverify();
        let lines = agent.lines();
        let named: Vec<&String> = lines.iter().filter(|line| line.starts_with("Check the time")).collect();
        assert!(named.len() == 1 && named[0].contains("Z here, ") && named[0].ends_with("Z there)"), "{lines:#?}");
    });
}

#[test]
fn a_license_that_ended_by_a_wrong_clock_only_is_valid() {
    // By this server's clock it ended yesterday; by the license server's, it ends tomorrow.
    let reply = Reply::json(200, with(grant(), json!({"expires_at": (now() - hours(24)).format(&Rfc3339).unwrap()})));
    let agent = Agent::builder().license(reply.header("Date", &http_date(now() - hours(48)))).spawn();
    let status = agent.status_after_checks(1);
    assert_active(&status);
    let message = status["message"].as_str().unwrap();
    assert!(message.contains("this server's clock is 2 d 0 h ahead of the license server's"), "{message}");
    assert_allowed(&agent);
    assert!(!agent.lines().join("\n").contains("expired"), "{:#?}", agent.lines());

    // And the other way round.
    let reply = Reply::json(200, with(grant(), json!({"expires_at": (now() + hours(24)).format(&Rfc3339).unwrap()})));
    let agent = Agent::builder().license(reply.header("Date", &http_date(now() + hours(48)))).spawn();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "server", "expired");
    let message = status["message"].as_str().unwrap();
    assert!(message.contains("behind the license server's"), "{message}");
}

fn hours(hours: i64) -> time::Duration {
    time::Duration::hours(hours)
}

#[test]
fn a_host_that_boots_before_its_network_recovers_its_license_by_itself() {
    let server = FakeLicenseServer::start();
    server.pause();
    let agent = Agent::builder().license_server(&server).start();
    assert_restricted(&agent.status_after_checks(1), "none", "unreachable");
    server.resume();
    let found = eventually(PATIENCE, || agent.status()["valid"] == true);
    assert!(found, "{}", agent.status());
    assert_line(&agent, GRANTED_LINE);
}

fn grant_of_length(length: usize) -> Vec<u8> {
    let mut body = Reply::granted().body;
    body.resize(length, b' ');
    body
}
