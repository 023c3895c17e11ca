//! The page in every standing, on desktop and phone, in light and dark mode. Saves screenshots to the directory in
//! `OPTERIUS_SCREENSHOTS`, if set.

use super::*;
use crate::dashboard::layout::look;
use crate::license::{grant, with};
use crate::support::browser::Browser;
use opterius_license::reason::EXPLANATIONS;

/// Runs a script if it is not escaped.
const HOSTILE: &str = "\"'><script>window.ran=1</script><img src=x onerror=window.ran=2></title></style>\u{202e}</bdi>";

fn show(browser: &Browser, agent: &Agent, name: &str, heading: &str) {
    browser.open(&format!("http://127.0.0.1:{}/", agent.port()));
    let shown = browser.find("main h1").text();
    assert!(shown.starts_with(heading), "{name}: {shown}");
    look(browser, name);
    let made = "return [window.ran === undefined, document.querySelectorAll('script, img').length, \
                document.querySelectorAll('style').length]";
    assert_eq!(browser.execute(made, &[]), json!([true, 0, 1]), "{name}");
}

#[test]
fn every_standing_is_readable_on_desktop_and_phone_in_light_and_dark_mode() {
    let browser = Browser::start();
    let mut agent = Agent::licensed();
    show(&browser, &agent, "view-active", "License valid");
    let expiring = with(grant(), json!({"expires_at": "2126-03-01", "max_accounts": 0, "plan": "business"}));
    agent.license_server().reply(Reply::json(200, expiring));
    agent.restart();
    agent.status_after_checks(1);
    show(&browser, &agent, "view-active-business", "License valid");
    agent.license_server().reply(Reply::raw(503, ""));
    agent.restart();
    agent.status_after_checks(1);
    show(&browser, &agent, "view-grace", "License valid for now");
    let countdown = browser.find("#countdown").text();
    assert!(countdown.contains(" h ") && countdown.ends_with(" min left."), "{countdown}");

    let refused = EXPLANATIONS.iter().map(|explanation| explanation.reason);
    for reason in refused.filter(|reason| !["no_key", "unreachable"].contains(reason)) {
        agent.license_server().reply(denial(reason, ""));
        agent.restart();
        agent.status_after_checks(1);
        show(&browser, &agent, &format!("view-{reason}"), "License Required");
        assert_eq!(browser.find("#reason").text(), reason);
    }
    let unreachable = Agent::unlicensed();
    unreachable.status_after_checks(1);
    show(&browser, &unreachable, "view-unreachable", "License Required");
    show(&browser, &Agent::builder().unset("license_key").start(), "view-no_key", "License Required");
}

#[test]
fn a_license_servers_texts_are_escaped_and_bounded() {
    let browser = Browser::start();
    let mut agent = Agent::licensed();
    let long = |letter: &str| format!("{HOSTILE}{}", letter.repeat(10_000));
    let hostile = json!({"valid": false, "reason": long("r"), "message": long("m"), "plan": long("p")});
    agent.license_server().reply(Reply::json(403, hostile));
    agent.restart();
    agent.status_after_checks(1);
    show(&browser, &agent, "view-hostile", "License Required");
    let granted = with(grant(), json!({"message": long("m"), "plan": long("p"), "max_accounts": u64::MAX}));
    agent.license_server().reply(Reply::json(200, granted));
    agent.restart();
    agent.status_after_checks(1);
    show(&browser, &agent, "view-hostile-grant", "License valid");
    assert!(browser.find("#message").text().contains("<script>window.ran=1</script>"));
}
