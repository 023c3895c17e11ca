//! The content of the page in each standing.

use std::time::Duration;

use super::*;
use crate::license::state::RecentCheck;
use opterius_license::model::{Denial, Grant, Record, Terms, Uptime, Verdict};
use opterius_license::outcome::{Failure, FailureClass};
use opterius_license::reason::EXPLANATIONS;

const BOOT: &str = "boot";

fn now() -> Now {
    Now { wall: Timestamp::parse_rfc3339("2026-03-01T12:00:00Z").unwrap(), boot: Duration::from_secs(1_000_000) }
}

fn state_with(verdict: Verdict) -> State {
    let uptime = Uptime::start(BOOT, now());
    let record = Record {
        verdict,
        arrival: None,
        uptime,
        key_sha256: String::new(),
        server_id: String::new(),
        license_server: None,
    };
    let mut state = State::new(BOOT.to_owned());
    (state.has_key, state.record, state.confirmed) = (true, Some(record), true);
    state
}

fn terms() -> Terms {
    let expires_at = Timestamp::parse_rfc3339("2026-04-01T00:00:00Z");
    Terms { plan: Some("free".into()), max_accounts: Some(5), max_servers: Some(0), expires_at, ..Terms::default() }
}

fn granted() -> State {
    state_with(Verdict::Granted(Grant { terms: terms(), message: "License is valid.".into(), at: now().wall }))
}

fn denied(reason: &str, message: &str) -> State {
    let (reason, message) = (reason.to_owned(), message.to_owned());
    state_with(Verdict::Denied(Denial { reason, message, terms: terms(), at: now().wall, previous: None }))
}

fn answer(state: &State, now: Now) -> Response {
    let [os, version, arch, hostname] = ["Debian", "12", "x86_64", "web1.example.com"].map(str::to_owned);
    View::default().answer(state, now, Some(3), &OsInfo { os, version, arch, hostname }, &Guide::default())
}

fn text(state: &State, now: Now) -> String {
    String::from_utf8(answer(state, now).body.to_vec()).unwrap()
}

/// Asserts that the page contains all of these.
fn assert_has(page: &str, expected: &[&str]) {
    for expected in expected {
        assert!(page.contains(expected), "no {expected}: {page}");
    }
}

#[test]
fn a_valid_license_is_shown_with_plan_limits_and_usage() {
    let mut state = granted();
    state.last_checked_at = Some(now().wall);
    state.next_check_at = Some(now().wall.plus(Duration::from_secs(7200)));
    state.recent_checks.push_front(RecentCheck { at: now().wall, verdict: "granted".into(), license_server: None });
    let page = text(&state, now());
    assert_has(&page, &["<h1>License valid</h1>", "banner good", "License is valid.", ">free<", "3 of 5"]);
    assert_has(&page, &["id=\"servers\">unlimited<", "end of 2026-03-31", "in 2 hours", "<bdi>granted</bdi>"]);
    assert_has(&page, &["web1.example.com", env!("CARGO_PKG_VERSION"), "<bdi>Debian</bdi> <bdi>12</bdi>"]);
    assert!(!page.contains("id=\"fix\"") && !page.contains("<script"), "{page}");
}

#[test]
fn grace_counts_down_and_shows_the_fix() {
    let mut state = granted();
    state.confirmed = false;
    state.failure = Some(Failure::new(FailureClass::Network, "the name is not known"));
    let passed = Duration::from_secs(3 * 3600 + 60);
    let later = Now { wall: now().wall.plus(passed), boot: now().boot + passed };
    let page = text(&state, later);
    assert_has(&page, &["<h1>License valid for now</h1>", "banner warn", "id=\"countdown\">1 day 20 h 59 min left."]);
    assert_has(&page, &["2026-03-03 12:00 UTC", "the name is not known", "opterius-agent reverify</code>"]);
}

#[test]
fn every_reason_is_shown_with_its_explanation_and_help() {
    for explanation in EXPLANATIONS {
        let state = match explanation.reason {
            reason::NO_KEY | reason::UNREACHABLE => {
                let mut state = State::new(BOOT.to_owned());
                state.has_key = explanation.reason == reason::UNREACHABLE;
                state
            }
            reason => denied(reason, "The server's message."),
        };
        let page = text(&state, now());
        assert_has(&page, &["<h1>License Required <code", "banner bad", &format!("<bdi>{}</bdi>", explanation.reason)]);
        let message = state.message(&state.standing(now()), now());
        for text in explanation.help.split(", then run: ").chain([message.as_str(), explanation.sentence]) {
            assert_has(&page, &[&text.replace('\'', "&#39;")]);
        }
    }
    let page = text(&denied("a_reason_of_tomorrow", "No."), now());
    assert_has(&page, &["a_reason_of_tomorrow", "The license server rejected this license.", "Look up the license"]);
}

#[test]
fn foreign_text_is_escaped() {
    let hostile = "\"'><script>alert(1)</script></style></title>";
    let mut state = denied(hostile, hostile);
    state.cache = hostile.to_owned();
    state.recent_checks.push_front(RecentCheck { at: now().wall, verdict: hostile.to_owned(), license_server: None });
    let page = text(&state, now());
    assert_eq!(page.matches("&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;").count(), 4, "{page}");
    assert!(!page.contains("<script"), "{page}");
}

#[test]
fn the_page_has_the_security_headers() {
    let answer = answer(&granted(), now());
    assert_eq!((answer.status, answer.content_type), (200, HTML));
    let names: Vec<&str> = answer.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"]);
}
