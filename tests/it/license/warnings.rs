//! Limits that are near, before they hurt: in the status, the log, doctor, the command line and on the page.

use super::*;
use crate::support::SOON;
use std::process::{Command, Output};

const DAY: time::Duration = time::Duration::DAY;

/// A host with this many accounts.
fn host_with(accounts: usize) -> AgentBuilder {
    let builder = Agent::builder();
    let root = builder.directory().join("host");
    fs::create_dir_all(root.join("etc")).unwrap();
    let builder = builder.set("host_root", &root.display().to_string());
    write_accounts(&builder.directory().join("host/etc/group"), accounts);
    builder
}

fn write_accounts(group: &std::path::Path, accounts: usize) {
    let names: Vec<String> = (0..accounts).map(|number| format!("account{number}")).collect();
    fs::write(group, format!("opterius-accounts:x:991:{}\n", names.join(","))).unwrap();
}

fn grant_until(end: OffsetDateTime) -> Reply {
    let expires_at = end.format(&Rfc3339).unwrap();
    Reply::json(200, with(grant(), json!({"max_accounts": 5, "expires_at": expires_at})))
}

fn warnings(status: &Value) -> Vec<String> {
    status["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn run(agent: &Agent, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opterius-agent"));
    let Output { stdout, .. } = command.arg("--config").arg(agent.config_path()).args(words).output().unwrap();
    String::from_utf8(stdout).unwrap()
}

#[test]
fn more_accounts_than_allowed_and_a_near_expiry_are_said_everywhere() {
    let end = OffsetDateTime::now_utc() + 13 * DAY + time::Duration::HOUR;
    let agent = host_with(7).license(grant_until(end)).start_licensed();
    agent.rewrite_config(&[("port", &agent.port().to_string())]);
    let status = agent.status_after_checks(1);
    let accounts = "7 accounts are in use, the plan allows 5: new accounts are refused, existing ones work.";
    let expiry = "The license expires in 13 days, at ";
    let found = warnings(&status);
    assert!(found.len() == 2 && found[0].starts_with(accounts) && found[1].starts_with(expiry), "{found:?}");
    assert_eq!(status["state"], "active", "{status}");

    agent.reverify();
    for text in &found {
        assert!(agent.wait_for_line(|line| line.ends_with(text), SOON).is_some(), "{:#?}", agent.lines());
        let logged = agent.lines().iter().filter(|line| line.ends_with(text)).count();
        assert_eq!(logged, 1, "once a day: {:#?}", agent.lines());
    }
    let page = agent.fetch(Request::get("/")).text();
    assert!(page.contains(accounts) && page.contains(expiry), "{page}");
    let shown = run(&agent, &["status"]);
    assert!(shown.contains(&format!("Warning:        {accounts}")), "{shown}");
    let report: Value = serde_json::from_str(&run(&agent, &["doctor", "--json"])).unwrap();
    let check = report["checks"].as_array().unwrap().iter().find(|check| check["check"] == "license").unwrap();
    assert_eq!(check["verdict"], "WARN", "{check}");
    let (seen, fix) = (check["seen"].as_str().unwrap(), check["fix"].as_str().unwrap());
    assert!(seen.starts_with("valid, plan free") && seen.contains(expiry.trim_start_matches("The")), "{check}");
    let reverify = format!("opterius-agent --config {} reverify", agent.config_path().display());
    assert!(fix.matches(&reverify).count() == 2 && !fix.contains("opterius-agent reverify"), "{check}");
    assert!(
        fix.contains("Delete accounts in the Panel or upgrade the plan") && fix.contains("; renew the license"),
        "{check}"
    );

    // Accounts go, right after a status was answered, and the license is renewed.
    agent.license_server().reply(grant_until(end + 365 * DAY));
    assert_eq!(agent.status()["accounts_used"], 7);
    write_accounts(&agent.directory().join("host/etc/group"), 5);
    assert_eq!(agent.reverify().json()["accounts_used"], 5, "the answer describes the moment after the check");
    let gone = eventually(SOON, || warnings(&agent.status()).is_empty());
    assert!(gone, "a full plan is normal: {}", agent.status());
}
